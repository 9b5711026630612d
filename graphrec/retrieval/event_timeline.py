"""Item events in time order, growing, with sums per item as of any moment.

Every answer is as of a time: events at or after it do not count, whether they have arrived or not.
So neither the order of arrival nor late or early arrivals change an answer.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped

from graphrec.kernels.popularity import (
    decay_popularity,
    fill_decayed_checkpoints,
    fill_total_checkpoints,
    merge_events,
    sum_windows,
)
from graphrec.stages import Interactions

STRENGTH_STEPS: Final = 1 << 20
"""Weights are summed as integers, in steps of 2^-20, so that sums are exact in any order."""

MIN_BLOCK: Final = 256
_LONG_AGO_S: Final = np.iinfo(np.int64).min


class EventTimeline:
    """Time, item and strength of every event, sorted by time; equal times keep arrival order."""

    def __init__(self) -> None:
        """Start empty."""
        self.n_events = 0
        self.n_items = 0
        self._time_s = np.empty(0, np.int64)
        self._item_row = np.empty(0, np.int32)
        self._strength = np.empty(0, np.int64)

    @property
    def time_s(self) -> Int64[np.ndarray, " events"]:
        """UTC seconds of each event, never decreasing."""
        return self._time_s[: self.n_events]

    @property
    def item_row(self) -> Int32[np.ndarray, " events"]:
        """Item of each event."""
        return self._item_row[: self.n_events]

    @property
    def strength(self) -> Int64[np.ndarray, " events"]:
        """Weight of each event in steps of 2^-20."""
        return self._strength[: self.n_events]

    def insert(self, events: Interactions) -> int:
        """Add `events`, in whatever order they arrived.

        Returns:
            Position of the first event that is new or has moved.
        """
        self.n_items = max(self.n_items, events.n_items)
        if not len(events):
            return self.n_events
        time_s, item_row = events.time_s, events.item_row
        strength = np.rint(events.weight.astype(np.float64) * STRENGTH_STEPS).astype(np.int64)
        if len(events) > 1 and bool((time_s[1:] < time_s[:-1]).any()):
            order = np.argsort(time_s, kind="stable")
            time_s, item_row, strength = time_s[order], item_row[order], strength[order]
        n_after = self.n_events + len(events)
        if n_after > len(self._time_s):
            capacity = max(n_after, 2 * len(self._time_s), MIN_BLOCK)
            self._time_s = grown(self._time_s, (capacity,))
            self._item_row = grown(self._item_row, (capacity,))
            self._strength = grown(self._strength, (capacity,))
        first_changed = merge_events(
            self._time_s,
            self._item_row,
            self._strength,
            self.n_events,
            np.ascontiguousarray(time_s),
            np.ascontiguousarray(item_row),
            strength,
        )
        self.n_events = n_after
        return int(first_changed)

    def newest_s(self, cut_s: Int64[np.ndarray, " users"]) -> Int64[np.ndarray, " users"]:
        """Time of the newest event before each cut; the smallest int64 where there is none."""
        until = np.searchsorted(self.time_s, cut_s, side="left")
        if not self.n_events:
            return np.full(len(cut_s), _LONG_AGO_S)
        return np.where(until > 0, self._time_s[np.maximum(until - 1, 0)], _LONG_AGO_S)


class WindowSums:
    """Strength per item over any span of a timeline."""

    def __init__(self, timeline: EventTimeline) -> None:
        """Follow `timeline`; `refresh` has to be called after each of its insertions."""
        self._timeline = timeline
        self._block = MIN_BLOCK
        self._checkpoint = np.zeros((1, 0), np.int64)

    def refresh(self, first_changed: int) -> None:
        """Take in that the timeline changed from position `first_changed` on."""
        timeline = self._timeline
        if timeline.n_items > self._checkpoint.shape[1]:
            self._block, first_changed = _block_for(timeline.n_items), 0
            self._checkpoint = np.zeros((1, _roomy(timeline.n_items)), np.int64)
        n_rows = timeline.n_events // self._block + 1
        if n_rows > len(self._checkpoint):
            rows = max(n_rows, 2 * len(self._checkpoint))
            self._checkpoint = grown(self._checkpoint, (rows, self._checkpoint.shape[1]))
        fill_total_checkpoints(
            timeline.item_row,
            timeline.strength,
            timeline.n_events,
            first_changed,
            self._block,
            self._checkpoint,
        )

    def between(
        self, start_s: Int64[np.ndarray, " users"], stop_s: Int64[np.ndarray, " users"]
    ) -> Float32[np.ndarray, "users items"]:
        """Summed weight of each item's events in `[start_s, stop_s)`, one row per span."""
        timeline = self._timeline
        score = np.empty((len(start_s), timeline.n_items), np.float32)
        sum_windows(
            timeline.time_s,
            timeline.item_row,
            timeline.strength,
            timeline.n_events,
            self._block,
            self._checkpoint,
            start_s,
            stop_s,
            1.0 / STRENGTH_STEPS,
            score,
        )
        return score

    def before(
        self, cut_s: Int64[np.ndarray, " users"], window_s: int | None = None
    ) -> Float32[np.ndarray, "users items"]:
        """Summed weight of each item's events in the `window_s` before each cut, or of all."""
        start_s = np.full(len(cut_s), _LONG_AGO_S) if window_s is None else cut_s - window_s
        return self.between(start_s, cut_s)


