"""Time of `FeatureBuilder.build` for one query of many candidates over a large catalogue.

Evidence of four sources, publishers, keywords, two streams and times of publication are all in the
figure; finding the candidates and reading the history are not. Everything runs on one thread.
Run: `python -m benchmarks.rank_features`.
"""

import argparse
import resource
import time

import numpy as np

from benchmarks.walk_world import report
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.stream_features import Rate
from graphrec.stages import Candidates, Evidence, Interactions, Queries

SOURCES = ("walks", "peers", "popular", "recent")
NOW_S = 1_700_000_000
SPAN_S = 90 * 86_400


def made_up_events(n: int, n_users: int, n_items: int, seed: int) -> Interactions:
    """Sorted events whose items are skewed: a tenth of the items has almost half of them."""
    rng = np.random.default_rng(seed)
    return Interactions(
        np.sort(rng.integers(NOW_S - SPAN_S, NOW_S, n)),
        rng.integers(0, n_users, n).astype(np.int32),
        (n_items * rng.random(n) ** 3).astype(np.int32),
        np.ones(n, np.float32),
        n_users,
        n_items,
    )


def made_up_names(n_items: int, n_names: int, n_each: int) -> NamesOfItems:
    rng = np.random.default_rng(n_names)
    first = rng.integers(0, n_names, n_items)
    step = 1 + np.arange(n_each) * 7
    row = (first[:, None] + step) % n_names
    return NamesOfItems(
        np.arange(n_items + 1, dtype=np.int64) * n_each, row.ravel().astype(np.int32), n_names
    )


def made_up_call(
    user: int, n_users: int, n_items: int, k: int, n_past: int
) -> tuple[Queries, Candidates]:
    rng = np.random.default_rng(user)
    # Skewed as events are; half of the candidates stand in each source's list.
    drawn = (n_items * rng.random(2 * k) ** 3).astype(np.int32)
    item = np.unique(drawn)
    item = rng.permutation(item)[:k][None]
    brought = rng.random((1, k, len(SOURCES))) < 0.5
    score = np.where(brought, rng.random(brought.shape), np.nan).astype(np.float32)
    place = np.where(brought, np.cumsum(brought, axis=1) - 1, -1).astype(np.int32)
    past = (n_items * rng.random(n_past) ** 3).astype(np.int32)
    # Half of the past lies among the candidates, so that columns of pairs are filled.
    past[::2] = item[0, rng.integers(0, k, len(past[::2]))]
    queries = Queries(
        np.array([user % n_users], np.int32),
        np.array([NOW_S], np.int64),
        np.array([0, n_past], np.int64),
        past,
        NOW_S - 1 - np.sort(rng.integers(0, SPAN_S, n_past)),
        np.ones(n_past, np.float32),
    )
    nothing = np.full(item.shape, -1, np.int32)
    candidates = Candidates(
        item,
        np.zeros(item.shape, np.float32),
        np.zeros(item.shape, np.int8),
        SOURCES,
        nothing,
        np.zeros(item.shape, np.float32),
        Evidence(score, place),
    )
    return queries, candidates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--stream-events", type=int, default=1_000_000)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--history", type=int, default=200)
    parser.add_argument("--calls", type=int, default=1000)
    chosen = parser.parse_args()
    streams = {
        name: made_up_events(chosen.stream_events, chosen.users, chosen.items, seed)
        for seed, name in enumerate(("likes", "shown"), 2)
    }
    published_s = NOW_S - SPAN_S + np.arange(chosen.items, dtype=np.int64) % SPAN_S
    inputs = FeatureInputs(
        SOURCES,
        {
            "publisher": made_up_names(chosen.items, 20_000, 1),
            "keyword": made_up_names(chosen.items, 50_000, 5),
        },
        published_s,
        streams,
        (Rate("clicked", "events", "shown", 0.05), Rate("liked", "likes", "events", 0.05)),
    )
    builder = FeatureBuilder(inputs)
    events = made_up_events(chosen.events, chosen.users, chosen.items, 1)
    builder.fit(events.take(slice(0, 1000)), NOW_S)
    started = time.perf_counter()
    builder.fit(events, NOW_S)
    fitted_s = time.perf_counter() - started
    shape = chosen.users, chosen.items, chosen.candidates, chosen.history
    calls = [made_up_call(user, *shape) for user in range(chosen.calls + 50)]
    took = []
    for queries, candidates in calls:
        started = time.perf_counter()
        table = builder.build(queries, candidates)
        took.append(1e3 * (time.perf_counter() - started))
    took = took[50:]
    row = {
        "candidates": chosen.candidates,
        "columns": table.shape[2],
        "history": chosen.history,
        "items": chosen.items,
        "events": chosen.events,
        "call p50 ms": float(np.percentile(took, 50)),
        "p99 ms": float(np.percentile(took, 99)),
        "fit s": fitted_s,
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    report("rank_features", [row])


if __name__ == "__main__":
    main()
