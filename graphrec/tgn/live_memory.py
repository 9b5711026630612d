"""Memories of users and items as events arrive: only what an event touches is computed anew.

An event that comes after later ones of its own user changes what later events told; the memories
are then played again from the log that is kept here.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from graphrec.stages import Interactions
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.item_states import MemoryTable
from graphrec.tgn.memory import NodeMemory, decay, read_memory
from graphrec.tgn.memory_table import memory_table, user_totals

_PLAYED_AT_ONCE: Final = 4096
"""More events than this at a time are faster to play from the log."""
_NEVER_S: Final = -(1 << 62)
_NOTHING: Final = Interactions(
    np.empty(0, np.int64),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
    np.empty(0, np.float32),
    n_users=0,
    n_items=0,
)


class LiveMemory:
    """The newest memory of every node.

    Of each user, what events before their last second left and what those in it added are kept
    apart: an event is told by what its user remembered before its second.

    Attributes:
        table: Memories of items, a row each.
        n_played: How often the whole log was played.
    """

    def __init__(self, memory: NodeMemory, code: Float[Tensor, "items dim"]) -> None:
        """Start before the first event.

        Args:
            memory: Makes the messages.
            code: Unit vector of every item.
        """
        self._memory = memory
        self._device = code.device
        self._log = [_NOTHING]
        self.n_played = 0
        self.table: MemoryTable
        self._item_s: Tensor
        self._last_s: Tensor
        self._before: Tensor
        self._added: Tensor
        self._n_added: Tensor
        self.refresh(code)

    @torch.no_grad()
    def refresh(self, code: Float[Tensor, "items dim"]) -> None:
        """Take over new weights or more items: play the whole log again."""
        self._message = self._memory.item_messages(code)
        self._play()

    @torch.no_grad()
    def grow(self, code: Float[Tensor, "items dim"]) -> None:
        """Let more items follow; the vectors of those that are known have not changed."""
        n_more = len(code) - len(self._item_s)
        self._message = self._memory.item_messages(code)
        if n_more <= 0:
            return
        total, heard = self.table.total, self.table.heard
        self.table = MemoryTable(
            torch.cat([total, total.new_zeros(n_more, *total.shape[1:])]),
            torch.cat([heard, heard.new_zeros(n_more, heard.shape[1])]),
        )
        self._item_s = torch.cat([self._item_s, self._never(n_more)])

    @torch.no_grad()
    def absorb(self, events: Interactions) -> None:
        """Let events happen, in whatever order they arrive."""
        if not len(events):
            return
        self._log.append(events)
        self._grow_users(events.n_users)
        order = np.argsort(events.time_s, kind="stable")
        time_s = torch.from_numpy(events.time_s[order]).to(self._device)
        user = torch.from_numpy(events.user_row[order].astype(np.int64)).to(self._device)
        item = torch.from_numpy(events.item_row[order].astype(np.int64)).to(self._device)
        late = bool((self._last_s[user] > time_s).any())
        if late or len(events) > _PLAYED_AT_ONCE:
            self._play()
            return
        border = np.flatnonzero(np.diff(events.time_s[order])) + 1
        for first, last in zip([0, *border], [*border, len(order)], strict=True):
            part = slice(int(first), int(last))
            self._second(user[part], item[part], int(events.time_s[order[first]]))

    def _second(self, user: Tensor, item: Tensor, now_s: int) -> None:
        """Let the events of one second happen: items hear first, then users remember."""
        last_s = self._last_s[user]
        total = torch.where(
            (last_s < now_s)[:, None, None], self._settled(user), self._before[user]
        )
        heard = read_memory(total, now_s - last_s, self._memory.user_scale_s)
        touched, local = torch.unique(item, return_inverse=True)
        newest_s = self._item_s[touched].clamp(min=now_s)
        kept = self._of_item(self.table.total[touched], newest_s - self._item_s[touched])
        told = self._memory.user_messages(heard)
        told = self._of_item(told, newest_s[local] - now_s)
        self.table.total[touched] = kept.index_add(0, local, told)
        takes_over = newest_s[local] == now_s
        self.table.heard[item[takes_over]] = heard[takes_over]
        self._item_s[touched] = newest_s
        who = torch.unique(user)
        past = who[self._last_s[who] < now_s]
        age_s = now_s - self._last_s[past]
        self._before[past] = self._of_user(self._settled(past), age_s)
        self._added[past] = 0
        self._n_added[past] = 0
        self._last_s[past] = now_s
        self._remember(user, item)

    def _remember(self, user: Tensor, item: Tensor) -> None:
        """Let users remember items of one second, in the order of the log."""
        who, local, n_each = torch.unique(user, return_inverse=True, return_counts=True)
        order = torch.argsort(local, stable=True)
        first = torch.cumsum(n_each, 0) - n_each
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - first[local[order]]
        self._n_added[who] += n_each
        self._added[who] *= self._memory.after_events(n_each)[..., None]
        later = self._memory.after_events(n_each[local] - 1 - rank)[..., None]
        self._added.index_add_(0, user, self._message[item] * later)

    def _settled(self, user: Tensor) -> Tensor:
        """All that users remember when their last second is over."""
        return self._before[user] * self._faded(user) + self._added[user]

    def _faded(self, user: Tensor) -> Tensor:
        return self._memory.after_events(self._n_added[user])[..., None]

    def _of_item(self, total: Tensor, age_s: Tensor) -> Tensor:
        return total * decay(age_s, self._memory.item_scale_s)[..., None]

    def _of_user(self, total: Tensor, age_s: Tensor) -> Tensor:
        return total * decay(age_s, self._memory.user_scale_s)[..., None]

    def _play(self) -> None:
        """Compute every memory from the whole log."""
        self.n_played += 1
        log = _joined(self._log)
        self._log = [log]
        n_items, shape = len(self._message), self._message.shape[1:]
        empty = self._message.new_zeros
        width = self._memory.of_user.in_features
        self.table = MemoryTable(empty((n_items, *shape)), empty((n_items, width)))
        self._item_s = self._never(n_items)
        self._last_s = self._never(log.n_users)
        self._before, self._added = (empty((log.n_users, *shape)) for _ in range(2))
        self._n_added = torch.zeros_like(self._last_s)
        if not len(log):
            return
        index = EventIndex(log, self._memory.item_scale_s[:0], self._device)
        users = user_totals(self._memory, index, self._message)
        table = memory_table(self._memory, index, users)
        every = torch.arange(log.n_items, device=self._device)
        end = torch.full_like(every, len(log))
        row = index.rows_before(every, end)
        here, row = every[row >= 0], row[row >= 0]
        self.table.total[here] = table.total[row]
        self.table.heard[here] = table.heard[row]
        self._item_s[here] = index.time_s[index.by_item[row]]
        self._settle_users(index, users.total, users.time_s)

    def _settle_users(self, index: EventIndex, total: Tensor, time_s: Tensor) -> None:
        every = torch.arange(index.n_users, device=self._device)
        last = index.user_rows_before(every, torch.full_like(every, index.n_events))
        here, last = every[last >= 0], last[last >= 0]
        last_s = time_s[last]
        bound = torch.searchsorted(index.time_s, last_s, side="left")
        earlier = index.user_rows_before(here, bound)
        at = earlier.clamp(min=0)
        age_s = (last_s - time_s[at]).clamp(min=0)
        before = self._of_user(total[at], age_s) * (earlier >= 0)[:, None, None]
        self._before[here] = before
        self._n_added[here] = last - earlier
        self._added[here] = total[last] - before * self._faded(here)
        self._last_s[here] = last_s

    def _grow_users(self, n_users: int) -> None:
        n_more = n_users - len(self._last_s)
        if n_more <= 0:
            return
        self._last_s = torch.cat([self._last_s, self._never(n_more)])
        more = self._before.new_zeros(n_more, *self._before.shape[1:])
        self._before = torch.cat([self._before, more])
        self._added = torch.cat([self._added, more])
        self._n_added = torch.cat([self._n_added, self._n_added.new_zeros(n_more)])

    def _never(self, n: int) -> Tensor:
        return torch.full((n,), _NEVER_S, device=self._device)


def _joined(log: list[Interactions]) -> Interactions:
    """One log in order of time; events of one second keep the order in which they arrived."""
    time_s: Int64[np.ndarray, " events"] = np.concatenate([part.time_s for part in log])
    order = np.argsort(time_s, kind="stable")
    return Interactions(
        time_s[order],
        np.concatenate([part.user_row for part in log])[order],
        np.concatenate([part.item_row for part in log])[order],
        np.concatenate([part.weight for part in log])[order],
        max(part.n_users for part in log),
        max(part.n_items for part in log),
    )
