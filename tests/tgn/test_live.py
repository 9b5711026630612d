"""States of items as events arrive."""

import numpy as np
import pytest
import torch

from graphrec.tgn.live import LiveItems
from tests.tgn.logs import CPU, N_ITEMS, a_log

SCALE_S = torch.tensor([60.0, 3600.0])


def states_after(*batches, n_items=N_ITEMS):
    live = LiveItems(n_items, SCALE_S, CPU)
    for batch in batches:
        live.grow(batch.n_items)
        live.absorb(batch)
    return live.states


def assert_same(one, other):
    torch.testing.assert_close(one.sums, other.sums, rtol=1e-6, atol=1e-9)
    for name in ("time_s", "count"):
        assert torch.equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("seed", range(4))
def test_one_by_one_in_batches_and_at_once_end_in_the_same_states(seed):
    log = a_log(seed)
    at_once = states_after(log)
    singly = states_after(*(log.take(slice(e, e + 1)) for e in range(len(log))))
    in_sevens = states_after(*(log.take(slice(e, e + 7)) for e in range(0, len(log), 7)))
    for states in (singly, in_sevens):
        assert_same(states, at_once)
        assert torch.equal(states.user, at_once.user)


@pytest.mark.parametrize("seed", range(4))
def test_late_events_end_in_the_same_states(seed):
    log = a_log(seed)
    order = np.random.default_rng(seed).permutation(len(log))
    shuffled = [log.take(order[e : e + 5]) for e in range(0, len(log), 5)]
    assert_same(states_after(*shuffled), states_after(log))


def test_only_the_touched_rows_change_and_are_named():
    log = a_log(1)
    live = LiveItems(N_ITEMS, SCALE_S, CPU)
    live.absorb(log)
    before = live.states.count.clone(), live.states.sums.clone()
    one = log.take(slice(len(log) - 1, len(log)))
    touched = live.absorb(one)
    assert touched.tolist() == one.item_row.tolist()
    changed = (live.states.count != before[0]) | (live.states.sums != before[1]).any(dim=1)
    assert changed.nonzero().ravel().tolist() == touched.tolist()


def test_growing_item_by_item_or_at_once_gives_the_same_vectors():
    from tests.tgn.logs import a_network

    at_once, singly = a_network(), a_network()
    at_once.grow(N_ITEMS + 3)
    for n_items in range(N_ITEMS + 1, N_ITEMS + 4):
        singly.grow(n_items)
    assert torch.equal(at_once.codes(), singly.codes())
    assert at_once.n_items == N_ITEMS + 3
