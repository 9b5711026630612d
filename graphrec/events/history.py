"""What each user did, as it stood at any point of the log."""

from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int32, Int64, Shaped

from graphrec.kernels.arrivals import count_arrivals, join_arrivals, link_arrivals
from graphrec.stages import Interactions, Queries

_FEWEST_INDEXED = 1 << 16
"""Events that arrive before the index is made anew, at least."""
_COLUMNS: Final = ("_time_s", "_user_row", "_item_row", "_weight")


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

    def __deepcopy__(self, memo: dict[int, object]) -> "HistoryIndex":
        """Itself: nothing changes an index, which may be of millions."""
        return self

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


class LiveHistory:
    """Histories that grow: what is absorbed stands in the next query's history.

    Answers are those of a `HistoryIndex` over all events so far, sorted stably by time. Events that
    arrived lately are chained by user; the index is made anew whenever they are half as many as
    those in it, so that absorbing costs the same per event however long the log is.
    """

    def __init__(self, events: Interactions) -> None:
        """Start with `events`, which are sorted by time."""
        self._indexed = events
        self._index = HistoryIndex(events)
        self._arrived = _Arrivals()

    def __len__(self) -> int:
        return len(self._indexed) + len(self._arrived)

    def absorb(self, events: Interactions) -> None:
        """Add events, in whatever order they arrive."""
        self._arrived.add(events)
        if len(self._arrived) > max(_FEWEST_INDEXED, len(self._indexed) // 2):
            self._settle()

    def queries(
        self, user_row: Int32[np.ndarray, " users"], time_s: Int64[np.ndarray, " users"]
    ) -> Queries:
        """The queries of `user_row` at `time_s`: all they did strictly before, newest first.

        Args:
            user_row: Who asks; -1 or a row nobody has yet has no history.
            time_s: The cut of each query, UTC seconds.
        """
        return self._arrived.joined(self._index.queries(user_row, time_s))

    def _settle(self) -> None:
        """Index all events anew."""
        later = self._arrived.events()
        time_s = np.concatenate([self._indexed.time_s, later.time_s])
        order = np.argsort(time_s, kind="stable")
        self._indexed = Interactions(
            time_s[order],
            np.concatenate([self._indexed.user_row, later.user_row])[order],
            np.concatenate([self._indexed.item_row, later.item_row])[order],
            np.concatenate([self._indexed.weight, later.weight])[order],
            max(self._indexed.n_users, later.n_users),
            max(self._indexed.n_items, later.n_items),
        )
        self._index = HistoryIndex(self._indexed)
        self._arrived = _Arrivals()


class _Arrivals:
    """Events in the order they arrived, each chained to the same user's one before it."""

    def __init__(self) -> None:
        self._n = self._n_users = self._n_items = 0
        self._last = self._previous = np.empty(0, np.int32)
        self._time_s = np.empty(0, np.int64)
        self._user_row = np.empty(0, np.int32)
        self._item_row = np.empty(0, np.int32)
        self._weight = np.empty(0, np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """The events; the chains follow from them."""
        events = {name: getattr(self, name)[: self._n] for name in _COLUMNS}
        return vars(self) | events | {"_last": None, "_previous": None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Take the events, and chain them anew."""
        vars(self).update(kept)
        self._last = np.full(self._n_users, -1, np.int32)
        self._previous = np.empty(self._n, np.int32)
        link_arrivals(self._user_row, 0, self._last, self._previous)

    def __len__(self) -> int:
        return self._n

    def add(self, events: Interactions) -> None:
        """Add events behind the others."""
        n_before, self._n = self._n, self._n + len(events)
        self._n_users = max(self._n_users, events.n_users)
        self._n_items = max(self._n_items, events.n_items)
        for name in (*_COLUMNS, "_previous"):
            setattr(self, name, _with_room(getattr(self, name), self._n))
        self._time_s[n_before : self._n] = events.time_s
        self._user_row[n_before : self._n] = events.user_row
        self._item_row[n_before : self._n] = events.item_row
        self._weight[n_before : self._n] = events.weight
        if self._n_users > len(self._last):
            more = self._n_users * 5 // 4 - len(self._last)
            self._last = np.pad(self._last, (0, more), constant_values=-1)
        link_arrivals(self._user_row[: self._n], n_before, self._last, self._previous)

    def events(self) -> Interactions:
        """All of them."""
        n = self._n
        return Interactions(
            self._time_s[:n],
            self._user_row[:n],
            self._item_row[:n],
            self._weight[:n],
            self._n_users,
            self._n_items,
        )

    def joined(self, known: Queries) -> Queries:
        """The same queries, what arrived before each one's cut among its history by time."""
        ptr = np.empty(len(known) + 1, np.int64)
        chains = (self._last, self._previous)
        n = count_arrivals(known.user_row, known.time_s, *chains, self._time_s, ptr)
        if not n:
            return known
        n_all = len(known.history_item) + n
        item, time_s = np.empty(n_all, np.int32), np.empty(n_all, np.int64)
        weight = np.empty(n_all, np.float32)
        join_arrivals(
            known.user_row,
            known.time_s,
            known.history_ptr,
            known.history_item,
            known.history_time_s,
            known.history_weight,
            *chains,
            self._item_row,
            self._time_s,
            self._weight,
            ptr,
            item,
            time_s,
            weight,
        )
        return Queries(known.user_row, known.time_s, known.history_ptr + ptr, item, time_s, weight)


def _with_room(column: Shaped[np.ndarray, " room"], n: int) -> Shaped[np.ndarray, " more"]:
    """A column with places for `n` entries, twice as many as before where it was too short."""
    return (
        column if n <= len(column) else np.pad(column, (0, max(n, 2 * len(column)) - len(column)))
    )
