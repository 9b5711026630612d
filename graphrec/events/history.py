"""What each user did, as it stood at any point of the log."""

import numpy as np
from jaxtyping import Float64, Int32, Int64

from graphrec.stages import Interactions, Queries


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
