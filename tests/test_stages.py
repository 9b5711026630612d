"""The records that rooms exchange."""

import numpy as np
import pytest

from graphrec.errors import BadRowsError, DataError, Fault
from graphrec.stages import Candidates, Evidence, Queries
from tests.worlds import watched


def test_taking_events_keeps_their_columns_together() -> None:
    events = watched([(1, 0, 5), (2, 1, 6), (3, 0, 7)], event_id=[7, 8, 9])
    taken = events.take(np.array([True, False, True]))
    assert taken.item_row.tolist() == [5, 7]
    assert taken.event_id is not None
    assert taken.event_id.tolist() == [7, 9]
    assert (taken.n_users, taken.n_items) == (2, 8)
    assert len(events.take(slice(0, 2))) == 2


def test_sessions_become_queries_dated_before_the_cut() -> None:
    rows = [np.array([3, 1], np.int32), np.empty(0, np.int32)]
    queries = Queries.of_sessions(rows, time_s=100)
    assert queries.history_ptr.tolist() == [0, 2, 2]
    assert queries.history_item[queries.history(0)].tolist() == [3, 1]
    assert queries.history_time_s.tolist() == [99, 99]
    assert queries.user_row.tolist() == [-1, -1]


def test_more_sources_than_an_index_can_name_are_refused() -> None:
    empty = np.empty((0, 0))
    with pytest.raises(DataError, match="200 candidate sources"):
        Candidates(
            empty.astype(np.int32),
            empty.astype(np.float32),
            empty.astype(np.int8),
            ("x",) * 200,
            empty.astype(np.int32),
            empty.astype(np.float32),
        )


def test_bad_rows_show_twenty_and_count_all() -> None:
    faults = [Fault("events.csv", row, "time_s", "NaN", "must be a number") for row in range(1, 31)]
    message = str(BadRowsError(faults, n_faults=1000))
    assert message.splitlines()[0] == "events.csv, row 1, column time_s: NaN — must be a number"
    assert message.splitlines()[-1] == "... and 980 more"
    assert len(message.splitlines()) == 21


def found(n_sources: int | None = 2) -> Candidates:
    """Two queries of three candidates, every column telling which one it is."""
    item = np.array([[5, 6, 7], [8, 9, -1]], np.int32)
    place = None
    if n_sources is not None:
        place = np.arange(6 * n_sources, dtype=np.int32).reshape(2, 3, n_sources)
    return Candidates(
        item,
        item.astype(np.float32) / 2,
        np.array([[0, 1, 0], [1, 0, -1]], np.int8),
        ("a", "b"),
        item + 10,
        item.astype(np.float32) / 100,
        None if place is None else Evidence(place.astype(np.float32), place),
        ("a note",),
    )


@pytest.mark.parametrize("n_sources", [None, 2])
def test_candidates_move_with_all_that_is_known_of_them(n_sources: int | None) -> None:
    candidates = found(n_sources)
    column = np.array([[2, 0, -1, 1], [1, -1, 0, 1]], np.int64)
    moved = candidates.at_columns(column)
    assert moved.item_row.tolist() == [[7, 5, -1, 6], [9, -1, 8, 9]]
    assert moved.score.tolist() == [[3.5, 2.5, -np.inf, 3.0], [4.5, -np.inf, 4.0, 4.5]]
    assert moved.source.tolist() == [[0, 0, -1, 1], [0, -1, 1, 0]]
    assert moved.reason_item.tolist() == [[17, 15, -1, 16], [19, -1, 18, 19]]
    np.testing.assert_allclose(moved.reason_share[0], [0.07, 0.05, 0, 0.06], rtol=1e-6)
    assert moved.notes == ("a note",)
    if candidates.evidence is None:
        assert moved.evidence is None
        return
    assert moved.evidence is not None
    assert moved.evidence.place[0].tolist() == [[4, 5], [0, 1], [-1, -1], [2, 3]]
    np.testing.assert_array_equal(moved.evidence.score[1, 1:3], [[np.nan] * 2, [6, 7]])


def test_candidates_of_nobody_can_only_become_padding() -> None:
    none = found().first(0)
    padded = none.at_columns(np.full((2, 2), -1, np.int64))
    assert padded.item_row.tolist() == [[-1, -1], [-1, -1]]
    assert padded.evidence is not None and padded.evidence.place.shape == (2, 2, 2)
    assert np.isneginf(padded.score).all()


def test_the_first_places_and_one_query_are_cut_out_of_every_column() -> None:
    cut = found().of_query(1).first(2)
    assert cut.item_row.tolist() == [[8, 9]] and cut.reason_item.tolist() == [[18, 19]]
    assert cut.evidence is not None
    assert cut.evidence.place.tolist() == [[[6, 7], [8, 9]]]


def test_a_source_that_is_added_has_said_nothing() -> None:
    more = found().with_source("c", "d")
    assert more.source_names == ("a", "b", "c", "d")
    assert more.evidence is not None
    assert more.evidence.place[0, 1].tolist() == [2, 3, -1, -1]
    np.testing.assert_array_equal(more.evidence.score[0, 1], [2, 3, np.nan, np.nan])
    assert found(None).with_source("c").evidence is None


def test_a_column_beyond_the_last_is_refused() -> None:
    with pytest.raises(DataError, match="column 3 of candidates — there are 3"):
        found().at_columns(np.array([[3], [0]], np.int64))
    with pytest.raises(DataError, match="column 0 of candidates — there are 0"):
        found().first(0).at_columns(np.zeros((2, 1), np.int64))
