"""Memories of nodes: what they are, and that however events arrive they come out the same."""

import math

import numpy as np
import pytest
import torch

from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.item_states import Found
from graphrec.tgn.live_memory import LiveMemory
from graphrec.tgn.memory import read_memory
from graphrec.tgn.memory_table import memory_table, user_totals
from tests.tgn.logs import CPU, N_ITEMS, a_log, a_network

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def by_definition(memory, code, log):
    """Sums of every item after the whole log, event by event from the definition."""
    told_by_item = memory.item_messages(code)
    user_scale_s, item_scale_s = memory.user_scale_s.double(), memory.item_scale_s.double()
    total = torch.zeros(len(code), *told_by_item.shape[1:], dtype=torch.float64)
    end_s = {int(i): int(log.time_s[log.item_row == i].max()) for i in np.unique(log.item_row)}
    for event in range(len(log)):
        now_s, user = log.time_s[event], log.user_row[event]
        mine = np.flatnonzero((log.user_row == user) & (log.time_s < now_s))
        known = torch.zeros(told_by_item.shape[1:], dtype=torch.float64)
        for n_later, past in enumerate(mine[::-1]):
            decay = torch.exp(-(now_s - log.time_s[past]) / user_scale_s)
            decay *= torch.exp(-n_later * memory.fading_per_event)
            known += decay[:, None] * told_by_item[log.item_row[past]]
        heard = (known[:, :-1] / (known[:, -1:] + 1)).flatten().float()
        item = int(log.item_row[event])
        decay = torch.exp(-(end_s[item] - now_s) / item_scale_s)
        total[item] += decay[:, None] * memory.user_messages(heard)
    return total.float()


def live_after(network, *batches):
    live = LiveMemory(network, network.codes().detach())
    for batch in batches:
        live.absorb(batch)
    return live


@pytest.fixture
def network():
    return a_network(
        memory_dim=8,
        memory_parts=(
            {"user_hours": 0.02, "item_hours": 5.0},
            {"user_hours": 3.0, "item_hours": 1.0, "user_places": 2.5},
        ),
    )


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_memories_are_what_the_definition_says(network, seed):
    log = a_log(seed)
    index = EventIndex(log, network.scale_s, CPU)
    users = user_totals(network.memory, index, network.memory.item_messages(network.codes()))
    table = memory_table(network.memory, index, users)
    expected = by_definition(network.memory, network.codes(), log)
    for item in np.unique(log.item_row):
        row = int(index.rows_before(torch.tensor(item), torch.tensor(len(log))))
        torch.testing.assert_close(table.total[row], expected[item], **CLOSE)
    assert expected.abs().max() > 0.5


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_one_by_one_in_batches_and_at_once_end_in_the_same_memories(network, seed):
    log = a_log(seed)
    expected = by_definition(network.memory, network.codes(), log)
    for size in (1, 7, len(log)):
        parts = [log.take(slice(e, e + size)) for e in range(0, len(log), size)]
        live = live_after(network, *parts)
        torch.testing.assert_close(live.table.total, expected, **CLOSE)
        assert live.n_played == 1


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_late_events_end_in_the_same_memories(network, seed):
    log = a_log(seed)
    order = np.random.default_rng(seed).permutation(len(log))
    live = live_after(network, *(log.take(order[e : e + 5]) for e in range(0, len(log), 5)))
    # Events of one user and one second keep the order in which they arrived.
    arrived = log.take(order)
    sorted_log = arrived.take(np.argsort(arrived.time_s, kind="stable"))
    expected = by_definition(network.memory, network.codes(), sorted_log)
    torch.testing.assert_close(live.table.total, expected, **CLOSE)
    assert live.n_played > 1


@torch.no_grad()
def test_events_after_a_playing_go_on_from_it(network):
    log = a_log(5)
    live = live_after(network, log.take(slice(0, 31)))
    live.refresh(network.codes())
    for event in range(31, len(log)):
        live.absorb(log.take(slice(event, event + 1)))
    expected = by_definition(network.memory, network.codes(), log)
    torch.testing.assert_close(live.table.total, expected, **CLOSE)


@torch.no_grad()
def test_an_event_changes_the_row_of_its_item_alone(network):
    log = a_log(1)
    live = live_after(network, log)
    before = live.table.total.clone()
    one = log.take(slice(len(log) - 1, len(log)))
    live.absorb(one)
    changed = (live.table.total != before).flatten(1).any(dim=1)
    assert changed.nonzero().ravel().tolist() == one.item_row.tolist()
    assert live.n_played == 1


@torch.no_grad()
def test_more_items_follow_without_playing_the_log_again(network):
    log = a_log(2)
    live = live_after(network, log)
    before = live.table.total.clone()
    network.grow(N_ITEMS + 2)
    live.grow(network.codes())
    assert torch.equal(live.table.total[:N_ITEMS], before)
    assert not live.table.total[N_ITEMS:].any()
    assert live.n_played == 1


def test_a_silent_node_remembers_nothing_and_old_memories_fade(network):
    scale_s = network.memory.user_scale_s
    total = torch.full((3, len(scale_s), 5), 2.0)
    total[..., -1] = 4.0
    read = read_memory(total, torch.tensor([0, 72, 10**9]), scale_s)
    assert read[0].allclose(torch.tensor(2.0 / 5.0))
    faded = math.exp(-1)
    assert read[1, 0].item() == pytest.approx(2 * faded / (4 * faded + 1), rel=1e-4)
    assert not read[2].any()


def test_the_last_message_of_an_item_is_learnt_from(network):
    log = a_log(3)
    index = EventIndex(log, network.scale_s, CPU)
    users = user_totals(network.memory, index, network.memory.item_messages(network.codes()))
    table = memory_table(network.memory, index, users)
    found = Found(*(torch.tensor([part]) for part in ([True, False], [3, 0], [5, 5])))
    learning = network.memory.of_items(table, found, learning=True)
    still = network.memory.of_items(table, found, learning=False)
    torch.testing.assert_close(learning, still)
    learning.square().sum().backward()
    assert network.memory.of_user.weight.grad.abs().sum() > 0
    assert not still.requires_grad
    assert not still[0, 1].any()


@torch.no_grad()
def test_few_queries_and_many_remember_alike(network):
    log = a_log(4)
    index = EventIndex(log, network.scale_s, CPU)
    position = torch.arange(40, 60)
    bound = index.bounds_of(position)
    code = network.codes()

    def remembered(which):
        at, until = position[which], bound[which]
        windows = index.windows(index.user[at], until, index.time_s[at], 8)
        return network.memory.of_users(windows, code)

    many = remembered(slice(0, 20))
    one_by_one = torch.cat([remembered(slice(q, q + 1)) for q in range(20)])
    assert 8 < N_ITEMS < 20 * 8
    torch.testing.assert_close(one_by_one, many, **CLOSE)
