"""The records that rooms exchange."""

import numpy as np
import pytest

from graphrec.errors import BadRowsError, DataError, Fault
from graphrec.stages import Candidates, Queries
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
