"""States of items as events arrive: one row per item, changed only where an event touches it."""

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from graphrec.stages import Interactions
from graphrec.tgn.item_states import StateTable
from graphrec.tgn.keeping import Kept
from graphrec.tgn.mirrored import MirroredArray
from graphrec.tgn.questions import ItemHistory


class LiveItems(Kept, ItemHistory):
    """The newest state of every item; late and out-of-order events end in the same states.

    Decayed sums are kept in float64 and handed to the network in float32.
    """

    row_per_item = True
    made_again = frozenset({"states"})

    def __init__(self, n_items: int, scale_s: Tensor, device: torch.device) -> None:
        """Start with items that nothing has happened to."""
        self._scale_s = scale_s.cpu().numpy().astype(np.float64)
        self._exact = np.zeros((n_items, len(self._scale_s)))
        self._sums = MirroredArray(self._exact.astype(np.float32), device)
        self._time_s = MirroredArray(np.zeros(n_items, np.int64), device)
        self._count = MirroredArray(np.zeros(n_items, np.int64), device)
        self._user = MirroredArray(np.full(n_items, -1, np.int64), device)
        self._hand_over()

    def grow(self, n_items: int) -> None:
        """Let items up to row `n_items - 1` have a state; nothing has happened to the new ones."""
        n_more = n_items - len(self._count)
        if n_more <= 0:
            return
        self._exact = np.concatenate([self._exact, np.zeros((n_more, len(self._scale_s)))])
        for mirrored in (self._sums, self._time_s, self._count):
            mirrored.grow(n_more)
        self._user.grow(n_more, -1)
        self._hand_over()

    def absorb(self, events: Interactions) -> Int64[np.ndarray, " items"]:
        """Let events happen, in whatever order they arrive.

        Returns:
            The items whose state changed, each once; no other row was touched.
        """
        if not len(events):
            return np.empty(0, np.int64)
        order = np.argsort(events.time_s, kind="stable")
        item = events.item_row[order].astype(np.int64)
        time_s = events.time_s[order]
        touched, local = np.unique(item, return_inverse=True)
        was_known = self._count.array[touched] > 0
        last = np.zeros(len(touched), np.int64)
        last[local] = np.arange(len(item))
        old_s = np.where(was_known, self._time_s.array[touched], time_s[last])
        newest_s = np.maximum(old_s, time_s[last])
        decay = np.exp(-(newest_s - old_s)[:, None] / self._scale_s)
        sums = np.where(was_known[:, None], self._exact[touched] * decay, 0.0)
        np.add.at(sums, local, np.exp(-(newest_s[local] - time_s)[:, None] / self._scale_s))
        self._exact[touched] = sums
        self._sums.array[touched] = sums
        takes_over = ~was_known | (time_s[last] >= old_s)
        self._user.array[touched[takes_over]] = events.user_row[order][last[takes_over]]
        self._time_s.array[touched] = newest_s
        self._count.array[touched] += np.bincount(local, minlength=len(touched))
        for mirrored in (self._sums, self._time_s, self._count, self._user):
            mirrored.send(touched)
        return touched

    def state_rows(
        self, query: Int[Tensor, "*batch"], item: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` for each item; -1 for one that nothing has happened to."""
        del query
        return torch.where(self.states.count[item] > 0, item, -1)

    def _make_again(self) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        self.states = StateTable(
            self._sums.tensor, self._time_s.tensor, self._count.tensor, self._user.tensor
        )
