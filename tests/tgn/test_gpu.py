"""A GPU scores as a CPU does, goes on where it was broken off, and replays what it would compute.

Nothing but graphrec.tgn and graphrec.stages is imported, so that a machine with a GPU needs no more
than their dependencies:

    PYTHONPATH=. python -m pytest -c /dev/null --noconftest tests/tgn/test_gpu.py
"""

import math
from functools import cache

import numpy as np
import pytest
import torch

from graphrec.stages import Interactions, Queries
from graphrec.tgn.checkpoint import arrays_of_training, resume_training
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.side_events import SideKind, SideLog, SideNodes
from graphrec.tgn.side_index import SideIndex
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.training import Trainer, Verdict

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"),
]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
N_USERS, N_ITEMS, N_EVENTS = 12, 30, 640
SMALL = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4, "state_dim": 16}
TRAINING = {
    "epochs": 4,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "warmup_steps": 5,
    "precision": "float32",
}
NETWORKS = {
    "readout": {},
    "event states": {"state_layers": 2, "state_window": 4},
    "bare": {"popularity_scales_hours": (), "repeats": False, "readout_layers": 0},
    "towers": {"identity_path": False, "repeats": False},
    "side events": {"side_events": 4, "context_hours": 1.0},
    "neighbours": {"neighbours": {"tokens": 4, "visits": 8, "reach": 2, "hours": 1.0}},
}
SEVERAL_TIMES = 10
"""What two trainings of one kind differ by is noise; others may differ by so many times that."""
ROUNDING = 1e-5
"""Relative: where two trainings of one kind happen to agree to the bit."""


@cache
def the_log():
    """Events in bursts, about one in three at the second of the one before; popular items lead."""
    rng = np.random.default_rng(3)
    gap = rng.choice([0, 1, 20, 4000], N_EVENTS, p=[0.3, 0.2, 0.3, 0.2])
    return Interactions(
        1_000 + np.cumsum(gap).astype(np.int64),
        rng.integers(0, N_USERS, N_EVENTS).astype(np.int32),
        (rng.random(N_EVENTS) ** 2 * N_ITEMS).astype(np.int32),
        np.ones(N_EVENTS, np.float32),
        N_USERS,
        N_ITEMS,
    )


@cache
def the_side_log():
    """Searches, reports and follows at the seconds of the log, and a context now and then."""
    rng = np.random.default_rng(5)
    kinds = (
        SideKind("search", "keyword"),
        SideKind("report", "item"),
        SideKind("follow", "publisher"),
    )
    kind = rng.integers(0, 3, N_EVENTS)
    return SideLog(
        SideNodes(kinds, n_publishers=2, n_keywords=3, n_contexts=2),
        np.sort(rng.choice(the_log().time_s, N_EVENTS)),
        rng.integers(0, N_USERS, N_EVENTS),
        kind,
        rng.integers(0, np.array([3, N_ITEMS, 2])[kind]),
        np.sort(rng.choice(the_log().time_s, 20)),
        np.arange(20) % 2,
    )


def the_side_index(network, device):
    """What a network is told beside the log, on a device."""
    return SideIndex(the_side_log(), network.settings, device)


def some_content():
    """Two publishers and three keywords; every third item has one of each, others have none."""
    has = np.arange(N_ITEMS) % 3 == 0
    ptr = np.concatenate([[0], np.cumsum(2 * has)]).astype(np.int64)
    item = np.flatnonzero(has)
    return NodeContent(N_ITEMS, 2, 3, ptr, np.stack([item % 2, 2 + item % 3], axis=1).reshape(-1))


def a_network(device, *, content=True, **settings):
    """A network whose every parameter is drawn, the same on every device."""
    known = some_content() if content else NodeContent.nothing(N_ITEMS)
    network = TemporalNetwork(
        NetworkSettings.model_validate(SMALL | settings), known, seed=1, side=the_side_log().nodes
    )
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval().to(device)


def assert_alike(found, expected):
    """Within rounding of float32 sums that were added up in another order."""
    assert expected.std() > 0.1, "scores that hardly differ show nothing"
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=2e-4)


@torch.no_grad()
def scores_of_the_log(network, device):
    """Scores of all items at each event of the log, from what lies before it."""
    index = EventIndex(the_log(), network.scale_s, device, the_side_index(network, device))
    position = torch.arange(N_EVENTS, device=device)
    bound = index.bounds_of(position)
    now_s = index.time_s[bound]
    if network.settings.state_layers:
        context = network.settings.context + index.hidden_behind(position, bound)
        window = network.settings.window
        windows = index.windows_in_rows(
            position[:, None], bound[:, None], now_s[:, None], window, context
        )
    else:
        windows = index.windows(index.user[position], bound, now_s, network.settings.window)
    return network(windows, index.history(bound))


