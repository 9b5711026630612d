"""What each user did, as it stood at any point of the log."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.stages import Interactions, Queries

_FEWEST_INDEXED = 1 << 16
"""Events that arrive before the index is made anew, at least."""


class HistoryIndex:
    """Every user's events in order, from which the history at any point of the log is cut.

    Built once over a whole log, it never shows more than what lies before the position asked for.
    """

    def __init__(self, events: Interactions) -> None:
        """Index `events`, which are sorted by time."""
        self._order = np.argsort(events.user_row, kind="stable").astype(np.int64)
        # One ascending key for (user, position), so that one binary search cuts every history.
        self._span = len(events) + 1
        self._key = events.user_row[self._order] * np.int64(self._span) + self._order
        self._events = events

    def queries(
        self,
        user_row: Int32[np.ndarray, " users"],
        time_s: Int64[np.ndarray, " users"],
        position: Int64[np.ndarray, " users"] | None = None,
        *,
        max_history: int | None = None,
    ) -> Queries:
        """The queries of `user_row` at `time_s`, with their histories newest first.

        Args:
            user_row: Who asks; -1 or a row past the last user has no history.
            time_s: The cut of each query, UTC seconds.
            position: Only events at log positions before this one are known; by default all
                events strictly before `time_s`.
            max_history: Keep at most this many of the newest events of a user.
        """
        if position is None:
            position = np.searchsorted(self._events.time_s, time_s, side="left").astype(np.int64)
        start, stop = self.slots(user_row, position)
        length = stop - start
        if max_history is not None:
            length = np.minimum(length, max_history)
        ptr = np.zeros(len(length) + 1, np.int64)
        np.cumsum(length, out=ptr[1:])
        flat = self._order[np.repeat(stop - 1 + ptr[:-1], length) - np.arange(ptr[-1])]
        return Queries(
            user_row,
            time_s,
            ptr,
            self._events.item_row[flat],
            self._events.time_s[flat],
            self._events.weight[flat],
        )

    def slots(
        self,
        user_row: Int32[np.ndarray, " users"],
        position: Int64[np.ndarray, " users"],
    ) -> tuple[Int64[np.ndarray, " users"], Int64[np.ndarray, " users"]]:
        """Where each history starts and stops in the log ordered by user, then position.

        Args:
            user_row: Who asks; -1 or a row past the last user has no history.
            position: Only events at log positions before this one are known.

        Returns:
            First slot and the slot behind the last; equal where there is no history.
        """
        first_key = user_row * np.int64(self._span)
        start = np.searchsorted(self._key, first_key)
        stop = np.searchsorted(self._key, first_key + np.minimum(position, self._span - 1))
        return start, stop

    def history_means(
        self,
        value: Float64[np.ndarray, " items"],
        user_row: Int32[np.ndarray, " users"],
        position: Int64[np.ndarray, " users"],
    ) -> Float64[np.ndarray, " users"]:
        """Mean of `value` over the items in each history; NaN where there is no history."""
        start, stop = self.slots(user_row, position)
        in_order = value[self._events.item_row[self._order]]
        total = np.concatenate([[0.0], np.cumsum(in_order)])
        length = stop - start
        mean = (total[stop] - total[start]) / np.maximum(length, 1)
        return np.where(length > 0, mean, np.nan)


@dataclass(slots=True)
class _Arrived:
    """What one user did since the index was made, by time, ties in order of arrival."""

    time_s: list[int] = field(default_factory=list)
    item_row: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)


class LiveHistory:
    """Histories that grow: what is absorbed stands in the next query's history.

    Answers are those of a `HistoryIndex` over all events so far, sorted stably by time. Events that
    arrived lately are kept by user; the index is made anew whenever they are half as many as those
    in it, so that absorbing costs the same per event however long the log is.
    """

    def __init__(self, events: Interactions) -> None:
        """Start with `events`, which are sorted by time."""
        self._indexed = events
        self._index = HistoryIndex(events)
        self._batches: list[Interactions] = []
        self._n_arrived = 0
        self._arrived: dict[int, _Arrived] = {}

    def __len__(self) -> int:
        return len(self._indexed) + self._n_arrived

    def absorb(self, events: Interactions) -> None:
        """Add events, in whatever order they arrive."""
        self._batches.append(events)
        self._n_arrived += len(events)
        if self._n_arrived > max(_FEWEST_INDEXED, len(self._indexed) // 2):
            self._settle()
            return
        columns = (events.user_row, events.time_s, events.item_row, events.weight)
        for user, time_s, item, weight in zip(*(part.tolist() for part in columns), strict=True):
            own = self._arrived.setdefault(user, _Arrived())
            at = bisect_right(own.time_s, time_s)
            own.time_s.insert(at, time_s)
            own.item_row.insert(at, item)
            own.weight.insert(at, weight)

    def queries(
        self, user_row: Int32[np.ndarray, " users"], time_s: Int64[np.ndarray, " users"]
    ) -> Queries:
        """The queries of `user_row` at `time_s`: all they did strictly before, newest first.

        Args:
            user_row: Who asks; -1 or a row nobody has yet has no history.
            time_s: The cut of each query, UTC seconds.
        """
        known = self._index.queries(user_row, time_s)
        if self._arrived.keys().isdisjoint(user_row.tolist()):
            return known
        parts = [
            self._joined(known, query, int(user), int(cut_s))
            for query, (user, cut_s) in enumerate(zip(user_row, time_s, strict=True))
        ]
        ptr = np.cumsum([0, *(len(times) for _, times, _ in parts)]).astype(np.int64)
        item, times, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Queries(user_row, time_s, ptr, item, times, weight)

    def _joined(
        self, known: Queries, query: int, user: int, cut_s: int
    ) -> tuple[
        Int32[np.ndarray, " events"],
        Int64[np.ndarray, " events"],
        Float32[np.ndarray, " events"],
    ]:
        """One history, newest first, what arrived lately among the rest by time."""
        past = known.history(query)
        item, times = known.history_item[past], known.history_time_s[past]
        weight = known.history_weight[past]
        own = self._arrived.get(user)
        n = 0 if own is None else bisect_right(own.time_s, cut_s - 1)
        if own is None or not n:
            return item, times, weight
        item = np.concatenate([np.array(own.item_row[n - 1 :: -1], np.int32), item])
        times = np.concatenate([np.array(own.time_s[n - 1 :: -1], np.int64), times])
        weight = np.concatenate([np.array(own.weight[n - 1 :: -1], np.float32), weight])
        if len(times) > n and times[n - 1] >= times[n]:
            return item, times, weight
        order = np.argsort(-times, kind="stable")
        return item[order], times[order], weight[order]

    def _settle(self) -> None:
        """Index all events anew."""
        batches = [self._indexed, *self._batches]
        time_s = np.concatenate([part.time_s for part in batches])
        order = np.argsort(time_s, kind="stable")
        self._indexed = Interactions(
            time_s[order],
            np.concatenate([part.user_row for part in batches])[order],
            np.concatenate([part.item_row for part in batches])[order],
            np.concatenate([part.weight for part in batches])[order],
            max(part.n_users for part in batches),
            max(part.n_items for part in batches),
        )
        self._index = HistoryIndex(self._indexed)
        self._batches, self._n_arrived, self._arrived = [], 0, {}
