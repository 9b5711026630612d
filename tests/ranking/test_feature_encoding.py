"""Features become what a network reads, by what the training has seen."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.ranking.feature_encoding import LIMIT, FeatureEncoding

NAN = np.nan
TRAINING = np.array(
    [[1.0, 7.0, 30.0, 5.0], [3.0, NAN, 10.0, 5.0], [5.0, 9.0, NAN, 5.0]], np.float32
)
NAMES = ("age", "shares", "colour", "constant")


def encoding():
    return FeatureEncoding.of_training(TRAINING, NAMES, ("colour",))


def test_numbers_are_standardised_and_missing_ones_are_marked_zeros():
    # age: mean 3, deviation sqrt(8/3); shares: mean 8, deviation 1; constant: as it is less 5.
    got = encoding().numbers(TRAINING)
    unit = 2 / np.sqrt(8 / 3)
    expected = [[-unit, -1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0], [unit, 1, 0, 0, 0, 0]]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_what_never_was_missing_counts_as_its_mean_when_it_is():
    row = np.array([[NAN, 8.0, 10.0, NAN]], np.float32)
    np.testing.assert_allclose(encoding().numbers(row), np.zeros((1, 6)), atol=1e-6)


def test_wild_numbers_are_held_within_limits():
    row = np.array([[np.inf, -1e30, 10.0, 5.0]], np.float32)
    np.testing.assert_allclose(encoding().numbers(row)[0, :2], [LIMIT, -LIMIT])


def test_categories_have_codes_and_unknown_ones_share_the_first():
    values = np.array([10.0, 30.0, 20.0, NAN, 99.0, -1.0], np.float32)
    rows = np.repeat(TRAINING[:1], len(values), axis=0)
    rows[:, 2] = values
    assert encoding().codes(rows)[:, 0].tolist() == [1, 2, 0, 0, 0, 0]
    assert encoding().n_codes == (3,)


def test_the_average_row_reads_as_zeros():
    row = encoding().average_row[None]
    np.testing.assert_allclose(encoding().numbers(row), np.zeros((1, 6)), atol=1e-6)
    assert encoding().codes(row).tolist() == [[0]]


def test_columns_that_never_were_known_say_nothing():
    empty = FeatureEncoding.of_training(np.full((3, 2), NAN, np.float32), ("a", "b"), ("b",))
    row = np.array([[1.0, 4.0], [NAN, NAN]], np.float32)
    assert np.isfinite(empty.numbers(row)).all()
    assert empty.codes(row).tolist() == [[0], [0]]


def test_an_encoding_comes_back_from_its_arrays():
    one = encoding()
    back = FeatureEncoding.of_arrays(NAMES, one.to_arrays())
    np.testing.assert_array_equal(back.numbers(TRAINING), one.numbers(TRAINING))
    np.testing.assert_array_equal(back.codes(TRAINING), one.codes(TRAINING))


def test_other_columns_are_refused():
    with pytest.raises(DataError, match="3 columns"):
        encoding().numbers(TRAINING[:, :3])
    with pytest.raises(DataError, match="no feature 'size'"):
        FeatureEncoding.of_training(TRAINING, NAMES, ("size",))
