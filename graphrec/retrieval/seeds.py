"""The nodes a request's walks start from, and how much each counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, UInt64

from graphrec.arrays import DAY_S
from graphrec.graph.edges import COLD_START_NODE, WeightedEdges
from graphrec.graph.walk_table import WalkTable
from graphrec.kernels.hash_random import fold_queries
from graphrec.kernels.seeds import merge_history
from graphrec.retrieval.medoids import draw_medoids
from graphrec.retrieval.walk_settings import MedoidSeeds, RecentSeeds, WalkSettings
from graphrec.stages import Queries

_ALL: Final = 1 << 62
RowsOf = Callable[[Int32[np.ndarray, " nodes"]], WeightedEdges]


@dataclass(frozen=True, slots=True)
class SeedSets:
    """The seeds of each query, newest first; every query has one at least.

    Attributes:
        ptr: Query i's seeds are `[ptr[i], ptr[i + 1])`.
        node: Node walks start from; the cold-start node stands alone where no past item has edges.
        weight: How much each counts, unitless, >= 0.
    """

    ptr: Int64[np.ndarray, " users_and_end"]
    node: Int32[np.ndarray, " seeds"]
    weight: Float64[np.ndarray, " seeds"]

    def __len__(self) -> int:
        return len(self.ptr) - 1


def query_keys(queries: Queries, seed: int) -> UInt64[np.ndarray, " users"]:
    """What all random choices of a query hang on: the seed, its user and its time."""
    keys = np.empty(len(queries), np.uint64)
    fold_queries(seed, queries.user_row, queries.time_s, keys)
    return keys


def choose_seeds(
    queries: Queries, settings: WalkSettings, table: WalkTable, rows_of: RowsOf
) -> SeedSets:
    """Choose the seeds of each query among its past items that have edges.

    Args:
        queries: The queries. An item's events add up; its newest one gives its place.
        settings: Which items, and how their weight falls with age and place.
        table: Tells which nodes have edges.
        rows_of: Reads edges, by which medoids are found.

    Returns:
        Seeds; they depend on nothing but their own query.

    Source:
        Eksombatchai et al. 2018, arXiv:1711.07601 (Pixie) for weights by recency.
    """
    match settings.seeds:
        case MedoidSeeds() as medoids:
            past = past_seeds(queries, settings, table)
            return with_cold_start(_representatives(past, queries, settings.seed, medoids, rows_of))
        case RecentSeeds(n=n):
            at_most = n
        case _:
            at_most = _ALL
    weight = _event_weights(queries, settings)
    return _merged(queries, weight, table, at_most=at_most, cold_node=COLD_START_NODE)


def past_seeds(queries: Queries, settings: WalkSettings, table: WalkTable) -> SeedSets:
    """Every distinct past item of each query that has edges; a query may be left with none.

    Args:
        queries: The queries.
        settings: How weights fall with age and place.
        table: Tells which nodes have edges.
    """
    return _merged(queries, _event_weights(queries, settings), table)


def with_cold_start(seeds: SeedSets) -> SeedSets:
    """The same seeds, with the cold-start node for queries that have none."""
    alone = np.flatnonzero(np.diff(seeds.ptr) == 0)
    if not len(alone):
        return seeds
    at = seeds.ptr[alone]
    return SeedSets(
        seeds.ptr + np.searchsorted(alone, np.arange(len(seeds.ptr)), side="left"),
        np.insert(seeds.node, at, COLD_START_NODE).astype(np.int32),
        np.insert(seeds.weight, at, 1.0),
    )


def _event_weights(queries: Queries, settings: WalkSettings) -> Float64[np.ndarray, " seeds"]:
    weight = queries.history_weight.astype(np.float64)
    length = np.diff(queries.history_ptr)
    first = np.repeat(queries.history_ptr[:-1], length)
    if settings.half_life_days is not None:
        # Counted from the newest event: a factor common to all seeds changes nothing.
        age_s = np.maximum(queries.history_time_s[first] - queries.history_time_s, 0)
        weight *= np.exp2(-age_s / (settings.half_life_days * DAY_S))
    if settings.half_life_events is not None:
        weight *= np.exp2(-(np.arange(len(first)) - first) / settings.half_life_events)
    return weight


def _merged(
    queries: Queries,
    weight: Float64[np.ndarray, " seeds"],
    table: WalkTable | None,
    *,
    at_most: int = _ALL,
    cold_node: int = -1,
) -> SeedSets:
    """One seed for each distinct item of a query, in order of its newest event.

    Args:
        queries: The queries.
        weight: How much each event of their histories counts.
        table: Only items that have edges in it; None: all.
        at_most: The newest so many of each query.
        cold_node: Seed of a query that has none; -1: it stays without.
    """
    room = len(queries.history_item) + len(queries)
    ptr = np.empty(len(queries) + 1, np.int64)
    node, merged = np.empty(room, np.int32), np.empty(room, np.float64)
    n = merge_history(
        queries.history_ptr,
        queries.history_item,
        weight,
        np.empty(0, np.uint64) if table is None else table.place,
        table is not None,
        at_most,
        cold_node,
        ptr,
        node,
        merged,
    )
    return SeedSets(ptr, node[:n], merged[:n])


def _owner(seeds: SeedSets) -> Int64[np.ndarray, " seeds"]:
    return np.repeat(np.arange(len(seeds), dtype=np.int64), np.diff(seeds.ptr))


def _ptr_of(
    query: Int64[np.ndarray, " seeds"], n_queries: int
) -> Int64[np.ndarray, " users_and_end"]:
    counts = np.bincount(query, minlength=n_queries)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _only(seeds: SeedSets, keep: Bool[np.ndarray, " seeds"]) -> SeedSets:
    return SeedSets(_ptr_of(_owner(seeds)[keep], len(seeds)), seeds.node[keep], seeds.weight[keep])


def _representatives(
    seeds: SeedSets, queries: Queries, seed: int, settings: MedoidSeeds, rows_of: RowsOf
) -> SeedSets:
    """Replace each query's seeds by medoids of their clusters, each counting alike."""
    faded = WalkSettings(half_life_days=settings.half_life_days)
    importance = _merged(queries, _event_weights(queries, faded), None)
    keys = query_keys(queries, seed)
    keep = np.zeros(len(seeds.node), dtype=bool)
    for query in range(len(seeds)):
        start = int(seeds.ptr[query])
        nodes = seeds.node[start : seeds.ptr[query + 1]][: settings.max_items]
        if len(nodes) < 2:
            keep[start : start + len(nodes)] = True
            continue
        own = slice(int(importance.ptr[query]), int(importance.ptr[query + 1]))
        # Seeds are what is left of the merged items, in the same order.
        left = np.isin(importance.node[own], nodes)
        chosen = draw_medoids(
            nodes, importance.weight[own][left], rows_of(nodes), keys[query], settings
        )
        keep[start + chosen] = True
    drawn = _only(seeds, keep)
    return SeedSets(drawn.ptr, drawn.node, np.ones(len(drawn.node)))
