"""The event log is sorted, and hands out what lies before a cut."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.events.log import EdgeType, EventLog

TYPES = (
    EdgeType("watch", "user", "item", "positive"),
    EdgeType("rate", "user", "item", "explicit", weight=0.5),
    EdgeType("skip", "user", "item", "negative"),
    EdgeType("search", "user", "keyword", "search"),
)


def _log(times: list[int], types: list[int]) -> EventLog:
    n = len(times)
    return EventLog(
        np.array(times, np.int64),
        np.array(types, np.int8),
        np.arange(n, dtype=np.int32),
        np.arange(n, dtype=np.int32),
        np.full(n, 4, np.float32),
        TYPES,
        {"user": n, "item": n, "keyword": n},
        np.arange(n, dtype=np.uint64),
    )


def test_an_unsorted_log_is_refused() -> None:
    with pytest.raises(DataError, match="not sorted by time"):
        _log([2, 1], [0, 0])


def test_a_cut_falls_strictly_before_its_time() -> None:
    log = _log([1, 2, 2, 3], [0, 0, 0, 0])
    assert log.before(2).time_s.tolist() == [1]
    assert log.since(2).time_s.tolist() == [2, 2, 3]
    assert len(log.before(0)) == 0


def test_interactions_are_the_learnt_user_item_events() -> None:
    log = _log([1, 2, 3, 4], [0, 1, 2, 3])
    watched = log.interactions()
    assert watched.user_row.tolist() == [0, 1]
    assert watched.weight.tolist() == [1, 1]
    assert watched.event_id is not None
    assert watched.event_id.tolist() == [0, 1]
    assert (watched.n_users, watched.n_items) == (4, 4)


def test_interactions_can_be_chosen_by_role_or_name_and_weighted() -> None:
    log = _log([1, 2, 3, 4], [0, 1, 2, 3])
    assert log.interactions(roles={"negative"}).user_row.tolist() == [2]
    assert log.interactions(names={"rate"}, weighted=True).weight.tolist() == [2.0]


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    log = _log([1], [0])
    assert log.type_index("search") == 3
    with pytest.raises(DataError, match=r"'fly' — the log declares watch, rate, skip, search"):
        log.type_index("fly")
