"""A log at rest on the training device: windows and item states as known at any position in it.

Positions are places in the log's order. What a query may know is given by a bound: events at
positions before it. Every look-up is a binary search over sorted keys, so that no step leaves the
device and nothing has to be played back.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphrec.errors import DataError
from graphrec.stages import Interactions
from graphrec.tgn.decayed_sums import decayed_sums
from graphrec.tgn.item_states import MemoryTable, StateTable
from graphrec.tgn.neighbours import Visits
from graphrec.tgn.questions import EventRows, ItemHistory, Windows
from graphrec.tgn.settings import NeighbourSettings
from graphrec.tgn.side_index import SideIndex

_ALIGNED: Final = 8
"""Rows are as long as a multiple of this: fast attention kernels want it."""


class EventIndex:
    """Events by user and by item, with the state of the item after each event.

    Source:
        The same neighbours as PyG's `LastNeighborLoader`, but read from the log by position, so
        that no batch size changes them.
    """

    def __init__(
        self,
        events: Interactions,
        scale_s: Float[Tensor, " scales"],
        device: torch.device,
        side: SideIndex | None = None,
    ) -> None:
        """Index `events`, sorted by time.

        Args:
            events: The log.
            scale_s: Time scales of popularity, seconds.
            device: Where the index lies.
            side: What windows hold besides; None: nothing.

        Raises:
            DataError: The log is empty or not sorted.
        """
        if not len(events):
            raise DataError("no events to index — the temporal network needs at least one")
        if bool((np.diff(events.time_s) < 0).any()):
            raise DataError("events to index are not sorted by time — sort them stably first")
        self.device, self.side = device, side
        self.n_events = len(events)
        self.n_users, self.n_items = events.n_users, events.n_items
        self.time_s = torch.from_numpy(np.ascontiguousarray(events.time_s)).to(device)
        self.user = torch.from_numpy(events.user_row.astype(np.int64)).to(device)
        self.item = torch.from_numpy(events.item_row.astype(np.int64)).to(device)
        position = torch.arange(self.n_events, device=device)
        self._user_key, self.by_user = torch.sort(self.user * self.n_events + position)
        self._item_key, self.by_item = torch.sort(self.item * self.n_events + position)
        self._user_start = self._starts(self._user_key, self.n_users)
        self._item_start = self._starts(self._item_key, self.n_items)
        self.place_by_user = torch.empty_like(self.by_user)
        self.place_by_user[self.by_user] = position
        self._next_of_pair = self._next_positions()
        self.states = self._states(scale_s)
        self.memory: MemoryTable | None = None

    def bounds_of(
        self, position: Int[Tensor, " queries"], stale_batch: int = 0, first: int = 0
    ) -> Int[Tensor, " queries"]:
        """What events may know of the log before them.

        Args:
            position: The events.
            stale_batch: 0: everything before the event's second; otherwise what is known is
                refreshed every so many events, counted from `first`.
            first: Position that batches are counted from.
        """
        if stale_batch:
            return position - (position - first) % stale_batch
        return torch.searchsorted(self.time_s, self.time_s[position], side="left")

    def windows(
        self,
        user: Int[Tensor, " queries"],
        bound: Int[Tensor, " queries"],
        now_s: Int[Tensor, " queries"],
        length: int,
    ) -> Windows:
        """The newest events of each user before a bound.

        Args:
            user: Whose.
            bound: Positions from here on are unknown.
            now_s: The moment of each query.
            length: Events of a window.
        """
        end = torch.searchsorted(self._user_key, user * self.n_events + bound)
        start = self._user_start[user]
        back = torch.arange(length, device=self.device)
        at = end[:, None] - 1 - back
        present = at >= start[:, None]
        event = self.by_user[at.clamp(min=0)]
        newest = present & (self._next_of_pair[event] >= bound[:, None])
        return Windows(
            torch.where(present, self.item[event], 0),
            self.time_s[event],
            present,
            newest,
            None,
            user,
            now_s,
            end - start,
            None,
            self.side.windows(user, now_s) if self.side else None,
        )

    def hidden_behind(
        self, position: Int[Tensor, " queries"], bound: Int[Tensor, " queries"]
    ) -> int:
        """Most events of a user that lie before one of these events, but not before its bound."""
        user = self.user[position]
        end = torch.searchsorted(self._user_key, user * self.n_events + bound)
        return int((self.place_by_user[position] - end).max()) if len(position) else 0

    def windows_in_rows(
        self,
        position: Int[Tensor, "rows targets"],
        bound: Int[Tensor, "rows targets"],
        now_s: Int[Tensor, "rows targets"],
        length: int,
        context: int,
    ) -> Windows:
        """Windows of consecutive events in the users' order, with the rows their states need.

        Args:
            position: Events side by side in `by_user`, one stretch a row.
            bound: Positions from here on are unknown.
            now_s: The moment of each query.
            length: Events of a window.
            context: Events before a row's first that its states are computed from: the network's,
                and as many more as `hidden_behind` says.
        """
        n_rows, n_targets = position.shape
        windows = self.windows(
            self.user[position.reshape(-1)], bound.reshape(-1), now_s.reshape(-1), length
        )
        context += -(context + n_targets) % _ALIGNED
        first = self.place_by_user[position[:, 0]] - context
        at = first[:, None] + torch.arange(context + n_targets, device=self.device)
        event = self.by_user[at.clamp(0, self.n_events - 1)]
        inside = (at >= 0) & (at < self.n_events)
        rows = EventRows(
            torch.where(inside, self.item[event], 0),
            self.time_s[event],
            torch.where(inside, self.user[event], -1),
        )
        end = self._user_start[windows.user] + windows.n_past
        back = torch.arange(length, device=self.device)
        row = torch.arange(n_rows, device=self.device).repeat_interleave(n_targets)
        place = end[:, None] - 1 - back - first[row][:, None]
        reached = windows.present & (place >= 0)
        width = context + n_targets
        return Windows(
            windows.item,
            windows.time_s,
            reached,
            windows.newest & reached,
            torch.where(reached, place + row[:, None] * width, 0),
            windows.user,
            windows.now_s,
            windows.n_past,
            rows,
            windows.side,
        )

    def history(self, bound: Int[Tensor, " queries"]) -> "IndexedHistory":
        """States of items as known before each query's bound."""
        return IndexedHistory(self, bound)

    def counts_before(
        self, item: Int[Tensor, "*batch"], bound: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """How many events each item had before a bound."""
        key = (item * self.n_events + bound).contiguous()
        return torch.searchsorted(self._item_key, key) - self._item_start[item]

    def rows_before(
        self, item: Int[Tensor, "*batch"], bound: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` after the last event of each item before a bound; -1 for none."""
        key = (item * self.n_events + bound).contiguous()
        row = torch.searchsorted(self._item_key, key) - 1
        return torch.where(row >= self._item_start[item], row, -1)

    def user_rows_before(
        self, user: Int[Tensor, "*batch"], bound: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Place in `by_user` of the last event of each user before a bound; -1 for none."""
        row = torch.searchsorted(self._user_key, (user * self.n_events + bound).contiguous()) - 1
        return torch.where(row >= self._user_start[user], row, -1)

    def visits(
        self,
        item: Int[Tensor, "queries tokens"],
        bound: Int[Tensor, " queries"],
        settings: NeighbourSettings,
    ) -> Visits:
        """The newest visits of items before a bound, and the events next to each in its sequence.

        Args:
            item: Past items of each query.
            bound: Positions from here on are unknown.
            settings: How many visits, and how far to look.
        """
        back = torch.arange(settings.visits, device=self.device)
        row = self.rows_before(item, bound[:, None].expand_as(item))
        at = row[..., None] - back
        there = (row >= 0)[..., None] & (at >= self._item_start[item][..., None])
        visit = self.by_item[at.clamp(min=0)]
        ahead = torch.arange(1, settings.reach + 1, device=self.device)
        place = self.place_by_user[visit][..., None, None] + torch.stack([ahead, -ahead])
        beside = self.by_user[place.clamp(0, self.n_events - 1)]
        known = (
            there[..., None, None]
            & (place >= 0)
            & (place < self.n_events)
            & (self.user[beside] == self.user[visit][..., None, None])
            & (beside < bound[:, None, None, None, None])
        )
        return Visits(self.time_s[visit], self.item[beside], known)

    def _starts(self, key: Int[Tensor, " events"], n: int) -> Int[Tensor, " nodes"]:
        nodes = torch.arange(n, device=self.device) * self.n_events
        return torch.searchsorted(key, nodes)

    def _next_positions(self) -> Int[Tensor, " events"]:
        pair = self.user * self.n_items + self.item
        order = torch.argsort(pair, stable=True)
        following = torch.full_like(order, self.n_events)
        again = pair[order[1:]] == pair[order[:-1]]
        following[order[:-1]] = torch.where(again, order[1:], self.n_events)
        return following

    def _states(self, scale_s: Float[Tensor, " scales"]) -> StateTable:
        item, time_s = self.item[self.by_item], self.time_s[self.by_item]
        count = torch.arange(self.n_events, device=self.device) - self._item_start[item] + 1
        one = torch.ones(self.n_events, len(scale_s), 1, dtype=torch.float64, device=self.device)
        sums = decayed_sums(item, time_s, scale_s.to(self.device), one)[..., 0].float()
        return StateTable(sums, time_s, count, self.user[self.by_item])


class IndexedHistory(ItemHistory):
    """Item states of an index, as known before one bound a query."""

    def __init__(self, index: EventIndex, bound: Int[Tensor, " queries"]) -> None:
        """Look up in `index` what lies before `bound`."""
        self.states, self.memory = index.states, index.memory
        self._index = index
        self._bound = bound

    def state_rows(
        self, query: Int[Tensor, "*batch"], item: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` for each item as query number `query` knows it; -1 for none."""
        return self._index.rows_before(item, self._bound[query])

    def visits(self, item: Int[Tensor, "queries tokens"], settings: NeighbourSettings) -> Visits:
        """The newest visits of each query's items, as the query knows them."""
        return self._index.visits(item, self._bound, settings)
