"""From a user's newest events to a query: which past items to point at, and what is wanted else."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from graphrec.tgn.attention import AttentionLayer
from graphrec.tgn.item_states import DynamicFeatures, n_dynamic_features
from graphrec.tgn.neighbours import N_CHANNELS
from graphrec.tgn.questions import Windows
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_reader import Beside, SideTokens

_ACTIVATIONS: Final = ((0.9, 0.4), (0.3, 0.1), (1.5, 0.2), (0.1, 0.8))
"""Powers of place and of age to start from."""
AGE_UNIT_S: Final = 18.0
RARE: Final = 1e-3
"""Activity below this looks like none."""
_NEIGHBOURS_AT_FIRST: Final = 0.1
NEIGHBOUR_SCALE: Final = 10.0
"""Logits per weight, so that weights that start at about 0.1 learn as fast as others."""
_RECALL_WIDTH: Final = 16
"""Parts of a memory this wide are asked for with weights of 1 at first; wider ones, whose products
are larger, with less."""


class Tokens(NamedTuple):
    """One token per distinct item among a query's newest events, newest first.

    Attributes:
        item: The item; 0 where there is no token.
        at: Place in the window of its newest event.
        present: Whether there is a token.
    """

    item: Int[Tensor, "queries tokens"]
    at: Int[Tensor, "queries tokens"]
    present: Bool[Tensor, "queries tokens"]


class Reading(NamedTuple):
    """What is read out of a window.

    Attributes:
        pointer: How much each token's own item is asked for, any real number, 0 for no token.
        taste: What is asked for else, a unit vector in the space of identity vectors.
        dynamic: Weights of an item's vector of recent events.
        memory: Weights of an item's memory; None where the network has no memory.
        neighbours: How much what was found beside each of the newest tokens' items is asked for, in
            each channel of `neighbour_scores`; None where the network looks up no neighbours.
        side: Tokens of side events as attention left them; None where the network reads none.
    """

    pointer: Float[Tensor, "queries tokens"]
    taste: Float[Tensor, "queries dim"]
    dynamic: Float[Tensor, "queries dynamic"]
    memory: Float[Tensor, "queries memory"] | None
    neighbours: Float[Tensor, "queries newest channels"] | None = None
    side: Float[Tensor, "queries side hidden"] | None = None


class Memories(NamedTuple):
    """What nodes remember at the moment of each query.

    Attributes:
        user: The query's user.
        item: The item of each token.
    """

    user: Float[Tensor, "queries memory"]
    item: Float[Tensor, "queries tokens memory"]


def select_tokens(windows: Windows, n_tokens: int) -> Tokens:
    """The newest event of each of the last `n_tokens` distinct items."""
    n_queries, length = windows.item.shape
    rank = windows.newest.cumsum(1)
    # Place 0 of `at` takes what is not chosen.
    slot = rank * (windows.newest & (rank <= n_tokens))
    place = torch.arange(length, device=slot.device).expand(n_queries, -1)
    at = torch.zeros(n_queries, n_tokens + 1, dtype=torch.int64, device=slot.device)
    at = at.scatter_(1, slot, place)[:, 1:]
    present = torch.arange(n_tokens, device=slot.device) < rank[:, -1:]
    return Tokens(windows.item.gather(1, at) * present, at, present)


class Activation(nn.Module):
    """How active each token's item is in memory: every past use counts, less with place and age.

    Also counted alone: uses that came right after the window's newest item.

    Source:
        Anderson and Schooler 1991, doi:10.1111/j.1467-9280.1991.tb00174.x; several pairs of powers,
        learned.
    """

    n_features: Final = 2 * len(_ACTIVATIONS) + 1

    def __init__(self) -> None:
        """Powers to start from."""
        super().__init__()
        self.power = nn.Parameter(torch.tensor(_ACTIVATIONS))
        self.habit_power = nn.Parameter(torch.tensor(_ACTIVATIONS))

    def forward(self, windows: Windows, tokens: Tokens) -> Float[Tensor, "queries tokens features"]:
        """The log count of each token's item within the window, and log activations."""
        item, present = windows.item, windows.present
        place = torch.arange(item.shape[1], device=item.device)
        log_age = torch.log1p(windows.ages_s() / AGE_UNIT_S)
        log_place = torch.log1p(place.float())
        power = torch.cat([self.power, self.habit_power])
        fading = log_place[:, None] * power[:, 0] + log_age[..., None] * power[:, 1]
        after_newest = (item == item[:, :1]) & present
        after_newest = functional.pad(after_newest[:, 1:], (0, 1))
        counted, habit = torch.exp(-fading).chunk(2, dim=-1)
        weight = torch.cat([counted, habit * after_newest[..., None]], dim=-1)
        # What stands for no token counts what it likes: nobody reads it.
        used = (tokens.item[:, :, None] == item[:, None, :]) & present[:, None, :]
        active = torch.bmm(used.to(weight.dtype), weight).float()
        n_used = torch.log1p(used.sum(-1, keepdim=True).float()) / 2
        return torch.cat([n_used, torch.log(active + RARE) / 3 + 1], dim=-1)


