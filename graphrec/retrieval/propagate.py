"""What walks visit on average, by sparse propagation: no draw, no noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.sparse import csr_array, vstack

from graphrec.arrays import NO_ROW
from graphrec.graph.edges import COLD_START_NODE, WeightedEdges
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.budgets import step_shares
from graphrec.retrieval.cowatch_source import CoWatchSource, candidates_of
from graphrec.retrieval.seeds import SeedSets
from graphrec.retrieval.walk_graph import WalkGraph
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.stages import Candidates, Eligibility, Queries
from graphrec.top_k import best_rows, eligible_items

_SEEDS_AT_ONCE: Final = 1024
_ENTRIES_KEPT: Final = 1 << 25
"""Expected visits that are kept between queries; 12 bytes each."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Scores of queries, and what each seed adds.

    Attributes:
        scores: (users, items), unitless, > 0 where stored.
        parts: (seeds, items), what each seed adds to an item before the boost's square; an item's
            parts over their sum are the seeds' shares of it.
    """

    scores: csr_array
    parts: csr_array


def step_chances(edges: WeightedEdges) -> csr_array:
    """Chance of each step: a matrix (nodes, items) whose rows sum to 1, or to 0 at dead ends.

    Args:
        edges: Edges of every node of a graph.
    """
    degree = np.diff(edges.ptr)
    weight = edges.weight.astype(np.float64)
    total = np.bincount(np.repeat(np.arange(len(degree)), degree), weight, len(degree))
    chance = weight / np.repeat(total, degree)
    return csr_array((chance, edges.target_row, edges.ptr), shape=(len(degree), len(degree) - 1))


def propagate(
    chances: csr_array,
    seeds: SeedSets,
    share: Float64[np.ndarray, " seeds"],
    settings: WalkSettings,
    visits: csr_array | None = None,
) -> Expectation:
    """The scores that walks estimate, as their number grows without end.

    Args:
        chances: From `step_chances`.
        seeds: The seeds of each query.
        share: Share of the query's walks that start from each seed; see `budgets.step_shares`.
        settings: Restart chance, depth, boost, what is counted, and `min_mass`. Early stop does not
            apply, and no seed is owed a walk.
        visits: `expected_visits` of the seeds where they are known; changed in place.

    Returns:
        Scores as the walks give them: without boost they sum to 1 over items (up to what
        `min_mass` drops, then scaled to 1 again).

    Source:
        Truncated power series of a random walk with restart; Tong et al. 2006 for the series.
    """
    if visits is None:
        visits = expected_visits(chances, seeds.node, settings)
    visits.data *= np.repeat(share, np.diff(visits.indptr))
    query = np.repeat(np.arange(len(seeds)), np.diff(seeds.ptr))
    gather = csr_array(
        (np.ones(len(query)), np.arange(len(query)), seeds.ptr), shape=(len(seeds), len(query))
    )
    per_seed = np.asarray(visits.sum(axis=1)).ravel()
    total = np.bincount(query, weights=per_seed, minlength=len(seeds))
    if settings.multi_hit_boost:
        np.sqrt(visits.data, out=visits.data)
    scores = (gather @ visits).tocsr()
    if settings.multi_hit_boost:
        np.square(scores.data, out=scores.data)
    scores.data /= np.repeat(total, np.diff(scores.indptr))
    return Expectation(scores, visits)


def expected_visits(
    chances: csr_array, nodes: Int32[np.ndarray, " seeds"], settings: WalkSettings
) -> csr_array:
    """Mean visits (or ends) of one walk from each node: a matrix (seeds, items).

    After each depth, entries below `settings.min_mass` are dropped, so that each depth loses at
    most that many times the number of items that it reaches, and 0 where `min_mass` is 0.
    """
    between_items = chances[1:]
    has_edges = np.diff(between_items.indptr) > 0
    going = chances[nodes]
    counted = csr_array(going.shape)
    for depth in range(1, settings.max_depth + 1):
        if depth > 1:
            going = ((1.0 - settings.restart) * going) @ between_items
            going.data[going.data < settings.min_mass] = 0.0
            going.eliminate_zeros()
        if settings.score_on == "visits" or depth == settings.max_depth:
            counted = counted + going
        else:
            ends = going.copy()
            ends.data *= np.where(has_edges[ends.indices], settings.restart, 1.0)
            counted = counted + ends
    counted = csr_array(counted)
    counted.eliminate_zeros()
    return counted


class _KnownVisits:
    """Expected visits of the nodes of one graph, each node's computed once.

    A walk's visits depend on where it starts and on nothing else, so queries that share a seed
    share its row: 6,040 queries of ml-1m-order take 28 s of one core where 200 took 29 s.
    """

    def __init__(self, chances: csr_array, settings: WalkSettings) -> None:
        self.chances, self._settings = chances, settings
        self._known, self._place = self._nothing()

    def of(self, nodes: Int32[np.ndarray, " seeds"]) -> csr_array:
        """As `expected_visits`; the matrix is the caller's to change."""
        asked = np.unique(nodes)
        fresh = self._visits(asked[self._place[asked] < 0])
        if self._known.nnz + fresh.nnz > _ENTRIES_KEPT:
            self._known, self._place = self._nothing()
            fresh = self._visits(asked)
        if fresh.shape[0]:
            first = self._known.shape[0]
            new = asked[self._place[asked] < 0]
            self._place[new] = np.arange(first, first + len(new))
            self._known = vstack([self._known, fresh], format="csr")
        return self._known[self._place[nodes]]

    def _visits(self, nodes: Int32[np.ndarray, " seeds"]) -> csr_array:
        return expected_visits(self.chances, nodes, self._settings)

    def _nothing(self) -> tuple[csr_array, Int64[np.ndarray, " nodes"]]:
        n_nodes, n_items = self.chances.shape
        return csr_array((0, n_items)), np.full(n_nodes, -1)


