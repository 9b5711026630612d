"""Which items the last slates showed, in bounded memory."""

from collections import Counter, deque
from threading import Lock
from typing import Final

import numpy as np
from jaxtyping import Int64

from graphrec.events.ids import Key
from graphrec.serving.messages import EventsOut, SlateOut

LAST_SLATES: Final = 2_000
"""Slates that are remembered: at most 200 items each, 3 MB."""


class ShownItems:
    """Counts how often each item stood in the last slates of this process."""

    def __init__(self, n_slates: int = LAST_SLATES) -> None:
        """Remember `n_slates` slates."""
        self._lock = Lock()
        self._slates: deque[tuple[Key, ...]] = deque()
        self._most = n_slates
        self._n_by_item: Counter[Key] = Counter()

    def recorded(self, found: EventsOut) -> None:
        """Do nothing: events show nothing."""

    def made(self, slate: SlateOut, seconds: float) -> None:  # noqa: ARG002 — a watcher's
        """Count the items of a slate, and forget the oldest slate where there are too many."""
        shown = tuple(one.item_id for one in slate.items)
        with self._lock:
            self._slates.append(shown)
            self._n_by_item.update(shown)
            if len(self._slates) > self._most:
                for item in self._slates.popleft():
                    self._n_by_item[item] -= 1
                    if not self._n_by_item[item]:
                        del self._n_by_item[item]

    def counts(self) -> tuple[int, Int64[np.ndarray, " items"]]:
        """How many slates are remembered, and how often each item they showed stood there."""
        with self._lock:
            return len(self._slates), np.array(list(self._n_by_item.values()), np.int64)
