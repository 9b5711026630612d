"""The readout of a trained network for one query at a time, computed with NumPy.

One query needs no padding: only events and tokens that are there are read, so nothing is masked.
`tests/tgn/test_at_rest.py` holds it against the network itself.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from graphrec.tgn.layers_at_rest import (
    AttentionAtRest,
    LinearAtRest,
    MixAtRest,
    NormAtRest,
    array_of,
    gelu,
    softmax,
)
from graphrec.tgn.readout import (
    AGE_UNIT_S,
    NEIGHBOUR_SCALE,
    RARE,
    Activation,
    NeighbourHeads,
    Readout,
)
from graphrec.tgn.settings import NetworkSettings

_SMALLEST: Final = 1e-12
_LAYERS: Final = frozenset(
    [
        "activation",
        "features",
        "code",
        "mix",
        "layers",
        "last",
        "heads",
        "value",
        "newest",
        "memory",
        "join",
        "taste",
        "dynamic",
        "leave_out",
        "remembered",
        "recall",
        "neighbours",
    ]
)


@dataclass(frozen=True, slots=True)
class OneWindow:
    """The newest events of one user, newest first, and the newest of each of the last items.

    Attributes:
        item: Item of each event.
        age_s: Seconds between each event and the query, 0 or more.
        at: Place of the newest event of each distinct item, increasing; the tokens.
        n_past: Events of the user before the query, also those beyond the window.
    """

    item: Int64[np.ndarray, " events"]
    age_s: Float32[np.ndarray, " events"]
    at: Int64[np.ndarray, " tokens"]
    n_past: int


@dataclass(frozen=True, slots=True)
class TokenStates:
    """What is known of the item of each token.

    Attributes:
        code: Its unit vector.
        dynamic: Features of its state, whether the query's user was the last to come, and log
            seconds since the last event; no columns where items have no state.
        since: Log seconds since its last event.
        memory: What it remembers; no columns where the network has no memory.
    """

    code: Float32[np.ndarray, "tokens dim"]
    dynamic: Float32[np.ndarray, "tokens features"]
    since: Float32[np.ndarray, " tokens"]
    memory: Float32[np.ndarray, "tokens memory"]


@dataclass(frozen=True, slots=True)
class OneReading:
    """What is read out of one window, as `Reading` has it for many."""

    pointer: Float32[np.ndarray, " tokens"]
    taste: Float32[np.ndarray, " dim"]
    dynamic: Float32[np.ndarray, " dynamic"]
    memory: Float32[np.ndarray, " memory"] | None
    neighbours: Float32[np.ndarray, "newest channels"] | None


class ActivationAtRest:
    """`Activation`."""

    def __init__(self, activation: Activation) -> None:
        """Read the powers."""
        self._powers = array_of(activation.power), array_of(activation.habit_power)

    def __call__(self, window: OneWindow) -> Float32[np.ndarray, "tokens features"]:
        """The log count of each token's item within the window, and log activations."""
        item = window.item
        used = (item[window.at, None] == item).astype(np.float32)
        log_age = np.log1p(window.age_s / AGE_UNIT_S)
        log_place = np.log1p(np.arange(len(item), dtype=np.float32))
        features = [np.log1p(used.sum(axis=1, keepdims=True)) / 2]
        after_newest = np.zeros(len(item), np.float32)
        after_newest[:-1] = item[1:] == item[0]
        for power, counts in zip(self._powers, (None, after_newest), strict=True):
            weight = np.exp(-(log_place[:, None] * power[:, 0] + log_age[:, None] * power[:, 1]))
            if counts is not None:
                weight *= counts[:, None]
            features.append(np.log(used @ weight + RARE) / 3 + 1)
        return np.concatenate(features, axis=1)


class NeighboursAtRest:
    """`NeighbourHeads`."""

    def __init__(self, heads: NeighbourHeads) -> None:
        """Read the weights."""
        self._start, self._head = array_of(heads.start), LinearAtRest(heads.head)

    def __call__(
        self, token: Float32[np.ndarray, "tokens hidden"]
    ) -> Float32[np.ndarray, "newest channels"]:
        """Weights of the newest tokens."""
        newest = token[: len(self._start)]
        return NEIGHBOUR_SCALE * (self._start[: len(newest)] + self._head(newest))