class PropagateSource(CoWatchSource):
    """Scores items by the visits that restart walks would make on average.

    The same graph, seeds, budgets, boost and reasons as `RandomWalkSource`, without noise and
    without early stop. For small catalogues, and to judge walks by.
    """

    def __init__(
        self, graph: CoWatchSettings | None = None, walk: WalkSettings | None = None
    ) -> None:
        """Learn a graph by `graph`, and propagate on it by `walk`."""
        super().__init__(graph, walk)
        self._known: tuple[tuple[WalkGraph, int], _KnownVisits] | None = None
        self._settled_version: int | None = None

    @property
    def name(self) -> str:
        """`propagate`."""
        return "propagate"

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score of every item for each query, >= 0, 0 where no walk comes.

        Raises:
            DataError: A history holds an unknown item row.
        """
        scores = np.zeros((len(queries), self.n_items), np.float32)
        for first, expected, _ in self._expectations(queries):
            rows = expected.scores.toarray()
            scores[first : first + len(rows)] = rows
        return scores

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Find the best `k` eligible items of each query, ties to the lower item row.

        Raises:
            DataError: A history holds an unknown item row.
        """
        item_row = np.full((len(queries), k), NO_ROW, np.int32)
        score = np.full((len(queries), k), -np.inf, np.float32)
        reason = np.full((len(queries), k), NO_ROW, np.int32)
        share = np.zeros((len(queries), k), np.float32)
        for first, expected, seeds in self._expectations(queries):
            for row in range(len(seeds)):
                query = first + row
                mask = eligible_items(queries, query, eligibility, self.n_items)
                dense = expected.scores[[row]].toarray()[0].astype(np.float32)
                best = best_rows(dense, mask, k)
                own = slice(seeds.ptr[row], seeds.ptr[row + 1])
                item_row[query, : len(best)] = best
                score[query, : len(best)] = dense[best]
                if seeds.node[own][0] != COLD_START_NODE and len(best):
                    parts = expected.parts[own][:, best].toarray()
                    most = parts.argmax(axis=0)
                    reason[query, : len(best)] = seeds.node[own][most] - 1
                    share[query, : len(best)] = parts.max(axis=0) / parts.sum(axis=0)
        return candidates_of(item_row, score, reason, share, self.name)

    def __getstate__(self) -> dict[str, Any]:
        """All but visits that were computed: copies compute theirs anew."""
        return {**vars(self), "_known": None, "_settled_version": None}

    def settle(self) -> None:
        """Compute the chances of steps now, so that questions change nothing.

        What one question computes of its seeds is then not kept for the next one.
        """
        super().settle()
        self._known_visits()
        self._settled_version = self._graph.version

    def _expectations(self, queries: Queries) -> Iterator[tuple[int, Expectation, SeedSets]]:
        """The expectation of a few queries at a time, with the first one's place."""
        table, seeds = self.choose_seeds(queries)
        share = step_shares(seeds, table, self._settings)
        known = self._known_visits()
        first = 0
        while first < len(seeds):
            until = int(np.searchsorted(seeds.ptr, seeds.ptr[first] + _SEEDS_AT_ONCE, "right")) - 1
            until = max(until, first + 1)
            at = slice(int(seeds.ptr[first]), int(seeds.ptr[until]))
            some = SeedSets(
                seeds.ptr[first : until + 1] - at.start, seeds.node[at], seeds.weight[at]
            )
            visits = known.of(some.node)
            yield first, propagate(known.chances, some, share[at], self._settings, visits), some
            first = until

    def _known_visits(self) -> _KnownVisits:
        state = (self._graph, self._graph.version)
        if self._known is None or self._known[0] != state:
            chances = step_chances(self._graph.edges())
            self._known = (state, _KnownVisits(chances, self._settings))
            self._settled_version = None
        elif self._settled_version == self._graph.version:
            return _KnownVisits(self._known[1].chances, self._settings)
        return self._known[1]
