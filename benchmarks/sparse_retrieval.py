"""Time of the sources whose cost does not grow with the catalogue, and of their blend.

A million items, three million events of 200,000 users over 30 days, items hit as a uniform number
to the power 3; each item has a publisher and one to seven keywords. One query a call, with a
history of 100 random items; every source is asked for 300 candidates, the blend for 1,000.
Run: `python -m benchmarks.sparse_retrieval`.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.walk_world import report
from graphrec.arrays import DAY_S
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.blend import BlendedSource, merge_candidates
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.fresh import FreshSource, NamedItems
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.trending import TrendingSource
from graphrec.stages import Eligibility, Interactions, Queries

END_S = 30 * DAY_S


def drawn_items(rng: np.random.Generator, n: int, n_items: int) -> np.ndarray:
    return (rng.random(n) ** 3 * n_items).astype(np.int32)


def query_of(seed: int, n_items: int) -> Queries:
    rng = np.random.default_rng(seed)
    return Queries(
        np.array([seed], np.int32),
        np.array([END_S], np.int64),
        np.array([0, 100], np.int64),
        drawn_items(rng, 100, n_items),
        np.sort(rng.integers(0, END_S, 100))[::-1].copy(),
        np.ones(100, np.float32),
    )


def timed(name: str, ask: Callable[[Queries], object], chosen) -> dict[str, object]:
    took, took_cpu = [], []
    for seed in range(chosen.calls + 50):
        query = query_of(seed, chosen.items)
        started, cpu = time.perf_counter(), time.process_time()
        ask(query)
        took.append(1e3 * (time.perf_counter() - started))
        took_cpu.append(1e3 * (time.process_time() - cpu))
    p50, p99 = np.percentile(took[50:], [50, 99])
    return {
        "what": name,
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "CPU p99 ms": float(np.percentile(took_cpu[50:], 99)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--max-neighbours", type=int, default=200)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    n_keywords = rng.integers(1, 8, chosen.items)
    described = NamedItems(
        rng.integers(0, END_S, chosen.items),
        (rng.random(chosen.items) ** 2 * 50_000).astype(np.int32),
        np.append(0, np.cumsum(n_keywords)),
        (rng.random(n_keywords.sum()) ** 2 * 20_000).astype(np.int32),
    )
    started = time.perf_counter()
    fresh = FreshSource(described)
    print(f"fresh items described in {time.perf_counter() - started:.1f} s")
    graph = CoWatchSettings(window_hours=1000, max_neighbors=chosen.max_neighbours)
    sources = [TrendingSource(), fresh, OwnItemsSource(), CoWatchNeighbourSource(graph)]
    blend = BlendedSource(sources)
    events = Interactions(
        np.sort(rng.integers(0, END_S, chosen.events)),
        rng.integers(0, 200_000, chosen.events).astype(np.int32),
        drawn_items(rng, chosen.events, chosen.items),
        np.ones(chosen.events, np.float32),
        200_000,
        chosen.items,
    )
    blend.fit(events, END_S)
    every = Eligibility("allow")
    rows = [
        timed(source.name, lambda query, one=source: one.retrieve(query, 300, every), chosen)
        for source in sources
    ]
    lists = [source.retrieve(query_of(1, chosen.items), 300, every) for source in sources]
    sizes = [int((one.item_row >= 0).sum()) for one in lists]
    quotas = blend.quotas
    merging = timed("merge", lambda _: merge_candidates(lists, quotas, 1000), chosen)
    rows.append({**merging, "candidates": sum(sizes)})
    rows.append(timed("blend", lambda query: blend.retrieve(query, 1000, every), chosen))
    hidden = Eligibility("hide")
    rows.append(timed("blend, seen hidden", lambda q: blend.retrieve(q, 1000, hidden), chosen))
    report("sparse_retrieval", rows)


if __name__ == "__main__":
    main()
