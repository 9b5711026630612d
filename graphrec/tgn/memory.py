"""What nodes remember: gated, decaying means of the messages that their events brought.

A user remembers items; an item remembers what those who came to it remembered just before. Every
event adds `gate * value` to its node's sums, which decay at several time scales; reading divides by
the decayed gates. At first values are random projections of items' vectors, so that a user's memory
times an item's counts how much of the user's past those had in common who came to the item: an
item's neighbours in the co-watch graph are known from its first event on.

Sums do not depend on the order in which messages are added, so events of one second need no order,
late ones fit in, and no batch size changes anything.
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from graphrec.tgn.item_states import FADED, Found, MemoryTable
from graphrec.tgn.questions import Windows
from graphrec.tgn.settings import NetworkSettings

_OPEN: Final = 2.0
"""Gates start at sigmoid of this."""


class NodeMemory(nn.Module):
    """Makes messages of events, and reads memories.

    Source:
        Rossi et al. 2020, arXiv:2006.10637: messages, a mail that waits for the next event of its
        node, and a gated update, here in the form of Feng et al. 2024, arXiv:2410.01201, where
        gates depend on messages alone; with decay by elapsed time instead of by update, so that
        the update commutes.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        """Layers as the settings say."""
        super().__init__()
        self._n_events = settings.memory_events
        parts = settings.memory_parts
        n_scales = len(parts)
        self._shape = (n_scales, settings.memory_dim // n_scales)
        self.of_item = nn.Linear(settings.dim, settings.memory_dim)
        self.gate_of_item = nn.Linear(settings.dim, n_scales)
        self.of_user = nn.Linear(settings.memory_dim, settings.memory_dim)
        self.gate_of_user = nn.Linear(settings.memory_dim, n_scales)
        user_scale_s = torch.tensor([part.user_hours * 3600 for part in parts])
        item_scale_s = torch.tensor([part.item_hours * 3600 for part in parts])
        per_event = torch.tensor(
            [1 / part.user_places if part.user_places else 0.0 for part in parts]
        )
        self.register_buffer("user_scale_s", user_scale_s)
        self.register_buffer("item_scale_s", item_scale_s)
        self.register_buffer("fading_per_event", per_event)
        self.fading_per_event: Tensor
        self.user_scale_s: Tensor
        self.item_scale_s: Tensor
        with torch.no_grad():
            nn.init.normal_(self.of_item.weight, std=settings.dim**-0.5)
            nn.init.eye_(self.of_user.weight)
            for start_open in (self.gate_of_item, self.gate_of_user):
                start_open.weight.zero_()
                start_open.bias.fill_(_OPEN)
            for start_at_zero in (self.of_item, self.of_user):
                start_at_zero.bias.zero_()

    def item_messages(
        self, code: Float[Tensor, "*batch dim"]
    ) -> Float[Tensor, "*batch scales parts"]:
        """What an event with each item adds to its user's sums; the last column is the gate."""
        code = code * code.shape[-1] ** 0.5
        return self._gated(self.of_item(code), self.gate_of_item(code))

    def user_messages(
        self, heard: Float[Tensor, "*batch memory"]
    ) -> Float[Tensor, "*batch scales parts"]:
        """What an event of a user who remembers `heard` adds to its item's sums."""
        return self._gated(self.of_user(heard), self.gate_of_user(heard))

    def of_users(
        self,
        windows: Windows,
        code: Float[Tensor, "items dim"],
        message: Float[Tensor, "items scales parts"] | None = None,
    ) -> Float[Tensor, "queries memory"]:
        """What each query's user remembers of the newest events of the window.

        Args:
            windows: The newest events of each query.
            code: Unit vector of every item.
            message: What `item_messages` gives for all of them, where it is kept.
        """
        at = slice(0, self._n_events)
        age_s = windows.ages_s()[:, at]
        place = torch.arange(age_s.shape[1], device=age_s.device)
        faded = decay(age_s, self.user_scale_s) * self.after_events(place)
        weight = faded * windows.present[:, at, None]
        item = windows.item[:, at]
        if message is None and item.numel() < len(code):
            told = self.item_messages(functional.embedding(item, code))
        else:
            message = self.item_messages(code) if message is None else message
            flat = functional.embedding(item, message.flatten(1))
            told = flat.view(*item.shape, *message.shape[1:])
        return _mean((told * weight[..., None].to(told.dtype)).sum(1))

    def after_events(self, n: Int[Tensor, " places"]) -> Float[Tensor, "places scales"]:
        """What `n` later events leave of what a user remembered."""
        return torch.exp(-n[:, None] * self.fading_per_event)

    def of_items(
        self, table: MemoryTable, found: Found, *, learning: bool
    ) -> Float[Tensor, "*batch memory"]:
        """Memories of items.

        Args:
            table: As of their last events.
            found: Where they lie, and how old they are.
            learning: Let gradients reach the last message of each item; values stay the same.
        """
        total = functional.embedding(found.at, table.total.flatten(1))
        total = total.view(*found.at.shape, *table.total.shape[1:])
        if learning:
            last = self.user_messages(table.heard[found.at])
            total = total + (last - last.detach())
        return read_memory(total, found.age_s, self.item_scale_s) * found.known[..., None]

    def scores(
        self,
        wanted: Float[Tensor, "queries memory"],
        total: Float[Tensor, "rows scales parts"],
        row: Int[Tensor, "queries candidates"] | None,
        age_s: Int[Tensor, "queries candidates"],
    ) -> Float[Tensor, "queries candidates"]:
        """Dot products of `wanted` with memories of items.

        Args:
            wanted: Weights of a memory.
            total: Sums as of items' last events.
            row: Row of each candidate; None: every row, in order.
            age_s: Seconds since then.
        """
        weight = wanted.unflatten(-1, self._shape).to(total.dtype)
        if row is not None:
            # A weight of 0 for the gate lets one product read rows as they lie.
            weight = functional.pad(weight, (0, 1))
        age = age_s.float()
        score = wanted.new_zeros(age_s.shape)
        for scale in range(self._shape[0]):
            if row is None:
                value = weight[:, scale] @ total[:, scale, :-1].T
                gate = total[:, scale, -1]
            else:
                told = functional.embedding(row, total[:, scale])
                value = (told @ weight[:, scale, :, None])[..., 0]
                gate = told[..., -1]
            part = torch.exp((age / -self.item_scale_s[scale]).clamp(min=FADED))
            score = score + value * part / (gate * part + 1)
        return score

    def _gated(
        self, value: Float[Tensor, "*batch memory"], gate: Float[Tensor, "*batch scales"]
    ) -> Float[Tensor, "*batch scales parts"]:
        opened = torch.sigmoid(gate)[..., None]
        told = value.unflatten(-1, self._shape)
        return torch.cat([opened * told, opened], dim=-1)


def read_memory(
    total: Float[Tensor, "*batch scales parts"],
    age_s: Int[Tensor, "*batch"],
    scale_s: Float[Tensor, " scales"],
) -> Float[Tensor, "*batch memory"]:
    """Memories `age_s` seconds after the last event; all zero where nothing happened."""
    return _mean(total * decay(age_s, scale_s)[..., None])


def decay(
    age_s: Int[Tensor, "*batch"], scale_s: Float[Tensor, " scales"]
) -> Float[Tensor, "*batch scales"]:
    """e^(-age / scale) per scale."""
    return torch.exp(-age_s[..., None].float() / scale_s)


def _mean(total: Float[Tensor, "*batch scales parts"]) -> Float[Tensor, "*batch memory"]:
    """Sums of values over sums of gates and one: few or old messages are remembered faintly."""
    return (total[..., :-1] / (total[..., -1:] + 1)).flatten(-2)
