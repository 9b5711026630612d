"""When items were published: as their table says, else at their first event."""

import numpy as np
from jaxtyping import Int32, Int64

from graphrec.arrays import NEVER_S
from graphrec.stages import Interactions


class Publications:
    """Dates of publication that grow with what is absorbed, so that a log tells none too early.

    An item without a date of its own, or one that nobody described, is published at the first of
    the absorbed events; until then its date is `NEVER_S`.
    """

    def __init__(self, given_s: Int64[np.ndarray, " items"]) -> None:
        """Know the dates of the first items, UTC seconds, `NEVER_S` where there is none."""
        self._n_described = self._n_items = 0
        self._given_s = np.empty(0, np.int64)
        self._first_s = np.empty(0, np.int64)
        self._published_s = np.empty(0, np.int64)
        self.describe(given_s)

    @property
    def published_s(self) -> Int64[np.ndarray, " items"]:
        """Publication of every item so far, UTC seconds; a view, which may change."""
        return self._published_s[: self._n_items]

    def given_s(self, row: int) -> int:
        """The date an item was given, UTC seconds; `NEVER_S`: none."""
        return int(self._given_s[row]) if row < len(self._given_s) else NEVER_S

    def describe(self, given_s: Int64[np.ndarray, " items"]) -> None:
        """Let items follow those described; one in use keeps its date where none is given."""
        first = self._n_described
        rows = np.arange(first, first + len(given_s), dtype=np.int32)
        self.redate(rows, given_s)

    def redate(self, rows: Int32[np.ndarray, " some"], given_s: Int64[np.ndarray, " some"]) -> None:
        """Give items, each once, other dates; with `NEVER_S` their first event is to tell."""
        end = int(rows.max(initial=-1)) + 1
        self.widen(end)
        self._n_described = max(self._n_described, end)
        self._given_s[rows] = given_s
        self._published_s[rows] = np.where(given_s == NEVER_S, self._first_s[rows], given_s)

    def reset(self) -> None:
        """Forget every event."""
        self._n_items = self._n_described
        self._first_s[:] = NEVER_S
        self._published_s = self._given_s.copy()

    def absorb(
        self, events: Interactions
    ) -> tuple[Int32[np.ndarray, " dated"], Int32[np.ndarray, " moved"]]:
        """Date items by their events, whatever the order of events.

        Returns:
            Rows that had no date, and rows whose date turned out to be earlier; each once.
        """
        self.widen(events.n_items)
        row = events.item_row
        earlier = events.time_s < self._first_s[row]
        if not earlier.any():
            return row[:0], row[:0]
        np.minimum.at(self._first_s, row[earlier], events.time_s[earlier])
        undated = earlier & (self._given_s[row] == NEVER_S)
        changed = np.unique(row[undated])
        is_new = self._published_s[changed] == NEVER_S
        self._published_s[changed] = self._first_s[changed]
        return changed[is_new], changed[~is_new]

    def widen(self, n_items: int) -> None:
        """Have so many rows, at least."""
        n_more = n_items + n_items // 4 - len(self._published_s)
        if n_items > len(self._published_s):
            more = np.full(n_more, NEVER_S, np.int64)
            self._published_s = np.concatenate([self._published_s, more])
            self._given_s = np.concatenate([self._given_s, more])
            self._first_s = np.concatenate([self._first_s, more])
        self._n_items = max(self._n_items, n_items)
