"""Small logs for the temporal network: ties, repeats, quiet items, and a user nobody meets."""

import numpy as np
import torch

from graphrec.events.history import HistoryIndex
from graphrec.stages import Interactions, Queries
from graphrec.tgn.content import NodeContent
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SideKind, SideLog, SideNodes
from graphrec.tgn.side_index import SideIndex

CPU = torch.device("cpu")
N_USERS, N_ITEMS = 6, 9
SMALL = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4, "state_dim": 16}

SIDE_NODES = SideNodes(
    (SideKind("search", "keyword"), SideKind("report", "item"), SideKind("follow", "publisher")),
    n_publishers=2,
    n_keywords=4,
    n_contexts=2,
)


def a_log(seed: int, n_events: int = 60, n_items: int = N_ITEMS) -> Interactions:
    """Events in bursts, about one in three at the second of the one before."""
    rng = np.random.default_rng(seed)
    gap = rng.choice([0, 1, 20, 4000], n_events, p=[0.3, 0.2, 0.3, 0.2])
    return Interactions(
        1_000 + np.cumsum(gap).astype(np.int64),
        rng.integers(0, N_USERS - 1, n_events).astype(np.int32),
        (rng.random(n_events) ** 2 * (n_items - 1)).astype(np.int32),
        np.ones(n_events, np.float32),
        N_USERS,
        n_items,
    )


def a_network(seed: int = 0, n_items: int = N_ITEMS, **settings: object) -> TemporalNetwork:
    """A network whose every parameter is drawn, so that no part of it is silent."""
    network = TemporalNetwork(
        NetworkSettings.model_validate(SMALL | settings),
        NodeContent.nothing(n_items),
        seed=seed,
        side=SIDE_NODES,
    )
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def a_side_log(seed: int = 0, n_events: int = 200) -> SideLog:
    """Side events at the very seconds of the events of `a_log`, and now and then a context."""
    rng = np.random.default_rng(seed)
    times_s = np.concatenate([a_log(log).time_s for log in range(8)])
    kind = rng.integers(0, 3, n_events)
    return SideLog(
        SIDE_NODES,
        np.sort(rng.choice(times_s, n_events)),
        rng.integers(0, N_USERS - 1, n_events),
        kind,
        rng.integers(0, np.array([4, N_ITEMS, 2])[kind]),
        np.sort(rng.choice(times_s, 12)),
        np.arange(12) % 2,
    )


def side_index_of(network: TemporalNetwork, log: SideLog | None = None) -> SideIndex | None:
    """What a network is told beside its log; None for one that reads nothing more."""
    if not network.settings.is_told_more:
        return None
    return SideIndex(a_side_log() if log is None else log, network.settings, CPU)


def queries_at(log: Interactions, position: np.ndarray, bound: np.ndarray) -> Queries:
    """What the users of the events at `position` may know: events before `bound`."""
    return HistoryIndex(log).queries(log.user_row[position], log.time_s[position], bound)
