"""Read edges at a moment: aged, merged over cohorts, cut to the heaviest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Shaped

from graphrec.errors import DataError
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.threads import available_threads, balanced_bounds, close_gaps, run_blocks
from graphrec.kernels.weighing import keep_heaviest, weigh_edges

_SMALL = 100_000


@dataclass(frozen=True, slots=True)
class EdgeColumns:
    """Room for edges by cohort.

    Attributes:
        target_row: Item row each entry leads to.
        cohort: Cohort of each entry; empty where edges bear no date.
        count: Pairs of events that each entry merges.
        strength: Sum of their strengths as of the cohort's start; empty where it is the count.
    """

    target_row: Int32[np.ndarray, " edges"]
    cohort: Int32[np.ndarray, " _"]
    count: Int32[np.ndarray, " edges"]
    strength: Float64[np.ndarray, " _"]

    @classmethod
    def empty(cls, n: int, settings: CoWatchSettings) -> "EdgeColumns":
        """Room for `n` entries."""
        return cls(
            np.empty(n, np.int32),
            np.empty(n if settings.dated else 0, np.int32),
            np.empty(n, np.int32),
            np.empty(n if settings.real else 0, np.float64),
        )

    def columns(self) -> list[Shaped[np.ndarray, " _"]]:
        """The columns in order."""
        return [self.target_row, self.cohort, self.count, self.strength]


@dataclass(frozen=True, slots=True)
class DatedEdges:
    """Edges of some source nodes by cohort: (target, cohort) ascending within a row.

    Attributes:
        node: Source node of each row.
        start: Row r's entries are `[start[r], stop[r])`.
        stop: One past the last entry of each row.
        target_row: Item row each entry leads to.
        cohort: Cohort of each entry; empty where edges bear no date.
        count: Pairs of events that each entry merges.
        strength: Sum of their strengths as of the cohort's start; empty where it is the count.
    """

    node: Int32[np.ndarray, " nodes"]
    start: Int64[np.ndarray, " nodes"]
    stop: Int64[np.ndarray, " nodes"]
    target_row: Int32[np.ndarray, " edges"]
    cohort: Int32[np.ndarray, " _"]
    count: Int32[np.ndarray, " edges"]
    strength: Float64[np.ndarray, " _"]


def check_nodes(nodes: Int32[np.ndarray, " nodes"], n_nodes: int) -> None:
    """Check that every node asked for exists.

    Raises:
        DataError: A node lies outside `[0, n_nodes)`.
    """
    for node in (nodes.min(), nodes.max()) if len(nodes) else ():
        if not 0 <= node < n_nodes:
            raise DataError(f"node {node} — must be in [0, {n_nodes})")


def weigh(edges: DatedEdges, settings: CoWatchSettings, at_s: int) -> WeightedEdges:
    """Weights at `at_s`, merged over cohorts, edges of which nothing is left dropped.

    Args:
        edges: Edges by cohort.
        settings: How they age.
        at_s: The moment, UTC seconds.
    """
    first, last = _cohort_range(edges)
    left = settings.ageing.left_by_cohort(first, last, at_s)
    thinned = settings.ageing.mode == "thinning"
    ptr = np.concatenate([[0], np.cumsum(edges.stop - edges.start)]).astype(np.int64)
    room = int(ptr[-1])
    n_threads = available_threads() if room > _SMALL else 1
    n_blocks = 1 if n_threads == 1 else 4 * n_threads
    bounds = balanced_bounds(ptr, n_blocks)
    n_edges = np.zeros(len(edges.node), np.int64)
    target_row = np.empty(room, np.int32)
    weight = np.empty(room, np.float32)

    def weigh_block(block: int) -> int:
        rows = slice(bounds[block], bounds[block + 1])
        start = ptr[bounds[block]]
        stop = weigh_edges(
            edges.node[rows],
            edges.start[rows],
            edges.stop[rows],
            edges.target_row,
            edges.cohort,
            edges.count,
            edges.strength,
            first,
            left,
            thinned,
            settings.ageing.seed,
            n_edges[rows],
            target_row,
            weight,
            start,
        )
        return int(stop - start)

    sizes = run_blocks(weigh_block, n_blocks, n_threads)
    close_gaps([target_row, weight], ptr[bounds[:-1]], sizes)
    return WeightedEdges(
        np.concatenate([[0], np.cumsum(n_edges)]).astype(np.int64), target_row, weight
    )


def prune(
    edges: WeightedEdges, max_neighbors: int
) -> tuple[WeightedEdges, Float64[np.ndarray, " nodes"]]:
    """Keep the heaviest edges of each node, ties to the lower item row.

    Args:
        edges: Edges of some nodes.
        max_neighbors: Keep at most this many of each node.

    Returns:
        The edges kept, and the share of each node's weight that is dropped, in [0, 1).
    """
    kept = int(np.minimum(np.diff(edges.ptr), max_neighbors).sum())
    ptr = np.empty_like(edges.ptr)
    target_row = np.empty(kept, np.int32)
    weight = np.empty(kept, np.float32)
    dropped_share = np.empty(len(ptr) - 1, np.float64)
    keep_heaviest(
        edges.ptr,
        edges.target_row,
        edges.weight,
        max_neighbors,
        ptr,
        target_row,
        weight,
        dropped_share,
    )
    return WeightedEdges(ptr, target_row, weight), dropped_share


def _cohort_range(edges: DatedEdges) -> tuple[int, int]:
    if not len(edges.cohort):
        return 0, 0
    return int(edges.cohort.min()), int(edges.cohort.max())


def entry_weights(
    edges: DatedEdges, settings: CoWatchSettings, at_s: int
) -> Float32[np.ndarray, " edges"]:
    """Weight at `at_s` of every entry by itself, not merged over cohorts; may be 0."""
    n = len(edges.target_row)
    places = np.arange(n, dtype=np.int64)
    node = np.repeat(edges.node, edges.stop - edges.start)
    alone = DatedEdges(
        node, places, places + 1, edges.target_row, edges.cohort, edges.count, edges.strength
    )
    weighed = weigh(alone, settings, at_s)
    weight = np.zeros(n, np.float32)
    weight[np.diff(weighed.ptr) > 0] = weighed.weight
    return weight
