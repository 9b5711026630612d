"""Small logs for the temporal network: ties, repeats, quiet items, and a user nobody meets."""

import numpy as np
import torch

from graphrec.events.history import HistoryIndex
from graphrec.stages import Interactions, Queries
from graphrec.tgn.content import NodeContent
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings

CPU = torch.device("cpu")
N_USERS, N_ITEMS = 6, 9
SMALL = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4, "state_dim": 16}


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
        NetworkSettings.model_validate(SMALL | settings), NodeContent.nothing(n_items), seed=seed
    )
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def queries_at(log: Interactions, position: np.ndarray, bound: np.ndarray) -> Queries:
    """What the users of the events at `position` may know: events before `bound`."""
    return HistoryIndex(log).queries(log.user_row[position], log.time_s[position], bound)