class NeighbourHeads(nn.Module):
    """How much each token asks for what was found beside its item; at first less with place."""

    def __init__(self, n_tokens: int, hidden: int) -> None:
        """Start with the same for everybody."""
        super().__init__()
        first = torch.exp(-torch.arange(n_tokens) / 2)[:, None] * torch.ones(N_CHANNELS)
        self.start = nn.Parameter(_NEIGHBOURS_AT_FIRST * first)
        self.head = nn.Linear(hidden, N_CHANNELS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, token: Float[Tensor, "queries tokens hidden"], present: Bool[Tensor, "queries tokens"]
    ) -> Float[Tensor, "queries newest channels"]:
        """Weights of the newest tokens."""
        newest = slice(0, len(self.start))
        asked = (self.start + self.head(token[:, newest])) * present[:, newest, None]
        return NEIGHBOUR_SCALE * asked.float()


class Readout(nn.Module):
    """Reads a query out of a user's newest distinct items."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Layers as the settings say."""
        super().__init__()
        hidden, dim = settings.hidden, settings.dim
        self._n_tokens = settings.tokens
        n_dynamic = n_dynamic_features(settings.n_scales) + 2 if settings.n_scales else 0
        self.activation = Activation() if settings.repeats else None
        n_features = 4 + n_dynamic + (Activation.n_features if settings.repeats else 0)
        self.features = nn.Linear(n_features, hidden)
        self.code = nn.Linear(dim, hidden, bias=False)
        self.state = (
            nn.Linear(settings.state_dim, hidden, bias=False) if settings.state_layers else None
        )
        self.rank = nn.Parameter(0.02 * torch.randn(settings.tokens + 1, hidden))
        self.mix = nn.Sequential(
            nn.GELU(), nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden)
        )
        self.layers = nn.ModuleList(
            AttentionLayer(hidden, settings.heads, settings.dropout)
            for _ in range(settings.readout_layers)
        )
        self.last = nn.LayerNorm(hidden)
        self.heads = nn.Linear(hidden, 2)
        width = settings.state_dim if settings.state_layers else dim
        self.value = nn.Linear(width, dim)
        self.newest = nn.Linear(width, dim)
        n_memory = settings.memory_dim
        self.memory = nn.Linear(n_memory, hidden, bias=False) if n_memory else None
        self.join = nn.Linear(2 * dim + hidden + 4 + n_memory, max(128, dim // 2))
        self.taste = nn.Linear(self.join.out_features, dim)
        self.dynamic = nn.Linear(self.join.out_features, n_dynamic_features(settings.n_scales))
        self.leave_out = nn.Dropout(settings.dropout)
        self.remembered = nn.Linear(self.join.out_features, n_memory) if n_memory else None
        self.recall = nn.Linear(n_memory, n_memory, bias=False) if n_memory else None
        if self.recall is not None:
            with torch.no_grad():
                nn.init.eye_(self.recall.weight)
                self.recall.weight.mul_(_RECALL_WIDTH * len(settings.memory_parts) / n_memory)
        self.neighbours = (
            NeighbourHeads(settings.neighbours.tokens, hidden) if settings.neighbours else None
        )
        for start_silent in (self.dynamic, self.heads, self.remembered):
            if start_silent is not None:
                nn.init.zeros_(start_silent.weight)
                nn.init.zeros_(start_silent.bias)

    def forward(  # noqa: PLR0913, PLR0917 — every part of the network that tokens are made of
        self,
        windows: Windows,
        tokens: Tokens,
        code: Float[Tensor, "queries tokens dim"],
        state: Float[Tensor, "queries tokens state_dim"] | None,
        dynamic: DynamicFeatures | None,
        memories: Memories | None,
        beside: Beside | None = None,
    ) -> Reading:
        """Read queries.

        Args:
            windows: The newest events of each query.
            tokens: The distinct items among them.
            code: Unit vector of each token's item.
            state: State of each token's event; None where the network has no event states.
            dynamic: State of each token's item now; None where items have no state.
            memories: What user and items remember; None where the network has no memory.
            beside: Side events and contexts; None where the network reads none.
        """
        age = torch.log1p(windows.ages_s().gather(1, tokens.at).float())
        user = self._of_user(windows, tokens, age)
        feature = self._of_tokens(windows, tokens, age, user, dynamic)
        scale = self.code.in_features**0.5
        token = self.features(feature) + self.code(self.leave_out(code * scale))
        if self.state is not None:
            token = token + self.state(state)
        if self.memory is not None and memories is not None:
            token = token + self.memory(memories.item)
        token = token + self.rank[:-1]
        summary = self.rank[-1].expand(len(token), 1, -1)
        token = torch.cat([token, summary.to(token.dtype)], dim=1)
        if beside is not None and beside.told is not None:
            token = token + beside.told[:, None]
        token = token + self.mix(token)
        token = self._attended(token, tokens, None if beside is None else beside.side)
        token, summary, side = token.tensor_split((self._n_tokens, self._n_tokens + 1), dim=1)
        score = self.heads(token).float()
        pointer = score[..., 0] * tokens.present
        share = torch.softmax(score[..., 1].masked_fill(~tokens.present, -1e4), dim=-1)
        event = code if state is None else state
        known = tokens.present[:, :1]
        # Shares sum to 1 where there is a token, so the mean may be taken before the layer.
        past = self.value((share[:, None, :] @ event)[:, 0]) * known
        newest = self.newest(event[:, 0]) * known
        parts = [self.leave_out(past), self.leave_out(newest), summary[:, 0], user]
        if memories is not None:
            parts.append(memories.user)
        joined = self.join(torch.cat(parts, dim=-1))
        if beside is not None:
            joined = joined + beside.joined
        joined = functional.gelu(joined)
        wanted = self.taste(self.leave_out(joined))
        if self.state is not None:
            wanted = wanted + newest
        taste = functional.normalize(wanted.float(), dim=-1)
        remembered = self._remembered(joined, memories)
        beside_past = self.neighbours(token, tokens.present) if self.neighbours else None
        return Reading(pointer, taste, self.dynamic(joined).float(), remembered, beside_past, side)

    def _remembered(
        self, joined: Float[Tensor, "queries joined"], memories: Memories | None
    ) -> Float[Tensor, "queries memory"] | None:
        if self.remembered is None or self.recall is None or memories is None:
            return None
        wanted: Tensor = self.remembered(joined) + self.recall(memories.user)
        return wanted.float()

    def _attended(
        self,
        token: Float[Tensor, "queries places hidden"],
        tokens: Tokens,
        side: SideTokens | None,
    ) -> Float[Tensor, "queries all hidden"]:
        """Tokens and their summary, side events behind them, after the layers of attention."""
        if side is not None:
            token = torch.cat([token, side.token.to(token.dtype)], dim=1)
        if len(self.layers):
            mask = functional.pad(tokens.present, (0, 1), value=True)[:, None, None, :]
            mask = mask | torch.eye(mask.shape[-1], dtype=torch.bool, device=mask.device)
            if side is not None:
                mask = _seen_by_side(mask, side.present)
            for layer in self.layers:
                token = layer(token, mask)
        attended: Tensor = self.last(token)
        return attended

    def _of_user(
        self, windows: Windows, tokens: Tokens, age: Float[Tensor, "queries tokens"]
    ) -> Float[Tensor, "queries 4"]:
        present = tokens.present.float()
        known = present[:, 0]
        n_past = torch.log1p(windows.n_past.float()) / 3
        return torch.stack([n_past, age[:, 0] / 7 * known, known, present.mean(1)], dim=-1)

    def _of_tokens(
        self,
        windows: Windows,
        tokens: Tokens,
        age: Float[Tensor, "queries tokens"],
        user: Float[Tensor, "queries 4"],
        dynamic: DynamicFeatures | None,
    ) -> Float[Tensor, "queries tokens features"]:
        parts = [
            (age / 7 - 1)[..., None],
            (torch.log1p(tokens.at.float()) / 2 - 1)[..., None],
            user[:, None, ::3].expand(-1, self._n_tokens, -1),
        ]
        if dynamic is not None:
            mine = (dynamic.user == windows.user[:, None]) & (windows.user >= 0)[:, None]
            parts += [
                dynamic.values,
                mine[..., None].float(),
                ((age - dynamic.since) / 7)[..., None],
            ]
        if self.activation is not None:
            parts.append(self.activation(windows, tokens))
        return torch.cat(parts, dim=-1)


def _seen_by_side(
    mask: Bool[Tensor, "queries 1 places places"], present: Bool[Tensor, "queries side"]
) -> Bool[Tensor, "queries 1 all all"]:
    """The mask with side events behind: they see everything, and nothing else sees them.

    What others know of them they are told, so that nothing changes before something is learnt.
    """
    n_side, n_places = present.shape[1], mask.shape[-1]
    # The summary, last of the others, sees every token that there is.
    reached = torch.cat([mask[:, 0, -1], present], dim=-1)[:, None, None]
    own = torch.eye(n_places + n_side, dtype=torch.bool, device=mask.device)[n_places:]
    return torch.cat([functional.pad(mask, (0, n_side)), reached | own], dim=-2)
