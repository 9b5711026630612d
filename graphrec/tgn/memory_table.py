"""Memories after every event of a log at rest, with the weights as they stand."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphrec.tgn.decayed_sums import decayed_sums
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.item_states import MemoryTable
from graphrec.tgn.memory import NodeMemory, read_memory


class UserTotals(NamedTuple):
    """Sums of users after each of their events.

    Attributes:
        total: In the order of `EventIndex.by_user`.
        time_s: Time of that event, UTC seconds.
    """

    total: Float[Tensor, "events scales parts"]
    time_s: Int[Tensor, " events"]


@torch.no_grad()
def user_totals(
    memory: NodeMemory, index: EventIndex, message: Float[Tensor, "items scales parts"]
) -> UserTotals:
    """Play every user's events.

    Args:
        memory: Has the time scales.
        index: The log.
        message: What an event with each item adds.
    """
    position = index.by_user
    time_s = index.time_s[position]
    told = message[index.item[position]]
    total = decayed_sums(
        index.user[position], time_s, memory.user_scale_s, told, memory.fading_per_event
    )
    return UserTotals(total, time_s)


@torch.no_grad()
def memory_table(memory: NodeMemory, index: EventIndex, users: UserTotals) -> MemoryTable:
    """Play every item's events, each of which tells what its user remembered just before.

    Args:
        memory: Makes the messages.
        index: The log.
        users: As `user_totals` gave them.

    Returns:
        A row for every row of `index.states`.
    """
    position = index.by_item
    time_s = index.time_s[position]
    row = index.user_rows_before(index.user[position], index.bounds_of(position))
    at = row.clamp(min=0)
    age_s = (time_s - users.time_s[at]).clamp(min=0)
    heard = read_memory(users.total[at], age_s, memory.user_scale_s) * (row >= 0)[:, None]
    told = memory.user_messages(heard)
    return MemoryTable(decayed_sums(index.item[position], time_s, memory.item_scale_s, told), heard)


def refresh_memory(
    memory: NodeMemory | None, index: EventIndex, code: Float[Tensor, "items dim"]
) -> None:
    """Bring an index's memories up to the weights; the table stays where it is."""
    if memory is None:
        return
    with torch.no_grad():
        message = memory.item_messages(code)
    fresh = memory_table(memory, index, user_totals(memory, index, message))
    if index.memory is None:
        index.memory = fresh
    else:
        index.memory.total.copy_(fresh.total)
        index.memory.heard.copy_(fresh.heard)
