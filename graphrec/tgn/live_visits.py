"""Who visited an item last and what they had beside it, as events arrive.

Every event knows the one before and after it of its user, in order of time; every item knows its
newest events. An event that comes late is put in its place, wherever that is.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from graphrec.stages import Interactions
from graphrec.tgn.keeping import Kept
from graphrec.tgn.neighbours import Visits
from graphrec.tgn.settings import NeighbourSettings

_ONE_BY_ONE: Final = 512
_ALL_ANEW: Final = 16
"""More events at a time than the first, and than a share of 1 in the second, are put in their
places together."""


class LiveVisits(Kept):
    """Chains of users' events and the newest events of each item.

    Events are numbered from 1 as they arrive; 0 stands for none. Answers are those of
    `EventIndex.visits` on the same events. Absorbing a few takes as long after millions as at
    first, but for new items and users, which lengthen arrays.

    Attributes:
        settings: How many visits, and how far to look.
    """

    def __init__(self, n_items: int, settings: NeighbourSettings, device: torch.device) -> None:
        """Start before the first event."""
        self.settings, self._device = settings, device
        self._n = 0
        self._item, self._user, self._time_s, self._before, self._after = (
            np.zeros(1024, np.int64) for _ in range(5)
        )
        self._last = np.zeros(0, np.int64)
        self._newest = np.zeros((n_items, settings.visits), np.int64)

    def grow(self, n_items: int) -> None:
        """Let items up to row `n_items - 1` have visits; the new ones have none."""
        n_more = n_items - len(self._newest)
        if n_more > 0:
            self._newest = np.pad(self._newest, ((0, n_more), (0, 0)))

    def absorb(self, events: Interactions) -> None:
        """Let events happen, in whatever order they arrive."""
        first, n = self._n + 1, len(events)
        self._reserve(first + n, events.n_users)
        order = np.argsort(events.time_s, kind="stable")
        here = slice(first, first + n)
        self._item[here] = events.item_row[order]
        self._user[here] = events.user_row[order]
        self._time_s[here] = events.time_s[order]
        self._n += n
        if n > max(_ONE_BY_ONE, self._n // _ALL_ANEW):
            self._place_all()
            return
        for event in range(first, first + n):
            self._place(event)

    def visits(self, item: Int[Tensor, "queries tokens"]) -> Visits:
        """The newest visits of items, and the events next to each in its user's sequence."""
        visit = self._newest[item.cpu().numpy()]
        beside = []
        for chain in (self._after, self._before):
            at = visit
            for _ in range(self.settings.reach):
                at = chain[at]
                beside.append(at)
        event = np.stack(beside, axis=-1)
        event = event.reshape(*visit.shape, 2, self.settings.reach)
        return Visits(
            *(
                torch.from_numpy(part).to(self._device)
                for part in (self._time_s[visit], self._item[event], event > 0)
            )
        )

    def _place(self, event: int) -> None:
        """Put one event in its user's chain and among its item's newest."""
        user, item, time_s = self._user[event], self._item[event], self._time_s[event]
        before, after = self._last[user], 0
        while before and self._time_s[before] > time_s:
            before, after = self._before[before], before
        self._before[event], self._after[event] = before, after
        if before:
            self._after[before] = event
        if after:
            self._before[after] = event
        else:
            self._last[user] = event
        row = self._newest[item]
        at = int(((row > 0) & (self._time_s[row] > time_s)).sum())
        row[at + 1 :] = row[at:-1].copy()
        row[at : at + 1] = event

    def _place_all(self) -> None:
        """Compute every chain and every item's newest events anew."""
        event = 1 + np.argsort(self._time_s[1 : self._n + 1], kind="stable")
        of_user = event[np.argsort(self._user[event], kind="stable")]
        follows = self._user[of_user[1:]] == self._user[of_user[:-1]]
        self._before[of_user] = np.concatenate([[0], np.where(follows, of_user[:-1], 0)])
        self._after[of_user] = np.concatenate([np.where(follows, of_user[1:], 0), [0]])
        self._last[self._user[of_user]] = of_user
        of_item = event[np.argsort(self._item[event], kind="stable")]
        rows = np.arange(len(self._newest))
        end = np.searchsorted(self._item[of_item], rows, side="right")
        start = np.searchsorted(self._item[of_item], rows)
        at = end[:, None] - 1 - np.arange(self.settings.visits)
        self._newest = np.where(at >= start[:, None], of_item[np.maximum(at, 0)], 0)

    def _reserve(self, n_events: int, n_users: int) -> None:
        capacity = len(self._item)
        if n_events > capacity:
            more = max(n_events, 2 * capacity) - capacity
            self._item, self._user, self._time_s, self._before, self._after = (
                _longer(part, more)
                for part in (self._item, self._user, self._time_s, self._before, self._after)
            )
        if n_users > len(self._last):
            self._last = _longer(self._last, n_users - len(self._last))


def _longer(part: Int64[np.ndarray, " some"], n_more: int) -> Int64[np.ndarray, " more"]:
    return np.concatenate([part, np.zeros(n_more, np.int64)])
