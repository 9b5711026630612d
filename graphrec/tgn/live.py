"""States of items as events arrive: one row per item, changed only where an event touches it."""

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from graphrec.stages import Interactions
from graphrec.tgn.item_states import StateTable, empty_states
from graphrec.tgn.questions import ItemHistory


class LiveItems(ItemHistory):
    """The newest state of every item; late and out-of-order events end in the same states.

    Decayed sums are kept in float64 and handed to the network in float32.
    """

    def __init__(self, n_items: int, scale_s: Tensor, device: torch.device) -> None:
        """Start with items that nothing has happened to."""
        self._scale_s = scale_s.cpu().numpy().astype(np.float64)
        self._sums = np.zeros((n_items, len(self._scale_s)))
        self._time_s = np.zeros(n_items, np.int64)
        self._count = np.zeros(n_items, np.int64)
        self._user = np.full(n_items, -1, np.int64)
        self.states = empty_states(n_items, len(self._scale_s), device)

    def grow(self, n_items: int) -> None:
        """Let items up to row `n_items - 1` have a state; nothing has happened to the new ones."""
        n_more = n_items - len(self._count)
        if n_more <= 0:
            return
        self._sums = np.concatenate([self._sums, np.zeros((n_more, len(self._scale_s)))])
        self._time_s = np.concatenate([self._time_s, np.zeros(n_more, np.int64)])
        self._count = np.concatenate([self._count, np.zeros(n_more, np.int64)])
        self._user = np.concatenate([self._user, np.full(n_more, -1, np.int64)])
        more = empty_states(n_more, len(self._scale_s), self.states.count.device)
        self.states = StateTable(
            torch.cat([self.states.sums, more.sums]),
            torch.cat([self.states.time_s, more.time_s]),
            torch.cat([self.states.count, more.count]),
            torch.cat([self.states.user, more.user]),
        )

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
        was_known = self._count[touched] > 0
        last = np.zeros(len(touched), np.int64)
        last[local] = np.arange(len(item))
        old_s = np.where(was_known, self._time_s[touched], time_s[last])
        newest_s = np.maximum(old_s, time_s[last])
        decay = np.exp(-(newest_s - old_s)[:, None] / self._scale_s)
        sums = np.where(was_known[:, None], self._sums[touched] * decay, 0.0)
        np.add.at(sums, local, np.exp(-(newest_s[local] - time_s)[:, None] / self._scale_s))
        self._sums[touched] = sums
        takes_over = ~was_known | (time_s[last] >= old_s)
        self._user[touched[takes_over]] = events.user_row[order][last[takes_over]]
        self._time_s[touched] = newest_s
        self._count[touched] += np.bincount(local, minlength=len(touched))
        self._hand_over(touched)
        return touched

    def state_rows(
        self, query: Int[Tensor, "*batch"], item: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` for each item; -1 for one that nothing has happened to."""
        del query
        return torch.where(self.states.count[item] > 0, item, -1)

    def _hand_over(self, touched: Int64[np.ndarray, " items"]) -> None:
        states: StateTable = self.states
        rows = torch.from_numpy(touched).to(states.count.device)
        states.sums[rows] = torch.from_numpy(self._sums[touched]).float().to(rows.device)
        states.time_s[rows] = torch.from_numpy(self._time_s[touched]).to(rows.device)
        states.count[rows] = torch.from_numpy(self._count[touched]).to(rows.device)
        states.user[rows] = torch.from_numpy(self._user[touched]).to(rows.device)
