"""Timelines that grow: every user's events in order of time, in one pool."""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.timelines import PADDING, Timelines
from graphrec.kernels.live_cowatch import copy_timelines, insert_events
from graphrec.kernels.timelines import END
from graphrec.stages import Interactions

_CHANGES = 1 << 14


class LiveTimelines:
    """Users' events, where each new one takes its place and tells which pairs that makes or ends.

    Takes 8 bytes an event (12 where weights count), up to 3 times as much while timelines move.
    """

    def __init__(self, settings: CoWatchSettings) -> None:
        """Start with no user."""
        self._settings = settings
        n_changes = max(_CHANGES, 4 * settings.max_successors)
        self._change = np.empty((n_changes, 4), np.int32)
        self._strength = np.empty(n_changes if settings.real else 0, np.float64)
        self.reset()

    @property
    def n_events(self) -> int:
        """Events held."""
        return self._n_events

    def reset(self, timelines: Timelines | None = None) -> None:
        """Forget every event, or hold exactly those of `timelines`, whose arrays are taken over."""
        if timelines is None:
            timelines = Timelines(
                np.ones(1, np.int64),
                np.full(1 + PADDING, END, np.int64),
                np.empty(1 + PADDING if self._settings.weighted else 0, np.float32),
                0,
            )
        ptr = timelines.user_ptr
        size = np.diff(ptr) - 1
        # The place of a timeline's end is room for one event more.
        self._place = np.stack([ptr[:-1], size, size + 1], axis=1)
        self._pool = timelines.packed
        self._weight = timelines.weight
        self._end = np.array([ptr[-1]], np.int64)
        self._n_events = int(size.sum())

    def grow(self, n_users: int) -> None:
        """Let users up to `n_users - 1` exist."""
        n_more = n_users - len(self._place)
        if n_more > 0:
            # A quarter to spare, so that new users do not each copy the whole.
            spare = np.zeros((n_more + n_users // 4, 3), np.int64)
            self._place = np.concatenate([self._place, spare])

    def absorb(
        self, events: Interactions, first: int
    ) -> tuple[int, Int32[np.ndarray, "changes 4"], Float64[np.ndarray, " _"]]:
        """Insert events from `first` on, as many as changes fit in one batch.

        Args:
            events: Checked events of users that exist.
            first: First event to insert.

        Returns:
            The first event not inserted, and the changes (source node, target row, cohort, sign)
            with their signed strengths; the arrays are overwritten by the next call.
        """
        n_changes = np.zeros(1, np.int64)
        settings = self._settings
        upto = first
        while upto == first:
            upto = insert_events(
                first,
                events.time_s,
                events.user_row,
                events.item_row,
                events.weight,
                self._place,
                self._pool,
                self._weight,
                self._end,
                settings.window_s,
                settings.max_successors,
                settings.ageing.cohort_s,
                settings.ageing.half_life_s,
                self._change,
                self._strength,
                n_changes,
            )
            if upto == first:
                self._make_room(int(events.user_row[first]))
        n = int(n_changes[0])
        self._n_events += upto - first
        return upto, self._change[:n], self._strength[:n]

    def timelines(self, n_users: int, n_items: int) -> Timelines:
        """The events packed without spare room."""
        user_ptr = np.concatenate([[1], 1 + np.cumsum(self._place[:n_users, 1] + 1)])
        packed = np.full(int(user_ptr[-1]) + PADDING, END, np.int64)
        weight = np.empty(len(packed) if self._settings.weighted else 0, np.float32)
        copy_timelines(self._place, self._pool, self._weight, user_ptr, packed, weight)
        return Timelines(user_ptr, packed, weight, n_items)

    def _make_room(self, user: int) -> None:
        needed = int(self._end[0]) + 2 * int(self._place[user, 1]) + 4
        n_places = max(needed, len(self._pool) + len(self._pool) // 2, 1024)
        self._pool = _lengthened(self._pool, n_places)
        if self._settings.weighted:
            self._weight = _lengthened(self._weight, n_places)


def _lengthened(
    column: Int64[np.ndarray, " _"] | Float32[np.ndarray, " _"], n: int
) -> Int64[np.ndarray, " n"] | Float32[np.ndarray, " n"]:
    longer = np.empty(n, column.dtype)
    longer[: len(column)] = column
    return longer
