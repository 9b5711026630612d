"""A history never shows more than what lies before the position asked for."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.events import history
from graphrec.events.history import HistoryIndex, LiveHistory
from tests.worlds import watched

# user 0: item 5 at 1, item 6 at 3, item 5 at 3; user 1: item 7 at 2
EVENTS = watched([(1, 0, 5), (2, 1, 7), (3, 0, 6), (3, 0, 5)])


def _ask(user: int, time_s: int, **options: int) -> list[int]:
    queries = HistoryIndex(EVENTS).queries(
        np.array([user], np.int32), np.array([time_s], np.int64), **options
    )
    return queries.history_item.tolist()


def test_history_is_newest_first_and_strictly_before_the_cut() -> None:
    assert _ask(0, 4) == [5, 6, 5]
    assert _ask(0, 3) == [5]
    assert _ask(0, 1) == []


def test_history_can_be_cut_at_a_log_position() -> None:
    queries = HistoryIndex(EVENTS).queries(
        np.array([0, 1], np.int32), np.array([9, 9], np.int64), np.array([3, 1], np.int64)
    )
    assert queries.history_item.tolist() == [6, 5]
    assert queries.history_ptr.tolist() == [0, 2, 2]
    assert queries.history_time_s.tolist() == [3, 1]


def test_history_can_be_limited_to_the_newest() -> None:
    assert _ask(0, 4, max_history=2) == [5, 6]


def test_unknown_and_anonymous_users_have_no_history() -> None:
    assert _ask(-1, 9) == []
    assert _ask(77, 9) == []


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 4)), max_size=40),
    st.integers(0, 10),
)
def test_future_events_never_enter_a_history(rows: list[tuple[int, int, int]], cut_s: int) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    events = watched(rows, n_users=4, n_items=5)
    everyone = np.arange(4, dtype=np.int32)
    asked = HistoryIndex(events).queries(everyone, np.full(4, cut_s, np.int64))
    for user in range(4):
        expected = [item for time_s, who, item in rows if who == user and time_s < cut_s]
        assert asked.history_item[asked.history(user)].tolist() == expected[::-1]


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 4)), max_size=30)


def _same(live: LiveHistory, rows: list[tuple[int, int, int]], cut_s: int) -> None:
    rebuilt = HistoryIndex(watched(sorted(rows, key=lambda row: row[0])))
    users = np.array([0, 3, -1, 1, 2, 77], np.int32)
    times = np.full(len(users), cut_s, np.int64)
    ours, theirs = live.queries(users, times), rebuilt.queries(users, times)
    for column in ("history_ptr", "history_item", "history_time_s", "history_weight"):
        np.testing.assert_array_equal(getattr(ours, column), getattr(theirs, column))


@pytest.mark.parametrize("fewest", [0, 7, 1 << 16])
@settings(deadline=None)
@given(ROWS, st.lists(ROWS, max_size=4), st.integers(0, 10))
def test_a_live_history_answers_as_one_indexed_anew(
    fewest: int,
    known: list[tuple[int, int, int]],
    batches: list[list[tuple[int, int, int]]],
    cut_s: int,
) -> None:
    known = sorted(known, key=lambda row: row[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "_FEWEST_INDEXED", fewest)
        live, rows = LiveHistory(watched(known)), list(known)
        for batch in batches:
            live.absorb(watched(batch))
            rows += batch
            _same(live, rows, cut_s)
        assert len(live) == len(rows)


def test_an_absorbed_event_stands_in_the_next_history() -> None:
    live = LiveHistory(EVENTS)
    live.absorb(watched([(9, 1, 2), (7, 1, 4), (7, 1, 3)]))
    asked = live.queries(np.array([1], np.int32), np.array([9], np.int64))
    assert asked.history_item.tolist() == [3, 4, 7]
    asked = live.queries(np.array([1], np.int32), np.array([10], np.int64))
    assert asked.history_item.tolist() == [2, 3, 4, 7]


def test_a_copy_goes_on_as_the_history_it_was_made_of() -> None:
    live = LiveHistory(EVENTS)
    live.absorb(replace(watched([(9, 1, 2), (7, 2, 4)]), weight=np.array([2.5, 3], np.float32)))
    copied = copy.deepcopy(live)
    for one in (live, copied):
        one.absorb(replace(watched([(8, 1, 5)]), weight=np.array([4], np.float32)))
        asked = one.queries(np.array([1], np.int32), np.array([10], np.int64))
        assert asked.history_item.tolist()[:2] == [2, 5]
        assert asked.history_weight.tolist()[:2] == [2.5, 4]
        assert len(one) == len(EVENTS) + 3
