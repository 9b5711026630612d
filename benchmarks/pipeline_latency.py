"""Time of one whole request: four sources, features, trees and a slate, over a million items.

Walks and neighbours on a made-up co-watch graph, vectors through FAISS's lists, what is trending,
and own items bring 1,000 candidates; their features go through LambdaMART of 200 trees of 31
leaves, and a slate of 20 is made with maximal marginal relevance by vectors. Requests come one at a
time on one thread, then from several processes at once, still one at a time each; `--batch` groups
them. Beside the clock's times of whole requests stand those of the thread's own, which other
programs on the machine hardly change. Reading the user's history is in the figure, ids and titles
are not. Run:
`OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python -m benchmarks.pipeline_latency`.
"""

import argparse
import multiprocessing
import os
import time
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32, Int32

from benchmarks.recommend_latency import FixedGraph
from benchmarks.vector_search import clusters
from benchmarks.walk_world import made_up_edges, report
from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog
from graphrec.graph.edges import WeightedEdges
from graphrec.pipeline import Pipeline, Request
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.ranking.learned import LearnedRanker
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource, Quota
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource
from graphrec.retrieval.inverted_lists import import_faiss
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.trending import TrendingSource
from graphrec.retrieval.vector_index import VectorIndexSettings
from graphrec.retrieval.vector_source import VectorSource, VectorSourceSettings
from graphrec.retrieval.walk_settings import RecentSeeds, WalkSettings
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.facts import ItemFacts
from graphrec.slate.mmr import MmrSettings
from graphrec.slate.settings import SlateSettings
from graphrec.stages import Eligibility, Interactions, Queries

N_CANDIDATES, N_TREES, N_LEAVES, N_SHOWN = 1000, 200, 31, 20
NOW_S = 200 * 86_400


class Clock:
    """Milliseconds by what they were spent on, of one request after the other."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)

    def call(self, name: str, function: Any, *arguments: Any) -> Any:
        """Call `function`, and note its time under `name`."""
        began = time.perf_counter()
        result = function(*arguments)
        self.spent[name].append(1e3 * (time.perf_counter() - began))
        return result


class Timed:
    """Another object, one method of which is timed."""

    def __init__(self, inner: Any, method: str, clock: Clock, name: str) -> None:
        self._inner, self._method, self._clock, self._name = inner, method, clock, name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._inner, attribute)
        if attribute != self._method:
            return found
        return lambda *arguments: self._clock.call(self._name, found, *arguments)


class RowsOfFixedGraph(FixedGraph):
    """A graph that never learns, whose nodes can be asked for one by one."""

    def weighted_edges(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> WeightedEdges:
        """The edges of `nodes`, or every edge."""
        every = super().weighted_edges(at_s)
        if nodes is None:
            return every
        spans = [slice(int(every.ptr[node]), int(every.ptr[node + 1])) for node in nodes]
        ptr = np.cumsum([0, *(span.stop - span.start for span in spans)]).astype(np.int64)
        target = np.concatenate([every.target_row[span] for span in spans])
        weight = np.concatenate([every.weight[span] for span in spans])
        return WeightedEdges(ptr, target, weight)


class MadeUpVectors:
    """Items in clusters; a user asks for the mean of the newest three items."""

    name = "vectors"

    def __init__(self, vectors: Float32[np.ndarray, "items dim"]) -> None:
        self._vectors = vectors

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Learn nothing."""

    def absorb(self, events: Interactions) -> None:
        """Learn nothing."""

    def item_vectors(self) -> Float32[np.ndarray, "items dim"]:
        """The vector of every item."""
        return self._vectors

    def user_vectors(self, queries: Queries) -> Float32[np.ndarray, "users dim"]:
        """What each query asks for."""
        mean = [
            self._vectors[queries.history_item[queries.history(query)][:3]].mean(axis=0)
            for query in range(len(queries))
        ]
        return np.array(mean, np.float32)


def made_up_log(n_users: int, n_items: int, n_history: int) -> Interactions:
    """`n_history` events of every user over 200 days, items skewed as in the graph."""
    rng = np.random.default_rng(3)
    n = n_users * n_history
    return Interactions(
        np.sort(rng.integers(0, NOW_S, n)),
        rng.permutation(np.repeat(np.arange(n_users), n_history)).astype(np.int32),
        np.minimum(rng.random(n) ** 3 * n_items, n_items - 1).astype(np.int32),
        np.ones(n, np.float32),
        n_users,
        n_items,
    )


