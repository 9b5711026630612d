"""The co-watch graph that absorbs events as they arrive."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int32, Int64, Shaped

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError
from graphrec.graph.build import build_from_timelines
from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.delta import EdgeDelta
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.live_state import events_of_arrays
from graphrec.graph.live_timelines import LiveTimelines
from graphrec.graph.neighbours import MOST_DATED, newest_pairs_s
from graphrec.graph.seen_ids import SeenIds
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.threads import available_threads
from graphrec.graph.timelines import Timelines, arrange_by_user, check_events
from graphrec.graph.weighing import DatedEdges, check_nodes, prune, weigh
from graphrec.kernels.timelines import ITEM_BITS, ITEM_MASK
from graphrec.stages import Interactions

_FEWEST_TO_COMPACT = 1 << 20
"""Below this many changes merging them costs more than reading around them."""


class LiveCoWatchGraph:
    """A batch-built graph and, beside it, what later events changed; read as one.

    After any events in any order it holds exactly what `build_cowatch_graph` makes of all of them
    in their order of arrival: counts are equal, real strengths to 1e-6. Not safe for a reader and a
    writer at once.
    """

    def __init__(self, settings: CoWatchSettings, *, n_threads: int | None = None) -> None:
        """Start with no event.

        Args:
            settings: Which pairs count, and how they age.
            n_threads: Threads for batch builds; None takes every core. `absorb` uses one.
        """
        self._settings = settings
        self._n_threads = n_threads or available_threads()
        self._n_users = 0
        self._n_items = 0
        self._timelines = LiveTimelines(settings)
        self._delta = EdgeDelta(settings)
        self._seen = SeenIds()
        self.reset()

    @property
    def settings(self) -> CoWatchSettings:
        """Which pairs count, and how they age."""
        return self._settings

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return self._n_items

    @property
    def n_users(self) -> int:
        """Users that have a row."""
        return self._n_users

    @property
    def n_events(self) -> int:
        """Events absorbed, repeats not counted."""
        return self._timelines.n_events

    @property
    def n_changes(self) -> int:
        """Edges by cohort that wait beside the batch-built graph."""
        return len(self._delta)

    def reset(self, events: Interactions | None = None, built: CoWatchGraph | None = None) -> None:
        """Forget everything, then learn from a batch of events by the fast batch build.

        Args:
            events: Events in order of arrival; None for none.
            built: The graph that `build_cowatch_graph` made of these very events, such as one read
                from a snapshot; where it is given, nothing is built.

        Raises:
            DataError: See `build_cowatch_graph`; or `built` has other settings or another number
                of items. The graph is then as it was.
        """
        if events is None:
            empty = np.empty(0, np.int32)
            no_times, no_weights = np.empty(0, np.int64), np.empty(0, np.float32)
            events = Interactions(no_times, empty, empty, no_weights, 0, 0)
        check_events(events, weighted=self._settings.weighted)
        if built is not None and (
            built.settings != self._settings or built.n_items != events.n_items
        ):
            raise DataError(
                f"a graph of {built.n_items:,} items and other settings — must be that of the "
                f"events, which have {events.n_items:,} items"
            )
        self._seen.reset()
        fresh = self._drop_repeats(events)
        timelines = arrange_by_user(
            fresh, weighted=self._settings.weighted, n_threads=self._n_threads
        )
        self._restart(timelines, built)

    def absorb(self, events: Interactions) -> Int32[np.ndarray, " nodes"]:
        """Learn from events as they arrive: in order or late, in any order, repeated or not.

        Args:
            events: Events in order of arrival; `n_users` and `n_items` may have grown.

        Returns:
            Nodes whose outgoing edges may have changed, ascending.

        Raises:
            DataError: See `build_cowatch_graph`. The graph is then as it was.
        """
        check_events(events, weighted=self._settings.weighted)
        if self.n_events + len(events) >= np.iinfo(np.int32).max:
            raise DataError(
                f"{self.n_events + len(events):,} events — one graph holds less than 2^31"
            )
        self._n_users = max(self._n_users, events.n_users)
        self._n_items = max(self._n_items, events.n_items)
        self._timelines.grow(self._n_users)
        self._delta.grow(self._n_items + 1)
        self._delta.begin_batch()
        fresh = self._drop_repeats(events)
        changed = [np.empty(0, np.int32)]
        first = 0
        while first < len(fresh):
            first, change, strength = self._timelines.absorb(fresh, first)
            changed.append(self._delta.absorb(change, strength))
            if len(self._delta) > max(_FEWEST_TO_COMPACT, len(self._base.count) // 4):
                self._compact()
        return np.unique(np.concatenate(changed))

    def dated_edges(self, nodes: Int32[np.ndarray, " nodes"] | None = None) -> DatedEdges:
        """Edges of `nodes` (None: of every node) by cohort, all changes included.

        Raises:
            DataError: A node does not exist.
        """
        if nodes is None:
            nodes = np.arange(self._n_items + 1, dtype=np.int32)
        check_nodes(nodes, self._n_items + 1)
        base = self._base
        # Nodes newer than the batch-built graph have no entries in it.
        last = len(base.ptr) - 1
        start, stop = base.ptr[np.minimum(nodes, last)], base.ptr[np.minimum(nodes + 1, last)]
        entries = DatedEdges(
            nodes, start, stop, base.target_row, base.cohort, base.count, base.strength
        )
        return self._delta.merged(entries)

    def weighted_edges(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> WeightedEdges:
        """Outgoing edges as they weigh at `at_s`; see `CoWatchGraph.weighted_edges`."""
        edges = weigh(self.dated_edges(nodes), self._settings, at_s)
        limit = self._settings.max_neighbors
        return edges if limit is None else prune(edges, limit)[0]

    def pruned_share(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> Float64[np.ndarray, " nodes"]:
        """Share of each node's weight that pruning drops; see `CoWatchGraph.pruned_share`."""
        edges = weigh(self.dated_edges(nodes), self._settings, at_s)
        limit = self._settings.max_neighbors
        return np.zeros(len(edges.ptr) - 1) if limit is None else prune(edges, limit)[1]

    @property
    def n_entries(self) -> int:
        """Edges by cohort that are held; one that later events changed counts twice."""
        return len(self._base.target_row) + len(self._delta)

    def newest_pairs_s(
        self, item_row: int, targets: Int32[np.ndarray, " k"]
    ) -> Int64[np.ndarray, " k"]:
        """When each target was last watched after an item; see `newest_pairs_s`.

        Returns:
            UTC seconds; `NEVER_S` for all where the graph knows more than `MOST_DATED` events.
        """
        if self.n_events > MOST_DATED:
            return np.full(len(targets), NEVER_S, np.int64)
        timelines = self._timelines.timelines(self._n_users, self._n_items)
        return newest_pairs_s(timelines, item_row, targets, self._settings)

    def freeze(self) -> CoWatchGraph:
        """The graph as it stands, which later events do not change."""
        if len(self._delta) or self._base.n_items != self._n_items:
            self._compact()
        return self._base

    def to_arrays(self) -> dict[str, Shaped[np.ndarray, " _"]]:
        """The full state: every user's events and the event ids seen; edges follow from them."""
        timelines = self._timelines.timelines(self._n_users, self._n_items)
        ptr = timelines.user_ptr
        is_event = np.ones(int(ptr[-1]), np.bool_)
        is_event[0] = False
        is_event[ptr[1:] - 1] = False
        weighted = self._settings.weighted
        packed = timelines.packed[: ptr[-1]][is_event]
        n_events = np.diff(ptr) - 1
        return {
            "user_ptr": np.concatenate([[0], np.cumsum(n_events)]).astype(np.int64),
            "time_s": packed >> ITEM_BITS,
            "item_row": (packed & ITEM_MASK).astype(np.int32),
            "weight": timelines.weight[: ptr[-1]][is_event] if weighted else timelines.weight,
            "event_id": self._seen.ids(),
            "n_items": np.array([self._n_items], np.int64),
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Shaped[np.ndarray, " _"]],
        settings: CoWatchSettings,
        *,
        n_threads: int | None = None,
    ) -> "LiveCoWatchGraph":
        """The live graph that `to_arrays` described; its edges are built again.

        Args:
            arrays: Arrays by name; others than the graph's are left alone.
            settings: Settings the graph lived with.
            n_threads: Threads for batch builds; None takes every core.

        Raises:
            SnapshotError: An array is missing, of another type or length, or holds what no graph
                of these settings can.
        """
        events = events_of_arrays(arrays, weighted=settings.weighted)
        live = cls(settings, n_threads=n_threads)
        live.reset(events)
        live._seen.absorb(arrays["event_id"])
        return live

    def _drop_repeats(self, events: Interactions) -> Interactions:
        if events.event_id is None:
            return events
        is_new = self._seen.absorb(events.event_id)
        return events if is_new.all() else events.take(is_new)

    def _restart(self, timelines: Timelines, built: CoWatchGraph | None = None) -> None:
        self._base = (
            build_from_timelines(timelines, self._settings, self._n_threads)
            if built is None
            else built
        )
        self._n_users = len(timelines.user_ptr) - 1
        self._n_items = timelines.n_items
        self._timelines.reset(timelines)
        self._delta.reset(self._n_items + 1)

    def _compact(self) -> None:
        merged = self.dated_edges()
        ptr = np.append(merged.start, len(merged.target_row))
        self._base = replace(
            self._base,
            ptr=ptr,
            target_row=merged.target_row,
            cohort=merged.cohort,
            count=merged.count,
            strength=merged.strength,
        )
        self._delta.reset(self._n_items + 1)
