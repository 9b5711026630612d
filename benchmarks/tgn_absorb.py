"""Time of one event and of one answer of the temporal network, on one thread of a CPU.

One event is absorbed (its item's state and memory, its user's memory), then its user's vector is
computed anew with the states of the items it points at; both are what a live service does between
an event and the next slate. Run: `python -m benchmarks.tgn_absorb`.
"""

import argparse
import time

import numpy as np
import torch

from benchmarks.walk_world import report
from graphrec.stages import Interactions, Queries
from graphrec.tgn.content import NodeContent
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.source import TemporalNetworkSource


def one_event(rng: np.random.Generator, time_s: int, n_items: int) -> Interactions:
    """Somebody watches something."""
    return Interactions(
        np.array([time_s]),
        rng.integers(0, 1000, 1).astype(np.int32),
        rng.integers(0, n_items, 1).astype(np.int32),
        np.ones(1, np.float32),
        1000,
        n_items,
    )


def one_query(rng: np.random.Generator, time_s: int, n_items: int, n_past: int) -> Queries:
    """A user with a past asks."""
    return Queries(
        np.zeros(1, np.int32),
        np.array([time_s]),
        np.array([0, n_past]),
        rng.integers(0, n_items, n_past).astype(np.int32),
        time_s - 1 - 600 * np.arange(n_past),
        np.ones(n_past, np.float32),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--past", type=int, default=200)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for n_items, dim in ((1_000, 512), (100_000, 128)):
        settings = NetworkSettings(dim=dim, spread_codes=False)
        network = TemporalNetwork(settings, NodeContent.nothing(n_items))
        source = TemporalNetworkSource(trained=network)
        rng = np.random.default_rng(0)
        source.fit(one_event(rng, 0, n_items), 1)
        took = {"absorb": [], "user's vector": [], "all scores": []}
        for call in range(chosen.calls):
            time_s = 1_000_000 + call
            event = one_event(rng, time_s, n_items)
            query = one_query(rng, time_s + 1, n_items, chosen.past)
            started = time.perf_counter()
            source.absorb(event)
            absorbed = time.perf_counter()
            source.user_vectors(query)
            embedded = time.perf_counter()
            took["absorb"].append(absorbed - started)
            took["user's vector"].append(embedded - absorbed)
            if call % 10 == 0:
                started = time.perf_counter()
                source.score(query)
                took["all scores"].append(time.perf_counter() - started)
        both = np.add(took["absorb"], took["user's vector"])
        row = {"items": n_items, "dim": dim}
        for name, seconds in (*took.items(), ("absorb and vector", both)):
            row[f"{name} p50 ms"] = float(1e3 * np.percentile(seconds, 50))
            row[f"{name} p99 ms"] = float(1e3 * np.percentile(seconds, 99))
        rows.append(row)
    report("tgn_absorb", rows)


if __name__ == "__main__":
    main()