def names(n_items: int, n_names: int, each: int, seed: int) -> NamesOfItems:
    """`each` names of every item, each from a part of its own, so that none repeats."""
    rng = np.random.default_rng(seed)
    part = n_names // each
    name = rng.integers(0, part, (n_items, each)) + part * np.arange(each)
    ptr = np.arange(n_items + 1, dtype=np.int64) * each
    return NamesOfItems(ptr, name.ravel().astype(np.int32), n_names)


def dataset_of(events: Interactions) -> Dataset:
    """Ids that are rows, and no tables."""
    log = EventLog(
        events.time_s,
        np.zeros(len(events), np.int8),
        events.user_row,
        events.item_row,
        events.weight,
        (EdgeType("watch", "user", "item", "positive"),),
        {"user": events.n_users, "item": events.n_items},
    )
    users, items = (pl.int_range(n, eager=True) for n in (events.n_users, events.n_items))
    ids = {"user": IdMap(users, what="user"), "item": IdMap(items, what="item")}
    return Dataset("made up", log, ids, pl.DataFrame({"item_id": items}), pl.DataFrame())


def trained(ranker_rows: list[Float32[np.ndarray, "k features"]], columns: tuple[str, ...]) -> Any:
    """Full trees: outcomes are a planted function of the features, and noise."""
    features = np.concatenate(ranker_rows)
    rng = np.random.default_rng(4)
    known = np.nan_to_num(features)
    spread = known.std(axis=0) + 1e-6
    drift = (known / spread) @ rng.normal(size=known.shape[1])
    length = len(ranker_rows[0])
    chance = 1 / (1 + np.exp(-(drift - drift.mean()) / (drift.std() + 1e-6) + 2))
    n_lists = len(ranker_rows)
    lists = RankingSet(
        columns,
        features,
        np.arange(n_lists + 1, dtype=np.int64) * length,
        np.full(n_lists, NOW_S, np.int64),
        np.arange(n_lists, dtype=np.int32),
        np.zeros(len(features), np.int32),
        np.full(len(features), -1, np.int32),
        ("engagement",),
        (rng.random(len(features)) < chance).astype(np.float32)[:, None],
        np.ones(len(features), np.float32),
    )
    return train_lambdamart(
        lists, None, LambdaMARTSettings(max_trees=N_TREES, n_leaves=N_LEAVES, early_stopping=0)
    )


def pipeline_of(chosen: argparse.Namespace, clock: Clock) -> Pipeline:
    """A fitted pipeline whose parts are timed."""
    events = made_up_log(chosen.users, chosen.items, chosen.history)
    graph = RowsOfFixedGraph(made_up_edges(chosen.items, chosen.edges, skew=3.0))
    walk = RandomWalkSource(
        walk=WalkSettings(
            n_steps=2000,
            restart=0.5,
            max_depth=8,
            seeds=RecentSeeds(n=20),
            degree_budgets=True,
            multi_hit_boost=True,
            half_life_events=5.0,
        )
    )
    walk.follow(graph, NOW_S)
    near = CoWatchNeighbourSource(beside=walk)
    vectors = clusters(chosen.items, 0)[0]
    searched = VectorSource(
        MadeUpVectors(vectors),
        VectorSourceSettings(index=VectorIndexSettings(target_recall=0.9)),
    )
    sources = [walk, searched, TrendingSource(), near, OwnItemsSource()]
    for source in (*sources[1:3], sources[4]):
        source.fit(events, NOW_S)
    print(f"index: {searched.report}")
    rng = np.random.default_rng(5)
    builder = FeatureBuilder(
        FeatureInputs(
            tuple(source.name for source in sources),
            {
                "publisher": names(chosen.items, 20_000, 1, 6),
                "keyword": names(chosen.items, 50_000, 4, 7),
            },
            rng.integers(0, NOW_S, chosen.items),
        )
    )
    builder.fit(events, NOW_S)
    quotas = [Quota(n=n) for n in (400, 400, 300, 300, 50)]
    blend = BlendedSource(
        [Timed(source, "retrieve", clock, f"source {source.name}") for source in sources], quotas
    )
    dataset = dataset_of(events)
    asking = Pipeline(dataset, blend, events=events, cut_s=NOW_S)
    rows = []
    for user in range(200):
        queries = asking.queries_of(np.array([user], np.int32))
        found = blend.retrieve(queries, N_CANDIDATES, Eligibility())
        real = found.item_row[0] >= 0
        rows.append(builder.build(queries, found)[0][real][:500])
    shortest = min(len(row) for row in rows)
    model = trained([row[:shortest] for row in rows], builder.names)
    ranker = LearnedRanker(
        Timed(builder, "build", clock, "features"), Timed(model, "score", clock, "model")
    )
    facts = ItemFacts(chosen.items, vectors)
    slate = SlateSettings(diversity="mmr", mmr=MmrSettings(places=N_SHOWN))
    return Pipeline(
        dataset,
        Timed(blend, "retrieve", clock, "retrieval in all"),
        Timed(ranker, "rank", clock, "ranking in all"),
        Timed(SlateArranger(facts, slate), "arrange", clock, "slate"),
        n_candidates=N_CANDIDATES,
        cut_s=NOW_S,
        events=events,
    )


