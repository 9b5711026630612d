"""Windows and states of a log at rest, against a look at every event."""

import numpy as np
import pytest
import torch

from graphrec.errors import DataError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.live import LiveItems
from tests.tgn.logs import CPU, N_ITEMS, N_USERS, a_log

SCALE_S = torch.tensor([60.0, 3600.0])


def seen_by_hand(log, user, bound, length):
    """Items of the user's newest events before a position, newest first."""
    mine = [e for e in range(bound) if log.user_row[e] == user]
    return [int(log.item_row[e]) for e in reversed(mine)][:length]


@pytest.mark.parametrize("seed", range(5))
def test_windows_hold_the_newest_events_before_the_bound(seed):
    log = a_log(seed)
    index = EventIndex(log, SCALE_S, CPU)
    user, bound = np.divmod(np.arange(N_USERS * 61), 61)
    windows = index.windows(
        torch.tensor(user), torch.tensor(bound), torch.zeros(len(user), dtype=torch.int64), 5
    )
    for query in range(len(user)):
        expected = seen_by_hand(log, user[query], bound[query], 5)
        present = windows.present[query]
        assert windows.item[query][present].tolist() == expected
        newest = windows.newest[query][present].tolist()
        assert newest == [item not in expected[:place] for place, item in enumerate(expected)]
        assert int(windows.n_past[query]) == len(seen_by_hand(log, user[query], bound[query], 99))


def test_a_bound_hides_the_events_own_second():
    log = a_log(0)
    bound = EventIndex(log, SCALE_S, CPU).bounds_of(torch.arange(len(log)))
    expected = [int((log.time_s < time_s).sum()) for time_s in log.time_s]
    assert bound.tolist() == expected


def test_a_stale_bound_is_the_start_of_the_batch_counted_from_the_first():
    bound = EventIndex(a_log(0), SCALE_S, CPU).bounds_of(torch.arange(10, 20), 4, 10)
    assert bound.tolist() == [10] * 4 + [14] * 4 + [18] * 2


@pytest.mark.parametrize("seed", range(5))
def test_states_before_a_bound_are_those_of_a_live_graph_at_that_point(seed):
    log = a_log(seed)
    index = EventIndex(log, SCALE_S, CPU)
    item = torch.arange(N_ITEMS)
    for bound in range(len(log) + 1):
        live = LiveItems(N_ITEMS, SCALE_S, CPU)
        live.absorb(log.take(slice(0, bound)))
        row = index.rows_before(item, torch.full((N_ITEMS,), bound))
        live_row = live.state_rows(item, item)
        assert torch.equal(row >= 0, live_row >= 0)
        known = row >= 0
        for name in ("time_s", "count", "user"):
            of_index = getattr(index.states, name)[row[known]]
            assert torch.equal(of_index, getattr(live.states, name)[live_row[known]])
        torch.testing.assert_close(
            index.states.sums[row[known]], live.states.sums[live_row[known]], rtol=1e-6, atol=0
        )


def test_an_empty_or_unsorted_log_is_refused():
    log = a_log(0)
    with pytest.raises(DataError, match="no events"):
        EventIndex(log.take(slice(0, 0)), SCALE_S, CPU)
    with pytest.raises(DataError, match="not sorted"):
        EventIndex(log.take(np.arange(len(log))[::-1].copy()), SCALE_S, CPU)
