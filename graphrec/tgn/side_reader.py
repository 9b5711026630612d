"""Side events and contexts as the readout takes them: tokens of their own, and silent at first."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from graphrec.tgn.item_states import log_seconds
from graphrec.tgn.questions import SideWindows, Windows
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SIDE_TARGETS, SideNodes

_N_FEATURES = 5


class SideTokens(NamedTuple):
    """Side events of each query, newest first.

    Attributes:
        token: What the readout's layers of attention see.
        present: Whether there is an event, of a node that is known.
        node: Unit vector of the node that it leads to.
    """

    token: Float[Tensor, "queries side hidden"]
    present: Bool[Tensor, "queries side"]
    node: Float[Tensor, "queries side dim"]


class Beside(NamedTuple):
    """What is known of each query beside the user's window.

    Attributes:
        side: Side events; None where the network reads none.
        told: Added to the token of every past item; None as `side`.
        joined: Added to what taste and weights are made of.
    """

    side: SideTokens | None
    told: Float[Tensor, "queries hidden"] | None
    joined: Float[Tensor, "queries join"]


class SideReader(nn.Module):
    """Reads side events: each points at what its node stands for, and together they tell the rest.

    Until something is learnt, a network with this part scores as one without.
    """

    def __init__(
        self, settings: NetworkSettings, nodes: SideNodes, n_joined: int, *, has_names: bool
    ) -> None:
        """Draw a reader.

        Args:
            settings: The network's.
            nodes: What the events may be.
            n_joined: Width of what the readout joins.
            has_names: Whether the network's content has vectors of publishers and keywords.
        """
        super().__init__()
        hidden, dim = settings.hidden, settings.dim
        # Where no event leads to a name, the content's names are not asked.
        self.has_names = has_names and any(kind.target != "item" for kind in nodes.kinds)
        target = torch.tensor([SIDE_TARGETS.index(kind.target) for kind in nodes.kinds])
        self.register_buffer("target", target)
        self.target: Tensor
        n_publishers, n_keywords = (0, 0) if has_names else (nodes.n_publishers, nodes.n_keywords)
        self.publisher = nn.Parameter(torch.randn(n_publishers, dim))
        self.keyword = nn.Parameter(torch.randn(n_keywords, dim))
        self.kind = nn.Parameter(0.02 * torch.randn(len(nodes.kinds), hidden))
        self.features = nn.Linear(_N_FEATURES, hidden)
        self.code = nn.Linear(dim, hidden, bias=False)
        self.mix = nn.Sequential(
            nn.GELU(), nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden)
        )
        self.leave_out = nn.Dropout(settings.dropout)
        self.share = nn.Linear(hidden, 1)
        self.value = nn.Linear(dim, dim)
        self.told = nn.Linear(hidden, hidden, bias=False)
        self.join = nn.Linear(hidden + dim, n_joined, bias=False)
        self.pointer = nn.Linear(hidden, 1)
        for start_silent in (self.share, self.pointer):
            nn.init.zeros_(start_silent.weight)
            nn.init.zeros_(start_silent.bias)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.join.weight)

    def forward(
        self,
        windows: Windows,
        side: SideWindows,
        past: tuple[Float[Tensor, "queries tokens dim"], Bool[Tensor, "queries tokens"]],
        code: Float[Tensor, "items dim"],
        names: tuple[Float[Tensor, "names dim"], int] | None,
    ) -> Beside:
        """Read side events.

        Args:
            windows: The newest events of each query.
            side: Its side events.
            past: Unit vectors of the window's distinct items, and which of them there are.
            code: Unit vector of every item.
            names: Unit vectors of publishers, then keywords, and how many of them are publishers;
                None: the reader's own.
        """
        if names is None:
            own = torch.cat([self.publisher, self.keyword])
            names = functional.normalize(own, dim=-1), len(self.publisher)
        node, present = self._nodes(side, code, *names)
        feature = self._features(windows, side, node, past)
        scale = self.code.in_features**0.5
        token = self.features(feature) + self.code(self.leave_out(node * scale))
        token = token + functional.embedding(side.kind, self.kind)
        token = token + self.mix(token)
        logit = self.share(token).float()[..., 0]
        share = torch.softmax(logit.masked_fill(~present, -1e4), dim=-1) * present
        gist = (share[..., None] * token).sum(1)
        meant = (share[..., None] * self.value(node)).sum(1)
        joined = self.join(torch.cat([gist, self.leave_out(meant)], dim=-1))
        return Beside(SideTokens(token, present, node), self.told(gist), joined)

    def wanted(
        self, token: Float[Tensor, "queries side hidden"], side: SideTokens
    ) -> Float[Tensor, "queries dim"]:
        """What side events point at; from a refused item a query may turn away.

        Args:
            token: The tokens as attention left them.
            side: The tokens as they were.
        """
        pointer = self.pointer(token).float()[..., 0] * side.present
        return (pointer[:, None, :] @ side.node)[:, 0]

    def _nodes(
        self,
        side: SideWindows,
        code: Float[Tensor, "items dim"],
        names: Float[Tensor, "names dim"],
        n_publishers: int,
    ) -> tuple[Float[Tensor, "queries side dim"], Bool[Tensor, "queries side"]]:
        """Unit vectors of nodes, and which events are of a node that has one."""
        target = self.target[side.kind]
        limit = torch.where(target == 1, n_publishers, len(names) - n_publishers)
        limit = torch.where(target == 0, len(code), limit)
        present = side.present & (side.row >= 0) & (side.row < limit)
        is_item = target == 0
        node = functional.embedding(torch.where(present & is_item, side.row, 0), code)
        if len(names):
            name = torch.where(present & ~is_item, side.row + (target == 2) * n_publishers, 0)
            node = torch.where(is_item[..., None], node, functional.embedding(name, names))
        return node * present[..., None], present

    def _features(
        self,
        windows: Windows,
        side: SideWindows,
        node: Float[Tensor, "queries side dim"],
        past: tuple[Float[Tensor, "queries tokens dim"], Bool[Tensor, "queries tokens"]],
    ) -> Float[Tensor, "queries side features"]:
        """Age, place, and whether the user has since found something, and something like it."""
        code, is_past = past
        age = log_seconds(windows.now_s[:, None] - side.time_s)
        since = log_seconds(windows.now_s[:, None] - windows.time_s[:, :1])
        known = is_past[:, :1]
        place = torch.arange(age.shape[1], device=age.device).expand_as(age)
        alike = (node @ code.transpose(1, 2)).masked_fill(~is_past[:, None, :], -1.0).amax(-1)
        parts = [
            age / 7 - 1,
            torch.log1p(place.float()) / 2 - 1,
            (age - since) / 7 * known,
            ((side.time_s > windows.time_s[:, :1]) & known).float(),
            alike.float(),
        ]
        return torch.stack(parts, dim=-1)


class ContextReader(nn.Module):
    """A learned vector for each context, added up over those that hold, silent at first."""

    def __init__(self, settings: NetworkSettings, n_contexts: int, n_joined: int) -> None:
        """Draw vectors of contexts."""
        super().__init__()
        self.vector = nn.Parameter(torch.randn(n_contexts, settings.dim))
        self.join = nn.Linear(settings.dim, n_joined, bias=False)
        nn.init.zeros_(self.join.weight)

    def forward(self, holds: Bool[Tensor, "queries contexts"]) -> Float[Tensor, "queries join"]:
        """What the contexts that hold add to what the readout joins."""
        # Those that nothing was learnt of yet, as they have come since, say nothing.
        known = holds[:, : len(self.vector)].to(self.vector.dtype)
        joined: Tensor = self.join(known @ self.vector)
        return joined
