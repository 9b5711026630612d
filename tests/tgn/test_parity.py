"""Training, evaluation and serving give the same vectors, and the same ranks as the evaluation."""

import numpy as np
import pytest
import torch

from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.stream import StreamSettings, evaluate_stream
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions, held_out_ranks
from graphrec.tgn.memory_table import refresh_memory
from graphrec.tgn.query_windows import windows_of_queries
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.temporal_state import TemporalState
from tests.tgn.logs import CPU, a_log, a_network, a_side_log, queries_at, side_index_of

# Scores reach 74, with side events 138, sums of 16 products each: 1e-6 of that.
CLOSE = {"rtol": 1e-5, "atol": 1e-4}
NETWORKS = {
    "readout alone": {},
    "event states": {"state_layers": 2, "state_window": 3},
    "no repeats": {"repeats": False, "readout_layers": 0},
    "no popularity": {"popularity_scales_hours": ()},
    "no memory": {"memory_dim": 0},
    "neighbours": {"neighbours": {"tokens": 3, "visits": 64, "reach": 2, "hours": 1}},
    "side events": {"side_events": 3, "context_hours": 1.0},
    "side events alone": {"side_events": 5, "readout_layers": 0, "memory_dim": 0},
    "order alone": {"times": False, "popularity_scales_hours": (), "memory_dim": 0},
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request):
    return a_network(**request.param)


def scores_from_index(network, log, position, *, row_targets=1, side=None):
    """Scores as training computes them, in the order of `position`."""
    index = EventIndex(log, network.scale_s, CPU, side_index_of(network, side))
    refresh_memory(network.memory, index, network.codes())
    settings = network.settings
    rows = torch.as_tensor(position).view(-1, row_targets)
    bound = index.bounds_of(rows.reshape(-1))
    now_s = index.time_s[rows.reshape(-1)]
    windows = (
        index.windows_in_rows(
            rows,
            bound.view_as(rows),
            now_s.view_as(rows),
            settings.window,
            settings.context + index.hidden_behind(rows[:, 0], bound.view_as(rows)[:, 0]),
        )
        if settings.state_layers
        else index.windows(index.user[rows.reshape(-1)], bound, now_s, settings.window)
    )
    return network(windows, index.history(bound))


@pytest.mark.parametrize("seed", range(3))
def test_training_mode_equals_one_by_one_absorbing(network, seed):
    log = a_log(seed)
    network.train()
    position = np.arange(len(log))
    trained = scores_from_index(network, log, position)
    network.eval()
    live = TemporalState(network, CPU)
    absorbed = 0
    for event in position:
        bound = int((log.time_s < log.time_s[event]).sum())
        for earlier in range(absorbed, bound):
            live.absorb(log.take(slice(earlier, earlier + 1)))
        absorbed = max(absorbed, bound)
        queries = queries_at(log, position[event : event + 1], np.array([bound]))
        windows = windows_of_queries(queries, network.settings, CPU, side_index_of(network))
        torch.testing.assert_close(network(windows, live)[0], trained[event], **CLOSE)


def test_rows_of_many_targets_equal_targets_alone():
    network, log = a_network(state_layers=2, state_window=3, side_events=3), a_log(4)
    in_order = EventIndex(log, network.scale_s, CPU).by_user
    alone = scores_from_index(network, log, in_order)
    together = scores_from_index(network, log, in_order, row_targets=12)
    torch.testing.assert_close(together, alone, **CLOSE)


@pytest.mark.parametrize("regime", ["strict", "batch"])
@pytest.mark.parametrize("seen", ["allow", "hide"])
def test_ranks_on_the_device_are_those_of_the_stream_protocol(network, regime, seen):
    log = a_log(7, n_events=120)
    cuts = Cuts.at_quantiles(log)
    start, test, end = cuts.positions(log)
    protocol = StreamSettings(regime=regime, batch_size=7, same_second="keep", seen=seen)
    source = TemporalNetworkSource(trained=network, side=a_side_log())
    official = evaluate_stream([source], log, cuts, protocol)[0].rank
    index = EventIndex(log, network.scale_s, CPU, side_index_of(network))
    ranks = [
        held_out_ranks(
            network,
            HeldOutPositions(
                index,
                torch.arange(first, last),
                torch.full((last - first, 1), -1),
                stale_batch=7 if regime == "batch" else 0,
                hide_seen=seen == "hide",
            ),
        )
        for first, last in ((start, test), (test, end))
    ]
    np.testing.assert_allclose(torch.cat(ranks).numpy(), official)


def test_scores_are_dot_products_of_the_vectors():
    network, log = a_network(), a_log(2)
    index = EventIndex(log, network.scale_s, CPU)
    refresh_memory(network.memory, index, network.codes())
    position = torch.arange(40, 60)
    bound = index.bounds_of(position)
    windows = index.windows(index.user[position], bound, index.time_s[position], 8)
    history = index.history(bound)
    query = network.query_vectors(windows, history, network.codes())
    item = torch.arange(network.n_items).expand(20, -1)
    dynamic = network.item_dynamics(history, item, windows.now_s)
    memory = network.item_memories(history, item, windows.now_s)
    query_vector = torch.cat([query.code, query.dynamic, query.memory, torch.ones(20, 1)], dim=1)
    item_vector = torch.cat(
        [
            network.codes().expand(20, -1, -1),
            dynamic,
            memory,
            network.bias[:, None].expand(20, -1, -1),
        ],
        dim=2,
    )
    dot = (query_vector[:, None] * item_vector).sum(-1)
    torch.testing.assert_close(network(windows, history), dot, **CLOSE)
    some = torch.tensor([4, 1, 1, 7])
    torch.testing.assert_close(network(windows, history, some), dot[:, some], **CLOSE)
