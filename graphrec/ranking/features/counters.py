"""Fading counts by row and by pair, which grow with what they are told."""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt64

from graphrec.kernels.decayed_counters import add_to_pairs, add_to_rows, move_pairs

_FEWEST_SLOTS = 1024
_SPACE = 2
"""Rows are given when they are asked for, so many times as many as there are."""


class RowCounters:
    """For each row: counts that fade at several half-lives, a plain total, first and last times."""

    def __init__(self, half_life_s: tuple[float, ...]) -> None:
        """Count at half-lives, seconds, shortest first."""
        self.half_life_s: Float64[np.ndarray, " scales"] = np.array(half_life_s, np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.decayed: Float64[np.ndarray, "rows scales"] = np.zeros((0, len(self.half_life_s)))
        self.total: Float64[np.ndarray, " rows"] = np.zeros(0)
        self.first_s: Int64[np.ndarray, " rows"] = np.zeros(0, np.int64)
        self.last_s: Int64[np.ndarray, " rows"] = np.zeros(0, np.int64)

    def absorb(
        self,
        time_s: Int64[np.ndarray, " events"],
        row: Int32[np.ndarray, " events"],
        amount: Float32[np.ndarray, " events"],
        n_rows: int,
    ) -> None:
        """Count events, in whatever order they come; late ones are discounted to the newest.

        Args:
            time_s: UTC seconds.
            row: Row of each.
            amount: What each adds.
            n_rows: Rows there are by now.
        """
        if n_rows > len(self.total):
            self._grow(n_rows)
        add_to_rows(
            time_s,
            row,
            amount,
            self.half_life_s,
            self.decayed,
            self.total,
            self.first_s,
            self.last_s,
        )

    def _grow(self, n_rows: int) -> None:
        room = n_rows if not len(self.total) else max(n_rows, _SPACE * len(self.total))
        more = room - len(self.total)
        self.decayed = np.concatenate([self.decayed, np.zeros((more, len(self.half_life_s)))])
        self.total = np.concatenate([self.total, np.zeros(more)])
        self.first_s = np.concatenate([self.first_s, np.zeros(more, np.int64)])
        self.last_s = np.concatenate([self.last_s, np.zeros(more, np.int64)])


class PairCounters:
    """For each pair of rows that occurred: a fading count, a plain total, and the last time."""

    def __init__(self, half_life_s: float) -> None:
        """Count at one half-life, seconds."""
        self.half_life_s = half_life_s
        self.reset()

    def __len__(self) -> int:
        return self._n

    def reset(self) -> None:
        """Forget everything."""
        self._n = 0
        self._make(_FEWEST_SLOTS)

    def absorb(
        self,
        key: UInt64[np.ndarray, " events"],
        time_s: Int64[np.ndarray, " events"],
        amount: Float32[np.ndarray, " events"],
    ) -> None:
        """Count pairs by their keys, which are not 0; see `pair_keys`."""
        needed = (self._n + len(key)) * 8 // 5 + 1
        if needed > len(self.key):
            old = self.key, self.decayed, self.total, self.last_s
            self._make(1 << needed.bit_length())
            move_pairs(*old, self.key, self.decayed, self.total, self.last_s)
        self._n += add_to_pairs(
            key,
            time_s,
            amount,
            self.half_life_s,
            self.key,
            self.decayed,
            self.total,
            self.last_s,
        )

    def _make(self, n_slots: int) -> None:
        self.key: UInt64[np.ndarray, " slots"] = np.zeros(n_slots, np.uint64)
        self.decayed: Float32[np.ndarray, " slots"] = np.zeros(n_slots, np.float32)
        self.total: Float32[np.ndarray, " slots"] = np.zeros(n_slots, np.float32)
        self.last_s: Int64[np.ndarray, " slots"] = np.zeros(n_slots, np.int64)


def pair_keys(
    first: Int32[np.ndarray, " events"], second: Int32[np.ndarray, " events"]
) -> UInt64[np.ndarray, " events"]:
    """A key of each pair of rows, never 0."""
    return (first.astype(np.uint64) << np.uint64(32)) + second.astype(np.uint64) + np.uint64(1)
