"""Splits lose nothing, mix nothing, and never let the future through."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError, SettingsError
from graphrec.events.log import EdgeType, EventLog
from graphrec.events.splits import last_out, quantile_cuts, stream_blocks, time_split
from tests.worlds import watched

TIMES = st.lists(st.integers(0, 50), min_size=1, max_size=60).map(sorted)
ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5), st.integers(0, 9)), max_size=60)


def of_times(times):
    return watched([(time_s, 0, i) for i, time_s in enumerate(times)])


def test_quantile_cuts_by_hand():
    # Of 0..9 the .70 quantile is 6.3 and the .85 quantile 7.65: 7 | 1 | 2 events.
    assert quantile_cuts(np.arange(10)) == (7, 8)
    split = time_split(of_times(range(10)))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [7, 1, 2]
    assert (split.validation_cut_s, split.test_cut_s) == (7, 8)


@given(TIMES)
def test_cuts_agree_with_tgb_s_quantile_rule(times):
    time_s = np.array(times)
    first, second = np.quantile(time_s, [0.70, 0.85])
    split = time_split(of_times(times))
    assert split.train.time_s.tolist() == time_s[time_s <= first].tolist()
    assert split.test.time_s.tolist() == time_s[time_s > second].tolist()


@given(TIMES, st.integers(0, 60), st.integers(0, 60))
def test_a_time_split_loses_nothing_and_knows_no_future(times, one, other):
    events = of_times(times)
    cuts = (min(one, other), max(one, other))
    split = time_split(events, cuts=cuts)
    joined = np.concatenate([split.train.item_row, split.validation.item_row, split.test.item_row])
    assert joined.tolist() == events.item_row.tolist()
    assert (split.train.time_s < cuts[0]).all()
    assert ((split.validation.time_s >= cuts[0]) & (split.validation.time_s < cuts[1])).all()
    assert (split.test.time_s >= cuts[1]).all()


def test_a_log_is_split_as_its_events_are():
    watch = EdgeType("watch", "user", "item", "positive")
    rows = np.arange(10, dtype=np.int32)
    log = EventLog(
        np.arange(10),
        np.zeros(10, np.int8),
        rows,
        rows,
        np.ones(10, np.float32),
        (watch,),
        {"user": 10, "item": 10},
    )
    split = time_split(log)
    assert isinstance(split.train, EventLog)
    assert split.test.target_row.tolist() == [8, 9]


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.7, 0.2, 0.2), (1.0, 0.0, 0.0)])
def test_fractions_that_are_no_shares_are_refused(fractions):
    with pytest.raises(SettingsError, match="three shares > 0, together 1"):
        time_split(of_times([1, 2]), fractions)


def test_cuts_in_the_wrong_order_and_empty_logs_are_refused():
    with pytest.raises(SettingsError, match="not before the validation cut 5"):
        time_split(of_times([1, 2]), cuts=(5, 3))
    with pytest.raises(DataError, match="0 events"):
        time_split(of_times([]))


def test_last_out_by_hand():
    # user 0: a b c (c last by log order, not by time); user 1: two events; user 2: one event
    events = watched([(1, 0, 0), (2, 1, 5), (3, 0, 1), (3, 0, 2), (4, 2, 7), (5, 1, 6)])
    split = last_out(events)
    assert split.test.item_row.tolist() == [2]
    assert split.validation.item_row.tolist() == [1]
    assert split.train.item_row.tolist() == [0, 5, 7, 6]
    assert (split.validation_at.tolist(), split.test_at.tolist()) == ([2], [3])
    short = last_out(events, min_events=2)
    assert short.test.item_row.tolist() == [2, 6]
    assert short.validation.item_row.tolist() == [1]
    with pytest.raises(SettingsError, match="at least 2"):
        last_out(events, min_events=1)


@given(ROWS, st.integers(2, 4))
def test_last_out_loses_nothing_and_holds_out_what_came_last(rows, min_events):
    rows = [(time_s, user, i) for i, (time_s, user, _) in enumerate(sorted(rows))]
    events = watched(rows)
    split = last_out(events, min_events=min_events)
    parts = [split.train.item_row, split.validation.item_row, split.test.item_row]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    assert events.item_row[split.test_at].tolist() == split.test.item_row.tolist()
    for user in range(events.n_users):
        mine = [i for _, who, i in rows if who == user]
        held = split.test.item_row[split.test.user_row == user].tolist()
        second = split.validation.item_row[split.validation.user_row == user].tolist()
        assert held == (mine[-1:] if len(mine) >= min_events else [])
        assert second == (mine[-2:-1] if len(mine) >= max(min_events, 3) else [])


def test_strict_blocks_are_seconds_and_batches_count_from_the_start():
    events = of_times([1, 1, 2, 3, 3, 3, 4])
    assert list(stream_blocks(events, 1)) == [
        slice(1, 2),
        slice(2, 3),
        slice(3, 6),
        slice(6, 7),
    ]
    batches = list(stream_blocks(events, 2, "batch", 2, stop=5))
    assert batches == [slice(2, 4), slice(4, 5)]


@given(TIMES, st.sampled_from(["strict", "batch"]), st.integers(1, 9), st.data())
def test_blocks_cover_the_stream_once_in_order(times, mode, batch_size, data):
    events = of_times(times)
    start = data.draw(st.integers(0, len(times)))
    stop = data.draw(st.integers(start, len(times)))
    blocks = list(stream_blocks(events, start, mode, batch_size, stop=stop))
    positions = [i for block in blocks for i in range(block.start, block.stop)]
    assert positions == list(range(start, stop))
    if mode == "strict":
        assert all(len(set(times[block])) == 1 for block in blocks)
        assert all(times[a.start] < times[b.start] for a, b in itertools.pairwise(blocks))


def test_streams_outside_the_log_and_empty_batches_are_refused():
    with pytest.raises(DataError, match="stream from 3 to 2"):
        list(stream_blocks(of_times([1, 2]), 3))
    with pytest.raises(SettingsError, match="batch size 0"):
        list(stream_blocks(of_times([1, 2]), 0, "batch", 0))
