"""Clicks speak for what was clicked, against what was passed over, and of nothing further down."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.ranking.feedback_pairs import (
    examined_outcome,
    lists_of_pairs,
    preference_pairs,
    with_examined_outcome,
)
from tests.ranking.ranking_sets import of_arrays

NAN = np.nan


def shown(*lists, position=None):
    """Lists of outcomes in the order shown."""
    outcome = [value for one in lists for value in one]
    places = [place for one in lists for place in range(len(one))]
    features = np.arange(len(outcome), dtype=np.float32)[:, None]
    return of_arrays(features, [len(one) for one in lists], outcome, position or places)


def pairs_of(lists, rule):
    found = preference_pairs(lists, "engagement", rule)
    return list(zip(found.better.tolist(), found.worse.tolist(), strict=True))


def test_only_what_stands_at_or_above_the_lowest_click_is_known():
    lists = shown([0, 1, 0, 1, 0, 0], [0, 0], [1, 0, NAN])
    expected = [0, 1, 0, 1, NAN, NAN, NAN, NAN, 1, NAN, NAN]
    np.testing.assert_array_equal(examined_outcome(lists, "engagement"), expected)
    changed = with_examined_outcome(lists, "engagement")
    np.testing.assert_array_equal(changed.column("engagement"), expected)
    assert lists.outcome[4, 0] == 0


def test_items_right_below_the_lowest_click_count_where_asked():
    lists = shown([0, 1, 0, 0], [0, 0])
    np.testing.assert_array_equal(
        examined_outcome(lists, "engagement", n_below=1), [0, 1, 0, NAN, NAN, NAN]
    )
    with pytest.raises(DataError, match="-1 items below"):
        examined_outcome(lists, "engagement", n_below=-1)


def test_places_count_rather_than_rows_and_unknown_places_say_nothing():
    # By place: row 2 (clicked), row 0, row 3; row 1 has no place.
    lists = shown([0, 1, 1, 0], position=[1, -1, 0, 2])
    np.testing.assert_array_equal(examined_outcome(lists, "engagement"), [NAN, NAN, 1, NAN])
    assert pairs_of(lists, "skip_above") == []
    assert pairs_of(lists, "skip_next") == [(2, 0)]


def test_joachims_example():
    # Joachims 2002: of ten links 1, 3 and 7 were clicked, so that 3 is preferred to 2, and 7 to
    # 2, 4, 5 and 6; rows count from 0 here.
    lists = shown([1, 0, 1, 0, 0, 0, 1, 0, 0, 0])
    assert pairs_of(lists, "skip_above") == [(2, 1), (6, 1), (6, 3), (6, 4), (6, 5)]
    assert pairs_of(lists, "last_click_skip_above") == [(6, 1), (6, 3), (6, 4), (6, 5)]
    assert pairs_of(lists, "skip_next") == [(0, 1), (2, 3), (6, 7)]


def test_pairs_stay_in_their_list_and_unknown_outcomes_are_neither():
    lists = shown([0, 0], [NAN, 0, 1], [], [NAN, 1, NAN])
    assert pairs_of(lists, "skip_above") == [(4, 3)]
    assert pairs_of(lists, "skip_next") == []


def test_lists_of_pairs_hold_each_preference_once():
    lists = shown([0, 1, 0, 1], [1], [0, 1])
    lists = replace(lists, weight=np.arange(7, dtype=np.float32))
    made = lists_of_pairs(lists, preference_pairs(lists, "engagement", "skip_above"))
    assert made.list_ptr.tolist() == [0, 2, 5, 7]
    assert made.item_row.tolist() == [1, 0, 3, 0, 2, 6, 5]
    assert made.column("preference").tolist() == [1, 0, 1, 0, 0, 1, 0]
    assert made.time_s.tolist() == [0, 0, 120]
    assert made.weight.tolist() == [1, 0, 3, 0, 2, 6, 5]
    np.testing.assert_array_equal(made.features[:, 0], made.item_row)


def test_no_clicks_give_no_pairs_and_no_lists():
    lists = shown([0, 0], [])
    made = lists_of_pairs(lists, preference_pairs(lists, "engagement", "skip_above"))
    assert (made.n_lists, len(made)) == (0, 0)


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, NAN]), max_size=8), min_size=1, max_size=5))
def test_the_better_was_clicked_the_worse_was_passed_over_above_it(outcomes):
    lists = shown(*outcomes)
    value = lists.column("engagement")
    list_of = np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
    found = preference_pairs(lists, "engagement", "skip_above")
    assert (value[found.better] > 0).all()
    assert (value[found.worse] == 0).all()
    assert (list_of[found.better] == list_of[found.worse]).all()
    assert (lists.position[found.worse] < lists.position[found.better]).all()
    known = examined_outcome(lists, "engagement")
    assert not np.isnan(known[np.concatenate([found.better, found.worse])]).any()
    again = preference_pairs(lists_of_pairs(lists, found), "preference", "skip_above")
    assert len(again) == len(found)