class DecayedSums:
    """Strength per item as of any moment of a timeline, halved at a constant pace."""

    def __init__(self, timeline: EventTimeline, half_life_s: float) -> None:
        """Follow `timeline`; `refresh` has to be called after each of its insertions."""
        self._timeline = timeline
        self.half_life_s = half_life_s
        self.block = MIN_BLOCK
        self.checkpoint = np.zeros((1, 0), np.float64)

    def refresh(self, first_changed: int) -> None:
        """Take in that the timeline changed from position `first_changed` on."""
        timeline = self._timeline
        if timeline.n_items > self.checkpoint.shape[1]:
            self.block, first_changed = _block_for(timeline.n_items), 0
            self.checkpoint = np.zeros((1, _roomy(timeline.n_items)), np.float64)
        n_rows = timeline.n_events // self.block + 1
        if n_rows > len(self.checkpoint):
            rows = max(n_rows, 2 * len(self.checkpoint))
            self.checkpoint = grown(self.checkpoint, (rows, self.checkpoint.shape[1]))
        fill_decayed_checkpoints(
            timeline.time_s,
            timeline.item_row,
            timeline.strength,
            timeline.n_events,
            first_changed,
            self.block,
            self.half_life_s,
            self.checkpoint,
        )

    def before(self, cut_s: Int64[np.ndarray, " users"]) -> Float32[np.ndarray, "users items"]:
        """Decayed weight of each item's events before each cut, as of that cut."""
        timeline = self._timeline
        score = np.empty((len(cut_s), timeline.n_items), np.float32)
        decay_popularity(
            timeline.time_s,
            timeline.item_row,
            timeline.strength,
            timeline.n_events,
            self.block,
            self.half_life_s,
            self.checkpoint,
            cut_s,
            1.0 / STRENGTH_STEPS,
            score,
        )
        return score


def grown(array: Shaped[np.ndarray, "..."], shape: tuple[int, ...]) -> Shaped[np.ndarray, "..."]:
    """A zeroed array of `shape`, at least as large on each axis, with `array` in its corner."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(0, size) for size in array.shape)] = array
    return larger


def _roomy(n_items: int) -> int:
    return n_items + n_items // 4


def _block_for(n_items: int) -> int:
    # One stored row per as many events as it has items: the checkpoints never outgrow the events.
    return max(MIN_BLOCK, _roomy(n_items))
