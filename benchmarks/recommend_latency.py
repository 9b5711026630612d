"""Time of `RandomWalkSource.retrieve` on a large graph: one user a call, and batches.

Seeds, budgets, walks, boost, seen items, best k and reasons are all in the figure; reading the
history from a log is not. Run: `python -m benchmarks.recommend_latency`.
"""

import argparse
import time

import numpy as np
from jaxtyping import Int32

from benchmarks.walk_world import made_up_edges, report
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.walk_settings import RecentSeeds, WalkSettings
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import Eligibility, Interactions, Queries


class FixedGraph:
    """A graph that never learns."""

    settings = CoWatchSettings(ageing=AgeingSettings(mode="none"))

    def __init__(self, edges: WeightedEdges) -> None:
        self._edges = edges
        self.n_items = len(edges.ptr) - 2

    def reset(self, events: Interactions | None = None) -> None:
        """Refuse."""
        raise NotImplementedError

    def absorb(self, events: Interactions) -> Int32[np.ndarray, " nodes"]:
        """Refuse."""
        raise NotImplementedError

    def weighted_edges(
        self,
        at_s: int,  # noqa: ARG002  # nothing ages
        nodes: Int32[np.ndarray, " nodes"] | None = None,
    ) -> WeightedEdges:
        """Every edge."""
        if nodes is not None:
            raise NotImplementedError
        return self._edges


def queries_of(users: range, n_items: int, n_history: int) -> Queries:
    rng = np.random.default_rng(users.start)
    n = len(users)
    return Queries(
        np.arange(users.start, users.stop, dtype=np.int32),
        np.full(n, 1_000_000, np.int64),
        np.arange(n + 1, dtype=np.int64) * n_history,
        rng.integers(0, n_items, n * n_history).astype(np.int32),
        np.tile(999_999 - 3600 * np.arange(n_history), n),
        np.ones(n * n_history, np.float32),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=20_400_000)
    parser.add_argument("--history", type=int, default=20)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--batches", type=int, default=8)
    chosen = parser.parse_args()
    walk = WalkSettings(
        n_steps=1000,
        restart=0.5,
        max_depth=8,
        weight_power=1.0,
        seeds=RecentSeeds(n=20),
        degree_budgets=True,
        multi_hit_boost=True,
        half_life_events=5.0,
    )
    source = RandomWalkSource(walk=walk)
    started = time.perf_counter()
    edges = made_up_edges(chosen.items, chosen.edges, skew=3.0)
    made_s = time.perf_counter() - started
    source.follow(FixedGraph(edges), 1_000_000)
    source.score(queries_of(range(1), chosen.items, chosen.history))
    built_s = time.perf_counter() - started - made_s
    eligibility = Eligibility("hide")
    rows = []
    for k in (10, 100):
        singles = [
            queries_of(range(user, user + 1), chosen.items, chosen.history)
            for user in range(chosen.calls)
        ]
        for query in singles[:50]:
            source.retrieve(query, k, eligibility)
        took = []
        for query in singles:
            started = time.perf_counter()
            source.retrieve(query, k, eligibility)
            took.append(1e3 * (time.perf_counter() - started))
        rates, cpu_rates = [], []
        for batch in range(chosen.batches):
            first = batch * chosen.batch
            queries = queries_of(range(first, first + chosen.batch), chosen.items, chosen.history)
            started, cpu = time.perf_counter(), time.process_time()
            source.retrieve(queries, k, eligibility)
            rates.append(chosen.batch / (time.perf_counter() - started))
            cpu_rates.append(chosen.batch / (time.process_time() - cpu))
        rows.append(
            {
                "k": k,
                "one call p50 ms": float(np.percentile(took, 50)),
                "p99 ms": float(np.percentile(took, 99)),
                "batch requests/s": float(np.median(rates)),
                "best": max(rates),
                "per core-second": float(np.median(cpu_rates)),
                "table built s": built_s,
            }
        )
    report("recommend_latency", rows)


if __name__ == "__main__":
    main()