def ask(pipeline: Pipeline, users: Int32[np.ndarray, " users"]) -> Any:
    return pipeline.recommend(pipeline.queries_of(users), Request(N_SHOWN))


def one_by_one(pipeline: Pipeline, clock: Clock, n: int, seed: int) -> list[dict[str, object]]:
    """Milliseconds of requests and of their parts, then of others by the thread's own time."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, pipeline.dataset.n_users, 2 * n + 50).astype(np.int32)
    for user in users[:50]:
        ask(pipeline, np.array([user], np.int32))
    clock.spent.clear()
    found = 0
    for user in users[50 : 50 + n]:
        slate = clock.call("request", ask, pipeline, np.array([user], np.int32))
        found += int((slate.ranked.item_row >= 0).sum())
        if slate.notes:
            raise SystemExit(slate.notes)
    rows: list[dict[str, object]] = [
        {
            "what": name,
            "p50 ms": float(np.percentile(spent, 50)),
            "p90 ms": float(np.percentile(spent, 90)),
            "p99 ms": float(np.percentile(spent, 99)),
        }
        for name, spent in clock.spent.items()
    ]
    rows.sort(key=lambda row: -float(str(row["p50 ms"])))
    rows[0]["candidates"] = found / n
    own = []
    for user in users[50 + n :]:
        began = time.thread_time()
        ask(pipeline, np.array([user], np.int32))
        own.append(1e3 * (time.thread_time() - began))
    rows[0] |= {
        "p50 thread's ms": float(np.percentile(own, 50)),
        "p99 thread's ms": float(np.percentile(own, 99)),
    }
    return rows


def at_once(pipeline: Pipeline, n_processes: int, n: int, batch: int) -> dict[str, object]:
    """Requests a second of forked processes that share the pipeline's memory."""
    fork = multiprocessing.get_context("fork")
    barrier, spent = fork.Barrier(n_processes + 1), fork.Array("d", n_processes)

    def work(seed: int) -> None:
        rng = np.random.default_rng(100 + seed)
        users = rng.integers(0, pipeline.dataset.n_users, n).astype(np.int32)
        ask(pipeline, users[:batch])
        barrier.wait()
        began_cpu = time.process_time()
        for first in range(0, n, batch):
            ask(pipeline, users[first : first + batch])
        spent[seed] = time.process_time() - began_cpu

    workers = [fork.Process(target=work, args=(seed,)) for seed in range(n_processes)]
    for worker in workers:
        worker.start()
    barrier.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - began
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a process failed")
    return {
        "what": f"{n_processes} processes, batches of {batch}",
        "requests/s": n_processes * n / took,
        "per core-second": n_processes * n / sum(spent),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=20_400_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--history", type=int, default=20)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    chosen = parser.parse_args()
    if os.environ.get("NUMBA_NUM_THREADS") != "1":
        raise SystemExit("run with NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1: a request has one thread")
    import_faiss().omp_set_num_threads(os.cpu_count())
    clock = Clock()
    pipeline = pipeline_of(chosen, clock)
    import_faiss().omp_set_num_threads(1)
    rows = one_by_one(pipeline, clock, chosen.calls, 9)
    rows += [at_once(pipeline, chosen.processes, chosen.calls, size) for size in (1, chosen.batch)]
    report("pipeline_latency", rows)


if __name__ == "__main__":
    main()