class ReadoutAtRest:
    """`Readout` for one query at a time."""

    def __init__(self, readout: Readout, settings: NetworkSettings) -> None:
        """Read the weights of a readout that `is_readable`."""
        self._n_tokens = settings.tokens
        self._scale = settings.dim**0.5
        self._rank = array_of(readout.rank)
        self._features, self._code = LinearAtRest(readout.features), LinearAtRest(readout.code)
        self._activation = ActivationAtRest(readout.activation) if readout.activation else None
        self._mix, self._last = MixAtRest(readout.mix), NormAtRest(readout.last)
        self._layers = [
            AttentionAtRest(layer, settings.heads)  # type: ignore[arg-type]  # a ModuleList forgets
            for layer in readout.layers
        ]
        self._heads, self._join = LinearAtRest(readout.heads), LinearAtRest(readout.join)
        self._value, self._newest = LinearAtRest(readout.value), LinearAtRest(readout.newest)
        self._taste, self._dynamic = LinearAtRest(readout.taste), LinearAtRest(readout.dynamic)
        self._memory = LinearAtRest(readout.memory) if readout.memory else None
        self._remembered = LinearAtRest(readout.remembered) if readout.remembered else None
        self._recall = LinearAtRest(readout.recall) if readout.recall else None
        self._neighbours = NeighboursAtRest(readout.neighbours) if readout.neighbours else None

    @staticmethod
    def is_readable(readout: Readout) -> bool:
        """Whether this readout has no part that is unknown here: event states are."""
        parts = {name for name, part in readout.named_children() if part is not None}
        own = {name for name, _ in readout.named_parameters(recurse=False)}
        return parts <= _LAYERS and own == {"rank"}

    def __call__(
        self, window: OneWindow, states: TokenStates, user_memory: Float32[np.ndarray, " memory"]
    ) -> OneReading:
        """Read a query.

        Args:
            window: The newest events.
            states: What is known of the tokens' items.
            user_memory: What the user remembers; empty where the network has no memory.
        """
        n_tokens = len(window.at)
        age = np.log1p(window.age_s[window.at])
        n_past = np.log1p(np.float32(window.n_past)) / 3
        share_of_tokens = np.float32(n_tokens / self._n_tokens)
        token = self._tokens(window, states, age, (n_past, share_of_tokens))
        token += self._mix(gelu(token))
        for layer in self._layers:
            token = layer(token)
        token = self._last(token)
        score = self._heads(token[:-1])
        dim = states.code.shape[1]
        past = newest = np.zeros(dim, np.float32)
        user = np.array([n_past, 0, 0, share_of_tokens], np.float32)
        if n_tokens:
            past = self._value((softmax(score[:, 1])[:, None] * states.code).sum(axis=0))
            newest = self._newest(states.code[0])
            user[1:3] = age[0] / 7, 1
        joined = gelu(self._join(np.concatenate([past, newest, token[-1], user, user_memory])))
        taste = self._taste(joined)
        taste /= max(float(np.sqrt(taste @ taste)), _SMALLEST)
        memory = None
        if self._remembered is not None and self._recall is not None:
            memory = self._remembered(joined) + self._recall(user_memory)
        beside = None if self._neighbours is None else self._neighbours(token[:-1])
        return OneReading(score[:, 0], taste, self._dynamic(joined), memory, beside)

    def _tokens(
        self,
        window: OneWindow,
        states: TokenStates,
        age: Float32[np.ndarray, " tokens"],
        user: tuple[np.float32, np.float32],
    ) -> Float32[np.ndarray, "places hidden"]:
        """Tokens in the width of the readout, and the summary behind them."""
        n_tokens = len(window.at)
        place = np.log1p(window.at.astype(np.float32)) / 2 - 1
        own = np.empty((n_tokens, 4), np.float32)
        own[:, 0], own[:, 1], own[:, 2:] = age / 7 - 1, place, user
        parts: list[NDArray[np.float32]] = [own]
        if states.dynamic.shape[1]:
            parts += [states.dynamic, ((age - states.since) / 7)[:, None]]
        if self._activation is not None and n_tokens:
            parts.append(self._activation(window))
        token = self._rank[[*range(n_tokens), -1]]
        if n_tokens:
            token[:-1] += self._features(np.concatenate(parts, axis=1))
            token[:-1] += self._code(states.code * self._scale)
            if self._memory is not None:
                token[:-1] += self._memory(states.memory)
        return token
