"""What was watched after the last items: their neighbours in the co-watch graph."""

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.neighbours import Neighbours
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.cowatch_source import CoWatchSource
from graphrec.retrieval.sparse_entries import Entries, LastItems
from graphrec.retrieval.walk_graph import ChangingGraph, WalkGraph
from graphrec.stages import Candidates, Eligibility, Interactions, Queries


class NeighbourSettings(BaseModel):
    """Whose neighbours count, and how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_items: int = Field(
        20, ge=1, le=1000, description="Newest distinct items whose neighbours are looked at."
    )
    half_life_items: float = Field(
        5.0, gt=0, le=1e9, description="After so many newer items a past item counts half."
    )
    as_shares: bool = Field(
        True,
        description="Whether an edge counts as its share of all edges of its item, so that each "
        "past item speaks alike; else by its weight.",
    )


class CoWatchNeighbourSource:
    """Items by the summed weight of edges that lead to them from the query's last items.

    Edges weigh as of the cut of the last fit or just past the newest event absorbed since. The cost
    of a request grows with the neighbours of its last items; `CoWatchSettings.max_neighbors` bounds
    it.
    """

    absorbs = True

    def __init__(
        self,
        graph: CoWatchSettings | None = None,
        settings: NeighbourSettings | None = None,
        *,
        beside: CoWatchSource | None = None,
    ) -> None:
        """Learn a graph of its own, or read that of another source.

        Args:
            graph: Which pairs count and how they age; not looked at with `beside`.
            settings: Whose neighbours count.
            beside: A source whose graph is read as it stands; it alone learns, and `fit` and
                `absorb` of this one leave the graph alone. One graph is then held instead of two.
        """
        self._settings = settings or NeighbourSettings()
        self._beside = beside
        self._own = WalkGraph(LiveCoWatchGraph(graph or CoWatchSettings()))

    @property
    def name(self) -> str:
        """`neighbours`."""
        return "neighbours"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, sorted by time and all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
            DataError: An event is malformed.
        """
        refuse_future(events, cut_s, self.name)
        if self._beside is None:
            self._own.fit(events, cut_s, self.name)

    def follow(self, graph: ChangingGraph, clock_s: int) -> None:
        """Recommend from a graph learnt elsewhere; see `CoWatchSource.follow`."""
        self._own = WalkGraph(graph)
        self._own.restart(clock_s)

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since.

        Raises:
            DataError: An event is malformed; nothing has changed then.
        """
        if self._beside is None:
            self._own.absorb(events)

    def advance(self, now_s: int) -> None:
        """Let edges of its own graph age up to `now_s` (UTC seconds)."""
        if self._beside is None:
            self._own.advance(now_s)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Summed weight of the edges to every item.

        Raises:
            DataError: A history holds an unknown item row.
        """
        return self._entries(queries).dense(self._graph.n_items)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items, each with the past item whose edge weighs most.

        Raises:
            DataError: A history holds an unknown item row.
        """
        return self._entries(queries).best(queries, k, eligibility, self.name)

    def neighbours_of(self, item_row: int, k: int) -> Neighbours:
        """What an item leads to, heaviest first; see `WalkGraph.neighbours_of`."""
        return self._graph.neighbours_of(item_row, k)

    @property
    def n_edges(self) -> int | None:
        """Edges that are held; None where the graph cannot tell."""
        return self._graph.n_entries

    @property
    def _graph(self) -> WalkGraph:
        return self._own if self._beside is None else self._beside.walk_graph

    def _entries(self, queries: Queries) -> Entries:
        graph, settings = self._graph, self._settings
        refuse_unknown_items(queries, graph.n_items, self.name)
        last = LastItems.of_queries(queries, settings.max_items, settings.half_life_items)
        edges = graph.unsharpened_edges((last.item_row + 1).astype(np.int32))
        degree = np.diff(edges.ptr)
        weight = last.weight
        if settings.as_shares:
            sums = np.add.reduceat(
                np.append(edges.weight, np.float32(0)).astype(np.float64), edges.ptr[:-1]
            )
            weight = weight / np.where(degree > 0, sums, 1.0)
        return Entries(
            edges.ptr[last.ptr],
            edges.target_row,
            edges.weight * np.repeat(weight, degree),
            np.repeat(last.item_row, degree),
        )
