"""What sources on the co-watch graph share: learning, and the seeds of a query."""

import numpy as np
from jaxtyping import Float32, Int32

from graphrec.arrays import NO_ROW
from graphrec.checks import refuse_unknown_items
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.neighbours import Neighbours
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval.seeds import SeedSets, choose_seeds
from graphrec.retrieval.walk_graph import ChangingGraph, WalkGraph
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.stages import Candidates, Interactions, Queries


class CoWatchSource:
    """Learns the co-watch graph of its events; what it makes of the graph is its subclass's."""

    def __init__(
        self, graph: CoWatchSettings | None = None, walk: WalkSettings | None = None
    ) -> None:
        """Learn a graph by `graph`, and walk on it by `walk`."""
        self._settings = walk or WalkSettings()
        live = LiveCoWatchGraph(graph or CoWatchSettings())
        self._graph = WalkGraph(live, self._settings.weight_power)

    @property
    def name(self) -> str:
        """Short name shown in tables and reasons."""
        raise NotImplementedError

    @property
    def settings(self) -> WalkSettings:
        """How walks go."""
        return self._settings

    @property
    def walk_graph(self) -> WalkGraph:
        """The graph as it stands, for who reads it beside this source and changes nothing."""
        return self._graph

    def neighbours_of(self, item_row: int, k: int) -> Neighbours:
        """What an item leads to, heaviest first; see `WalkGraph.neighbours_of`."""
        return self._graph.neighbours_of(item_row, k)

    @property
    def n_edges(self) -> int | None:
        """Edges that are held; None where the graph cannot tell."""
        return self._graph.n_entries

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return self._graph.n_items

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, sorted by time and all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
            DataError: An event is malformed.
        """
        self._graph.fit(events, cut_s, self.name)

    def follow(self, graph: ChangingGraph, clock_s: int) -> None:
        """Recommend from a graph that was learnt elsewhere, such as one read from a snapshot.

        Args:
            graph: The graph; from here on `absorb` changes it, and nothing else may.
            clock_s: The moment its edges are weighed at, UTC seconds; all its events lie before.
        """
        self._graph = WalkGraph(graph, self._settings.weight_power)
        self._graph.restart(clock_s)

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since; rows they change are rewritten when next read.

        Raises:
            DataError: An event is malformed; nothing has changed then.
        """
        self._graph.absorb(events)

    def advance(self, now_s: int) -> None:
        """Let edges age up to `now_s` (UTC seconds) though nothing has happened."""
        self._graph.advance(now_s)

    def settle(self) -> None:
        """Bring the table of edges up to date, so that questions change nothing."""
        self._graph.settle()

    def choose_seeds(self, queries: Queries) -> tuple[WalkTable, SeedSets]:
        """The table as it stands, and the seeds of each query.

        Raises:
            DataError: A history holds an unknown item row.
        """
        refuse_unknown_items(queries, self.n_items, self.name)
        table = self._graph.table()
        return table, choose_seeds(queries, self._settings, table, self._graph.edges)


def candidates_of(
    item_row: Int32[np.ndarray, "users k"],
    score: Float32[np.ndarray, "users k"],
    reason_item: Int32[np.ndarray, "users k"],
    reason_share: Float32[np.ndarray, "users k"],
    name: str,
) -> Candidates:
    """Candidates of one source."""
    source = np.where(item_row == NO_ROW, -1, 0).astype(np.int8)
    return Candidates(item_row, score, source, (name,), reason_item, reason_share)
