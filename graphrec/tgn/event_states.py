"""States of events: what a user's past looked like just after each event, from their earlier ones.

A state depends on the event itself and on events of the same user strictly before its second,
so that the order of events of one second changes nothing.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from graphrec.tgn.attention import AttentionLayer
from graphrec.tgn.item_states import log_seconds
from graphrec.tgn.questions import EventRows
from graphrec.tgn.settings import NetworkSettings

_REACHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Distances in which one part of an attention bias falls to 1/e: places, and log seconds halved."""


class EventStates(nn.Module):
    """Layers of attention along each user's events, biased by places and time between them.

    Source:
        Rossi et al. 2020, arXiv:2006.10637, for attention over a node's earlier events; Zhai et al.
        2024, arXiv:2402.17152, for the bias, here a learned mix of smooth functions instead of
        buckets.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        """Layers as the settings say."""
        super().__init__()
        dim = settings.state_dim
        self._window = settings.state_window
        self.enter = nn.Linear(settings.dim, dim, bias=False)
        self.gap = nn.Linear(1, dim) if settings.times else None
        self.leave_out = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            AttentionLayer(dim, settings.heads, settings.dropout)
            for _ in range(settings.state_layers)
        )
        self.by_place = nn.Linear(len(_REACHES) + 1, settings.heads, bias=False)
        self.by_time = (
            nn.Linear(len(_REACHES) + 1, settings.heads, bias=False) if settings.times else None
        )
        self.last = nn.LayerNorm(dim)

    def forward(
        self, rows: EventRows, code: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "rows places state_dim"]:
        """A state for every event.

        Args:
            rows: The events.
            code: Unit vector of every item.
        """
        scale = self.enter.in_features**0.5
        token = self.enter(self.leave_out(functional.embedding(rows.item, code) * scale))
        if self.gap is not None:
            token = token + self.gap(self._gaps(rows)[..., None])
        bias = self._bias(rows)
        for layer in self.layers:
            token = layer(token, bias)
        return self.last(token)

    def _gaps(self, rows: EventRows) -> Float[Tensor, "rows places"]:
        between = log_seconds(rows.time_s[:, 1:] - rows.time_s[:, :-1]) / 7
        follows = rows.segment[:, 1:] == rows.segment[:, :-1]
        return functional.pad(between * follows, (1, 0))

    def _bias(self, rows: EventRows) -> Float[Tensor, "rows heads places places"]:
        n_places = rows.item.shape[1]
        place = torch.arange(n_places, device=rows.item.device)
        back = place[:, None] - place[None, :]
        age_s = rows.time_s[:, :, None] - rows.time_s[:, None, :]
        same_user = rows.segment[:, :, None] == rows.segment[:, None, :]
        near = (back > 0) & (back < self._window)
        seen = (same_user & (age_s > 0) & near) | (back == 0)
        bias = self.by_place(_smooth(back.float())).permute(2, 0, 1)[None]
        if self.by_time is not None:
            bias = bias + self.by_time(_smooth(log_seconds(age_s) * 2)).permute(0, 3, 1, 2)
        return bias.masked_fill(~seen[:, None], float("-inf"))


def _smooth(distance: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch functions"]:
    """Decays over several reaches, and the log."""
    near = distance.clamp(min=0)
    decays = [torch.exp(-near / reach) for reach in _REACHES]
    return torch.stack([*decays, torch.log1p(near) / 4], dim=-1)
