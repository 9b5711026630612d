"""Ratios of sums over users, by hand and against the means that they generalise."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.evaluation.intervals import IntervalSettings, bootstrap_means, compare_with
from graphrec.evaluation.ratios import Ratio, bootstrap_ratios, compare_ratios

SETTINGS = IntervalSettings(resamples=400, seed=3)


def ratio(total, count):
    return Ratio(np.array(total, np.float64), np.array(count, np.float64))


def test_a_ratio_is_that_of_the_sums_not_a_mean_of_ratios():
    assert ratio([1, 90], [1, 100]).value == pytest.approx(91 / 101)
    assert np.isnan(ratio([0, 0], [0, 0]).value)


def test_with_a_count_of_one_ratios_are_means_with_the_same_intervals_and_p_values():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=60), rng.normal(0.3, size=60)
    ones, user = np.ones(60), np.arange(60, dtype=np.int32)
    means = bootstrap_means({"a": a}, user, SETTINGS)["a"]
    found = bootstrap_ratios({"a": Ratio(a, ones)}, SETTINGS)["a"]
    assert (found.value, found.low, found.high) == pytest.approx(
        (means.value, means.low, means.high)
    )
    paired = compare_with(a, {"b": b}, user, SETTINGS)["b"]
    ours = compare_ratios({"m": Ratio(a, ones)}, {"b": {"m": Ratio(b, ones)}}, SETTINGS)["b"]["m"]
    assert ours.difference.value == pytest.approx(paired.difference.value)
    assert ours.difference.low == pytest.approx(paired.difference.low)
    assert ours.p_value == pytest.approx(paired.p_value, abs=0.02)


def test_alike_policies_differ_by_nothing_and_different_ones_surely():
    base = ratio([3, 1, 4, 1, 5, 9, 2, 6], [10] * 8)
    better = ratio([9, 7, 8, 8, 9, 10, 8, 9], [10] * 8)
    found = compare_ratios({"m": base}, {"same": {"m": base}, "better": {"m": better}}, SETTINGS)
    same, other = found["same"]["m"], found["better"]["m"]
    assert (same.difference.low, same.difference.value, same.difference.high) == (0, 0, 0)
    assert same.p_value == 1.0
    assert other.difference.value == pytest.approx((68 - 31) / 80)
    assert other.difference.low > 0
    # All eight users point one way: 2 of 256 swaps are as large.
    assert other.p_value == pytest.approx(2 / 256, abs=0.01)
    assert other.p_holm == pytest.approx(2 * other.p_value)


def test_a_measure_nobody_has_is_nan_and_tells_nothing():
    none = ratio([0, 0], [0, 0])
    found = compare_ratios({"m": none}, {"b": {"m": none}}, SETTINGS)["b"]["m"]
    assert np.isnan(found.difference.value) and found.p_value == 1.0
    assert np.isnan(bootstrap_ratios({"m": none}, SETTINGS)["m"].low)


def test_worlds_are_joined_as_different_users():
    joined = Ratio.join([ratio([1], [2]), ratio([3], [4])])
    assert joined.total.tolist() == [1, 3] and joined.count.tolist() == [2, 4]


def test_measures_of_different_users_are_refused():
    with pytest.raises(DataError, match="same users"):
        bootstrap_ratios({"a": ratio([1], [1]), "b": ratio([1, 2], [1, 1])}, SETTINGS)
    with pytest.raises(DataError, match="2 users of b and 1 of the first"):
        compare_ratios({"m": ratio([1], [1])}, {"b": {"m": ratio([1, 2], [1, 1])}}, SETTINGS)
