"""Which event ids have arrived before."""

import numpy as np
from jaxtyping import Bool, UInt64

from graphrec.kernels.seen_ids import add_ids

_FEWEST_SLOTS = 1024


class SeenIds:
    """A set of 64-bit event ids that grows; 8 bytes a slot, at most 5 of 8 slots taken."""

    def __init__(self) -> None:
        """Start with no id."""
        self.reset()

    def __len__(self) -> int:
        return self._n

    def reset(self) -> None:
        """Forget every id."""
        self._slot = np.zeros(_FEWEST_SLOTS, np.uint64)
        self._has_zero = np.zeros(1, np.bool_)
        self._n = 0

    def absorb(self, event_id: UInt64[np.ndarray, " events"]) -> Bool[np.ndarray, " events"]:
        """Add ids in order of arrival; True for each that was not there before."""
        self._make_room(len(event_id))
        is_new = np.empty(len(event_id), np.bool_)
        self._n += add_ids(event_id, self._slot, self._has_zero, is_new)
        return is_new

    def ids(self) -> UInt64[np.ndarray, " _"]:
        """Every id, ascending."""
        zero = np.zeros(int(self._has_zero[0]), np.uint64)
        return np.concatenate([zero, np.sort(self._slot[self._slot > 0])])

    def _make_room(self, n_more: int) -> None:
        needed = (self._n + n_more) * 8 // 5 + 1
        if needed <= len(self._slot):
            return
        old = self._slot[self._slot > 0]
        self._slot = np.zeros(1 << needed.bit_length(), np.uint64)
        add_ids(old, self._slot, self._has_zero, np.empty(len(old), np.bool_))
