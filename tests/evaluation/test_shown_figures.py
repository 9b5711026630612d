"""Figures of shown lists, by hand."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.evaluation.shown_figures import (
    click_places,
    figures_of_scores,
    inverse_examination,
    weighted_mean_of_users,
)
from tests.ranking.ranking_sets import of_arrays

NAN = np.nan


def test_clicked_items_are_ranked_within_their_own_list():
    # Ranks 2; none clicked; a tie of two counts 1.5; two clicks at ranks 1 and 3.
    score = np.float32([3, 2, 1, 9, 8, 5, 5, 7, 6, 5])
    clicked = [0, 1, 0, 0, 0, 1, 0, 1, 0, 1]
    lists = of_arrays(np.zeros((10, 1)), [3, 2, 2, 3], clicked)
    found = figures_of_scores(score, lists, "engagement")
    np.testing.assert_allclose(found.reciprocal_rank, [1 / 2, NAN, 1 / 1.5, 1])
    two = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    np.testing.assert_allclose(found.ndcg, [1 / np.log2(3), NAN, 1 / np.log2(2.5), two])
    cut = figures_of_scores(score, lists, "engagement", k=1)
    np.testing.assert_allclose(cut.ndcg, [0, NAN, 0, 1])


def test_negative_scores_do_not_fall_behind_the_end_of_short_lists():
    lists = of_arrays(np.zeros((5, 1)), [2, 3], [0, 1, 0, 0, 1])
    found = figures_of_scores(np.float32([-5, -6, 1, 0, 2]), lists, "engagement")
    np.testing.assert_allclose(found.reciprocal_rank, [1 / 2, 1])


def test_places_of_clicks_are_the_uppermost_that_are_known():
    lists = of_arrays(
        np.zeros((7, 1)), [3, 2, 2], [0, 1, 1, 0, 0, 1, 0], position=[2, 1, 0, 0, 1, -1, 0]
    )
    assert click_places(lists, "engagement").tolist() == [0, -1, -1]


def test_weights_are_inverse_chances_up_to_a_cap():
    weight = inverse_examination(np.array([0, 1, 2, 9, -1]), np.array([1.0, 0.5, 0.1]), 4.0)
    assert weight.tolist() == [1, 2, 4, 4, 0]
    for chances, most in (([1.0, 0.0], 4.0), ([1.0, NAN], 4.0), ([1.0], 0.5)):
        with pytest.raises(DataError, match="chances are above 0"):
            inverse_examination(np.array([0]), np.array(chances), most)


def test_a_weighted_mean_leaves_out_what_has_no_value():
    value, weight = np.array([1.0, 0.0, NAN, 1.0]), np.array([1.0, 3.0, 5.0, 0.0])
    found = weighted_mean_of_users(value, weight, np.int32([7, 3, 3, 7]))
    assert found.value == 0.25
    assert found.total.tolist() == [0, 1]


def test_reweighting_undoes_places_that_are_not_looked_at():
    # Both items are as good; the lower place is looked at half as often. An order that prefers
    # what stood above is as good as chance, and looks better as logged.
    rng = np.random.default_rng(1)
    n = 40_000
    look = np.array([1.0, 0.5])
    clicks = (rng.random((n, 2)) < 0.2 * look).astype(float)
    lists = of_arrays(np.zeros((2 * n, 1)), [2] * n, clicks.ravel(), np.tile([0, 1], n))
    found = figures_of_scores(-lists.position.astype(np.float32), lists, "engagement")
    single = clicks.sum(axis=1) == 1
    first = np.where(single, found.reciprocal_rank == 1, NAN)
    assert np.nanmean(first) > 0.6
    weight = inverse_examination(click_places(lists, "engagement"), look, 10.0)
    fair = weighted_mean_of_users(first, weight, np.arange(n, dtype=np.int32)).value
    # Lists of one click: 1/2 each but for pairs of clicks, which are rarer by (1 - .1) / (1 - .2).
    assert abs(fair - 0.9 / (0.9 + 0.8)) < 0.02
