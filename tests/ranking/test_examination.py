"""Places are told apart from what stands at them."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.ranking.examination import ExaminationSettings, estimate_examination
from tests.ranking.ranking_sets import of_arrays


def lists_of(items, clicks):
    """Lists of two places."""
    n = len(items)
    made = of_arrays(np.zeros((2 * n, 1)), [2] * n, np.ravel(clicks), position=np.tile([0, 1], n))
    made.item_row[:] = np.ravel(items)
    return made


def test_one_item_at_two_places_gives_the_ratio_of_its_rates():
    # Item 1: 4 of 4 above, 1 of 4 below. Items 8 and 9 stand at one place each and say nothing.
    items = [[1, 9]] * 4 + [[8, 1]] * 4
    clicks = [[1, 0]] * 4 + [[0, 1]] + [[1, 0]] * 3
    found = estimate_examination(
        lists_of(items, clicks), "engagement", ExaminationSettings(n_places=2)
    )
    np.testing.assert_allclose(found.relative, [1, 0.25])
    np.testing.assert_allclose(found.click_rate, [7 / 8, 1 / 8])
    assert found.n_items == 1


def test_what_is_good_and_stands_above_does_not_pass_for_examination():
    rng = np.random.default_rng(0)
    n = 60_000
    look, good = np.array([1.0, 0.4]), np.array([0.8, 0.2])
    is_good_above = rng.random(n) < 0.9
    items = np.where(is_good_above[:, None], [[0, 1]], [[1, 0]])
    clicks = rng.random((n, 2)) < look * good[items]
    found = estimate_examination(
        lists_of(items, clicks.astype(float)), "engagement", ExaminationSettings(n_places=2)
    )
    # Clicks alone would say 0.4 * 0.26 / 0.74 = 0.14.
    assert found.click_rate[1] / found.click_rate[0] < 0.2
    np.testing.assert_allclose(found.relative, look, atol=0.03)


def test_lower_places_count_as_the_last_one_and_unseen_ones_are_missing():
    items = [[1, 2]] * 2 + [[2, 1]] * 2
    lists = lists_of(items, [[1, 0], [0, 1], [1, 0], [0, 1]])
    found = estimate_examination(lists, "engagement", ExaminationSettings(n_places=3))
    np.testing.assert_allclose(found.relative, [1, 1, np.nan])
    assert np.isnan(found.click_rate[2])
    with pytest.raises(DataError, match="no clicked item was shown at two places"):
        estimate_examination(lists, "engagement", ExaminationSettings(n_places=1))


def test_lists_without_places_are_refused():
    lists = lists_of([[1, 2]], [[1, 0]])
    lists.position[:] = -1
    with pytest.raises(DataError, match="no place of 2 candidates is known"):
        estimate_examination(lists, "engagement")
