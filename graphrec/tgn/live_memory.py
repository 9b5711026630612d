"""Memories of users and items as events arrive: only what an event touches is computed anew.

An event that comes after later ones of its own user changes what later events told; the memories
are then played again from the log that is kept here.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from graphrec.events.batches import EventBatches
from graphrec.stages import Interactions
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.item_states import MemoryTable
from graphrec.tgn.keeping import Kept
from graphrec.tgn.memory import NodeMemory
from graphrec.tgn.memory_at_rest import MemoryAtRest
from graphrec.tgn.memory_table import memory_table, user_totals
from graphrec.tgn.mirrored import MirroredArray
from graphrec.tgn.network import TemporalNetwork

_PLAYED_AT_ONCE: Final = 4096
"""More events than this at a time are faster to play from the log."""
_NEVER_S: Final = -(1 << 62)

Rows = Int64[np.ndarray, " rows"]


class LiveMemory(Kept):
    """The newest memory of every node.

    Of each user, what events before their last second left and what those in it added are kept
    apart: an event is told by what its user remembered before its second. All of it is kept on the
    CPU; what the network reads is mirrored on its device.

    Attributes:
        table: Memories of items, a row each.
        message: What an event with each item adds to its user's sums.
        n_played: How often the whole log was played.
    """

    made_again = frozenset({"table", "message"})

    def __init__(self, network: TemporalNetwork, code: Float[Tensor, "items dim"]) -> None:
        """Start before the first event.

        Args:
            network: One with a memory, which makes the messages.
            code: Unit vector of every item.
        """
        self._network = network
        self._device = code.device
        self._log = EventBatches()
        self.n_played = 0
        self._item_s: Rows
        self.refresh(code)

    def refresh(self, code: Float[Tensor, "items dim"]) -> None:
        """Take over new weights or more items: play the whole log again."""
        self.renew(code)
        self._play()

    @torch.no_grad()
    def renew(self, code: Float[Tensor, "items dim"]) -> None:
        """Let later events be told by the weights as they stand; what was told before stays."""
        self._at_rest = MemoryAtRest(self._memory)
        self.message = self._memory.item_messages(code)
        self._message = self.message.cpu().numpy()

    def grow(self, code: Float[Tensor, "items dim"]) -> None:
        """Let more items follow, and later events be told by the weights as they stand."""
        self.renew(code)
        n_more = len(code) - len(self._item_s)
        if n_more <= 0:
            return
        self._total.grow(n_more)
        self._heard.grow(n_more)
        self._hand_over()
        self._item_s = np.concatenate([self._item_s, _never(n_more)])

    def absorb(self, events: Interactions) -> None:
        """Let events happen, in whatever order they arrive."""
        if not len(events):
            return
        self._log.append(events)
        self._grow_users(events.n_users)
        order = np.argsort(events.time_s, kind="stable")
        time_s = events.time_s[order]
        user = events.user_row[order].astype(np.int64)
        item = events.item_row[order].astype(np.int64)
        late = (self._last_s[user] > time_s).any()
        if late or len(events) > _PLAYED_AT_ONCE:
            self._play()
            return
        border = (np.flatnonzero(np.diff(time_s)) + 1).tolist()
        for first, last in zip([0, *border], [*border, len(order)], strict=True):
            self._second(user[first:last], item[first:last], int(time_s[first]))

    def _second(self, user: Rows, item: Rows, now_s: int) -> None:
        """Let the events of one second happen: items hear first, then users remember."""
        age_s = now_s - self._last_s[user]
        total = np.where((age_s > 0)[:, None, None], self._settled(user), self._before[user])
        self._hear(item, self._at_rest.read_user(total, age_s), now_s)
        self._remember(user, item, now_s)

    def _hear(self, item: Rows, heard: np.ndarray, now_s: int) -> None:
        """Let items hear what the users of their events remembered."""
        rest, total = self._at_rest, self._total.array
        touched, local = np.unique(item, return_inverse=True)
        old_s = self._item_s[touched]
        newest_s = np.maximum(old_s, now_s)
        kept = rest.fade_item(total[touched], newest_s - old_s)
        np.add.at(kept, local, rest.fade_item(rest.user_messages(heard), newest_s[local] - now_s))
        total[touched] = kept
        takes_over = newest_s[local] == now_s
        self._heard.array[item[takes_over]] = heard[takes_over]
        self._item_s[touched] = newest_s
        self._total.send(touched)
        self._heard.send(touched)

    def _remember(self, user: Rows, item: Rows, now_s: int) -> None:
        """Let users remember items of one second, in the order of the log."""
        rest = self._at_rest
        who, local, n_each = np.unique(user, return_inverse=True, return_counts=True)
        past = who[self._last_s[who] < now_s]
        self._before[past] = rest.fade_user(self._settled(past), now_s - self._last_s[past])
        self._added[past] = 0
        self._n_added[past] = 0
        self._last_s[past] = now_s
        order = np.argsort(local, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - (np.cumsum(n_each) - n_each)[local[order]]
        self._n_added[who] += n_each
        self._added[who] *= rest.after_events(n_each)
        later = rest.after_events(n_each[local] - 1 - rank)
        np.add.at(self._added, user, self._message[item] * later)

    def _settled(self, user: Rows) -> Float[np.ndarray, "rows scales parts"]:
        """All that users remember when their last second is over."""
        kept = self._at_rest.after_events(self._n_added[user])
        settled: np.ndarray = self._before[user] * kept + self._added[user]
        return settled

    @torch.no_grad()
    def _play(self) -> None:
        """Compute every memory from the whole log."""
        self.n_played += 1
        log = self._log.by_time()
        self._log = EventBatches(log)
        n_items, shape = len(self._message), self._message.shape[1:]
        width = self._memory.of_user.in_features
        self._total = MirroredArray(np.zeros((n_items, *shape), np.float32), self._device)
        self._heard = MirroredArray(np.zeros((n_items, width), np.float32), self._device)
        self._hand_over()
        self._item_s = _never(n_items)
        self._last_s = _never(log.n_users)
        self._before, self._added = (np.zeros((log.n_users, *shape), np.float32) for _ in "ab")
        self._n_added = np.zeros(log.n_users, np.int64)
        if not len(log):
            return
        index = EventIndex(log, self._memory.item_scale_s[:0], self._device)
        users = user_totals(self._memory, index, self.message)
        table = memory_table(self._memory, index, users)
        every = torch.arange(log.n_items, device=self._device)
        row = index.rows_before(every, torch.full_like(every, len(log)))
        here, row = every[row >= 0], row[row >= 0]
        at = here.cpu().numpy()
        self._total.array[at] = table.total[row].cpu().numpy()
        self._heard.array[at] = table.heard[row].cpu().numpy()
        self._item_s[at] = index.time_s[index.by_item[row]].cpu().numpy()
        self._total.send(at)
        self._heard.send(at)
        self._settle_users(index, users.total, users.time_s)

    def _settle_users(self, index: EventIndex, total: Tensor, time_s: Tensor) -> None:
        every = torch.arange(index.n_users, device=self._device)
        last = index.user_rows_before(every, torch.full_like(every, index.n_events))
        here, last = every[last >= 0], last[last >= 0]
        bound = torch.searchsorted(index.time_s, time_s[last], side="left")
        earlier = index.user_rows_before(here, bound)
        at = earlier.clamp(min=0)
        age_s = (time_s[last] - time_s[at]).clamp(min=0).cpu().numpy()
        user = here.cpu().numpy()
        before = self._at_rest.fade_user(total[at].cpu().numpy(), age_s)
        self._before[user] = before * (earlier >= 0).cpu().numpy()[:, None, None]
        self._n_added[user] = (last - earlier).cpu().numpy()
        self._last_s[user] = time_s[last].cpu().numpy()
        # With nothing added yet, what is settled is what the second's events have left of before.
        self._added[user] = total[last].cpu().numpy() - self._settled(user)

    @property
    def _memory(self) -> NodeMemory:
        memory = self._network.memory
        if memory is None:
            raise ValueError("the network of this state has no memory")
        return memory

    def _hand_over(self) -> None:
        self.table = MemoryTable(self._total.tensor, self._heard.tensor)

    def _make_again(self) -> None:
        self._hand_over()
        self.message = torch.from_numpy(self._message).to(self._device)

    def _grow_users(self, n_users: int) -> None:
        n_more = n_users - len(self._last_s)
        if n_more <= 0:
            return
        self._last_s = np.concatenate([self._last_s, _never(n_more)])
        more = np.zeros((n_more, *self._before.shape[1:]), np.float32)
        self._before = np.concatenate([self._before, more])
        self._added = np.concatenate([self._added, more])
        self._n_added = np.concatenate([self._n_added, np.zeros(n_more, np.int64)])


def _never(n: int) -> Rows:
    return np.full(n, _NEVER_S)