@pytest.mark.parametrize("content", [True, False], ids=["content", "no content"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_log_at_rest_is_scored_alike_on_cpu_and_gpu(network, content):
    expected, found = (
        scores_of_the_log(a_network(device, content=content, **NETWORKS[network]), device)
        for device in (CPU, GPU)
    )
    assert expected.shape == (N_EVENTS, N_ITEMS)
    assert_alike(found, expected)


@pytest.mark.parametrize("network", NETWORKS)
def test_queries_are_answered_alike_on_cpu_and_gpu(network):
    log = the_log()
    cut_s = int(log.time_s[-1]) + 1
    rng = np.random.default_rng(4)
    sessions = [rng.integers(0, N_ITEMS, n).astype(np.int32) for n in (0, 1, 3, 20)]
    queries = Queries.of_sessions(sessions, cut_s, user_row=2)
    scores = []
    for device in (CPU, GPU):
        trained = a_network(device, **NETWORKS[network])
        source = TemporalNetworkSource(
            trained=trained, trained_until_s=cut_s, device=device, side=the_side_log()
        )
        source.fit(log, cut_s)
        scores.append(torch.from_numpy(source.score(queries)))
    assert_alike(scores[1], scores[0])


def a_trainer(network, **training):
    """A fresh network on the GPU, to be trained on all of the log."""
    fresh = TemporalNetwork(
        NetworkSettings.model_validate(SMALL | network),
        some_content(),
        seed=1,
        side=the_side_log().nodes,
    ).to(GPU)
    index = EventIndex(the_log(), fresh.scale_s, GPU, the_side_index(fresh, GPU))
    settings = TrainingSettings.model_validate(TRAINING | training)
    return Trainer(fresh, index, torch.arange(N_EVENTS, device=GPU), settings)


def losses_of(trainer, n_epochs):
    return [trainer.run_epoch()[0] for _ in range(n_epochs)]


def distance(one, other):
    """Between all weights of two trainers' networks, relative to their length."""
    ours, theirs = (
        torch.cat([p.detach().double().flatten() for p in trainer.network.parameters()])
        for trainer in (one, other)
    )
    assert bool(torch.isfinite(ours).all())
    return float((ours - theirs).norm() / theirs.norm())


def noise_of(network, **training):
    """A whole training on the GPU, its losses, and what a second one of the same differs by.

    Additions of a GPU come in any order. Trainings that see their events in another order differ
    far more than that, or nothing could be told from how much weights differ.
    """
    whole, again, other = (a_trainer(network, **training) for _ in range(3))
    losses = losses_of(whole, 4)
    losses_of(again, 4)
    other.order.manual_seed(99)
    losses_of(other, 4)
    noise = max(SEVERAL_TIMES * distance(again, whole), ROUNDING)
    assert noise < distance(other, whole) / 5
    return whole, losses, noise


@pytest.mark.parametrize(
    ("cuda_graph", "dropout"), [(False, 0.2), (True, 0.0)], ids=["eager, dropout", "CUDA graph"]
)
def test_a_training_that_was_broken_off_on_the_gpu_goes_on_to_the_same_weights(cuda_graph, dropout):
    network = {"dropout": dropout}
    whole, losses, noise = noise_of(network, cuda_graph=cuda_graph)
    broken = a_trainer(network, cuda_graph=cuda_graph)
    losses_of(broken, 2)
    arrays, rest = arrays_of_training(broken, Verdict([]))
    torch.cuda.manual_seed(7)
    torch.manual_seed(8)
    resumed = a_trainer(network, cuda_graph=cuda_graph)
    # Epochs are counted by what was told of them, which does not matter here.
    resume_training(resumed, arrays, rest)
    resumed.epoch = broken.epoch
    found = losses_of(resumed, 2)
    assert found == pytest.approx(losses[2:], rel=1e-3)
    assert distance(resumed, whole) < noise


@pytest.mark.parametrize("network", ["readout", "event states", "side events"])
def test_a_replayed_cuda_graph_trains_as_single_steps_do(network):
    row_targets = 4 if network == "event states" else 1
    training = {"row_targets": row_targets, "recency": 1.0}
    whole, losses, noise = noise_of(NETWORKS[network], cuda_graph=False, **training)
    graphed = a_trainer(NETWORKS[network], cuda_graph=True, **training)
    assert graphed.steps_per_epoch > 5, "a graph is recorded after three steps"
    found = losses_of(graphed, 4)
    assert all(math.isfinite(loss) for loss in found)
    assert found == pytest.approx(losses, rel=1e-3)
    assert distance(graphed, whole) < noise
