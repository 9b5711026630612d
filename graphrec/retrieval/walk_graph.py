"""The live co-watch graph as walks see it: fitted, absorbing, and read at the newest event."""

from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32, Int64

from graphrec.arrays import DAY_S, NEVER_S
from graphrec.checks import refuse_future
from graphrec.errors import DataError
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.neighbours import Neighbours, heaviest, links_among
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.walk_table import WalkTable
from graphrec.stages import Interactions

# Below what one of a coin's 2^32 sides is worth: such an edge is kept and never taken.
_LIGHTEST: Final = 1e-30


@runtime_checkable
class ChangingGraph(Protocol):
    """What walks need of a live co-watch graph."""

    @property
    def settings(self) -> CoWatchSettings:
        """Which pairs count, and how they age."""
        ...

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        ...

    def reset(self, events: Interactions | None = None) -> None:
        """Forget everything, then learn from a batch of events."""
        ...

    def absorb(self, events: Interactions) -> Int32[np.ndarray, " nodes"]:
        """Learn from events; the nodes whose edges may have changed."""
        ...

    def weighted_edges(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> WeightedEdges:
        """Outgoing edges as they weigh at a moment."""
        ...


@runtime_checkable
class DatingGraph(Protocol):
    """What a live graph may know beside: how much it holds, and when pairs were watched."""

    @property
    def n_entries(self) -> int:
        """Edges that are held."""
        ...

    def newest_pairs_s(
        self, item_row: int, targets: Int32[np.ndarray, " k"]
    ) -> Int64[np.ndarray, " k"]:
        """When each target was last watched after an item, UTC seconds; `NEVER_S`: not known."""
        ...


class WalkGraph:
    """A live graph, its clock, and the table of its edges, brought up to date when it is read.

    The clock stands at the cut of the last `fit` or just past the newest event absorbed since, or
    where `advance` has moved it, so an answer depends on what was learnt and not on when it is
    asked. Rows of changed nodes alone are rewritten. The whole table is, where weights age by
    `expected` or `thinning` and the clock has passed into another UTC day, the step of those rules.
    Under `half_life` all edges of a row fade by one common factor, which changes no step, and under
    `none` nothing fades.
    """

    def __init__(self, graph: ChangingGraph, weight_power: float = 1.0) -> None:
        """Read `graph`, which nobody else may change from here on, weights to `weight_power`."""
        self._graph = graph
        self._weight_power = weight_power
        self.clock_s = 0
        self.version = 0
        self._table: WalkTable | None = None
        self._table_step = 0
        self._stale: list[Int32[np.ndarray, " nodes"]] = []

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return self._graph.n_items

    def fit(self, events: Interactions, cut_s: int, name: str) -> None:
        """Forget everything, then learn from `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
            DataError: An event is malformed.
        """
        refuse_future(events, cut_s, name)
        self._graph.reset(events)
        self.restart(cut_s)

    def restart(self, clock_s: int) -> None:
        """Read the graph anew, as it stands, at `clock_s` (UTC seconds)."""
        self.clock_s = clock_s
        self.version += 1
        self._table = None
        self._stale = []

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since.

        Raises:
            DataError: An event is malformed; the graph is then as it was.
        """
        changed = self._graph.absorb(events)
        if len(events):
            self.clock_s = max(self.clock_s, int(events.time_s.max()) + 1)
        self.version += 1
        if self._table is not None:
            self._stale.append(changed)

    def advance(self, now_s: int) -> None:
        """Let time pass: edges weigh from here on as a graph learnt anew would weigh them then.

        Costs nothing but where another UTC day has begun and weights age by day.
        """
        mode = self._graph.settings.ageing.mode
        if mode == "none" or now_s <= self.clock_s:
            return
        if mode == "half_life":
            self.clock_s = now_s
        elif now_s // DAY_S > self.clock_s // DAY_S:
            self.clock_s = now_s
            self.version += 1

    def settle(self) -> None:
        """Bring the table up to date, so that `table` changes nothing until the next event."""
        self.table()

    def edges(self, nodes: Int32[np.ndarray, " nodes"] | None = None) -> WeightedEdges:
        """Edges of `nodes`, or of every node, as they weigh now for a walker."""
        return sharpen(self.unsharpened_edges(nodes), self._weight_power)

    def unsharpened_edges(self, nodes: Int32[np.ndarray, " nodes"] | None = None) -> WeightedEdges:
        """Edges of `nodes`, or of every node, as they weigh now."""
        return self._graph.weighted_edges(self.clock_s, nodes)

    @property
    def n_entries(self) -> int | None:
        """Edges that are held; None where the graph cannot tell."""
        return self._graph.n_entries if isinstance(self._graph, DatingGraph) else None

    def neighbours_of(self, item_row: int, k: int) -> Neighbours:
        """The `k` heaviest edges of an item as they weigh now, and the links among their ends.

        Raises:
            DataError: The graph has no such item, or `k` is below 1.
        """
        if k < 1:
            raise DataError(f"k = {k} — at least 1 neighbour")
        every = self.unsharpened_edges(np.array([item_row + 1], np.int32))
        item, weight = heaviest(every, k)
        newest = (
            self._graph.newest_pairs_s(item_row, item)
            if isinstance(self._graph, DatingGraph)
            else np.full(len(item), NEVER_S, np.int64)
        )
        links = links_among(self.unsharpened_edges((item + 1).astype(np.int32)), item)
        total = float(every.weight.sum(dtype=np.float64))
        return Neighbours(item, weight, newest, len(every.weight), total, *links)

    def table(self) -> WalkTable:
        """The table of every edge as it weighs now."""
        step = self._ageing_step()
        if self._table is None or step != self._table_step:
            self._table = WalkTable.build(self.edges())
            self._table_step = step
            self._stale = []
        elif self._stale:
            self._table.grow(self.n_items)
            changed = np.unique(np.concatenate(self._stale)).astype(np.int32)
            self._table.update_nodes(changed, self.edges(changed))
            self._stale = []
        return self._table

    def _ageing_step(self) -> int:
        aged_by_day = self._graph.settings.ageing.mode in ("expected", "thinning")
        return self.clock_s // DAY_S if aged_by_day else 0


def sharpen(edges: WeightedEdges, power: float) -> WeightedEdges:
    """The same edges with their weights raised to a power.

    Args:
        edges: Edges of some nodes.
        power: Above 1, steps follow strong edges even more; 1 leaves the weights as they are.

    Returns:
        Edges whose weights are relative to the heaviest of their node, unless `power` is 1; a step
        is the same by either. None is 0.

    Source:
        The exponent of the transition probabilities in P3alpha; Cooper et al. 2014,
        doi:10.1145/2567948.2579244.
    """
    if power == 1.0 or not len(edges.weight):
        return edges
    degree = np.diff(edges.ptr)
    used = degree > 0
    heaviest = np.maximum.reduceat(edges.weight, edges.ptr[:-1][used])
    weight = (edges.weight / np.repeat(heaviest, degree[used])) ** np.float32(power)
    return WeightedEdges(edges.ptr, edges.target_row, np.maximum(weight, np.float32(_LIGHTEST)))
