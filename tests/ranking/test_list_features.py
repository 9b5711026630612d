"""Where a candidate stands next to what the user met of the list, by hand."""

import numpy as np

from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.list_features import newest_meetings
from graphrec.stages import Candidates, Interactions, Queries

NAN = np.nan


def listed(*rows):
    item = np.array(rows, np.int32)
    zeros = np.zeros(item.shape, np.float32)
    source = np.where(item < 0, -1, 0).astype(np.int8)
    return Candidates(item, zeros, source, ("s",), np.full_like(item, -1), zeros)


def built(past, items, **given):
    """The `list.` features of one list by name; `past` is newest first."""
    queries = Queries.of_sessions([np.array(past, np.int32)], 100)
    builder = FeatureBuilder(FeatureInputs(("s",), given=tuple(given)))
    nothing = np.empty(0, np.int64)
    rows = np.empty(0, np.int32)
    builder.fit(Interactions(nothing, rows, rows, np.empty(0, np.float32), 1, 10), 50)
    values = {name: np.array([column], np.float32) for name, column in given.items()}
    table = builder.build(queries, listed(items), values)[0]
    return {
        name: table[:, at].tolist()
        for at, name in enumerate(builder.names)
        if name.startswith("list.")
    }


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_newest_meeting_counts_events_since():
    queries = Queries.of_sessions([np.int32([5, 2, 5, 7]), np.int32([])], 100)
    never = np.iinfo(np.int64).max
    found = newest_meetings(queries, np.int32([[7, 5, 3, -1], [5, 7, -1, -1]]))
    assert found.tolist() == [[3, 0, never, never], [never] * 4]


def test_places_are_told_relative_to_what_was_met():
    # Shown 4 5 6 7 8; met were 5 (last) and, before, 8.
    found = built([5, 9, 8], [4, 5, 6, 7, 8], position=[0, 1, 2, 3, 4])
    same(found["list.length"], [5] * 5)
    same(found["list.met"], [2] * 5)
    same(found["list.met_above"], [0, 0, 1, 1, 1])
    same(found["list.from_last"], [-1, 0, 1, 2, 3])
    same(found["list.from_nearest"], [1, 3, 1, 1, 3])
    same(found["list.from_deepest"], [-4, -3, -2, -1, 0])


def test_without_a_meeting_there_is_no_relative_place_and_alone_no_nearest():
    found = built([9], [4, 5], position=[0, 1])
    same(found["list.met"], [0, 0])
    same(found["list.from_last"], [NAN, NAN])
    found = built([4], [4, 5], position=[0, 1])
    same(found["list.from_nearest"], [NAN, 1])


def test_values_are_told_by_rank_spread_and_next_to_what_was_met():
    # Mean 4, standard deviation 2; the last one met costs 6, the other one 2.
    found = built([6, 4], [4, 5, 6, 7], price=[2, 2, 6, 6])
    same(found["list.price_rank"], [1 / 6, 1 / 6, 5 / 6, 5 / 6])
    same(found["list.price_z"], [-1, -1, 1, 1])
    same(found["list.price_from_last"], [-2, -2, 0, 0])
    same(found["list.price_from_met"], [-1, -1, 1, 1])


def test_missing_values_equal_values_and_padding_are_borne():
    found = built([4], [4, 5, -1], price=[3, NAN, 7])
    same(found["list.price_rank"], [0, NAN, NAN])
    same(found["list.price_z"], [0, NAN, NAN])
    found = built([4], [5, 6], price=[3, 3])
    same(found["list.price_z"], [0, 0])
    same(found["list.price_from_last"], [NAN, NAN])


def test_columns_that_are_not_given_leave_their_features_missing():
    queries = Queries.of_sessions([np.int32([4])], 100)
    builder = FeatureBuilder(FeatureInputs(("s",), given=("price", "position")))
    nothing, rows = np.empty(0, np.int64), np.empty(0, np.int32)
    builder.fit(Interactions(nothing, rows, rows, np.empty(0, np.float32), 1, 10), 50)
    table = builder.build(queries, listed([4, 5]))
    at = [n for n, name in enumerate(builder.names) if name.startswith("list.")]
    assert np.isnan(table[..., at]).all()
