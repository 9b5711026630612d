"""Vectors of single queries from a trained network, computed with NumPy on a CPU."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from graphrec.stages import Queries
from graphrec.tgn.item_states import FLOOR
from graphrec.tgn.layers_at_rest import array_of
from graphrec.tgn.memory_at_rest import MemoryAtRest
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.query_vectors import PastWeights, QueryVectors
from graphrec.tgn.questions import ItemHistory
from graphrec.tgn.readout_at_rest import OneWindow, ReadoutAtRest, TokenStates

_PARTS: Final = frozenset({"content", "readout", "memory"})
_OWN: Final = frozenset({"identity", "user", "bias", "log_scale", "taste_scale"})


class NetworkAtRest:
    """`TemporalNetwork.query_vectors` for one query at a time, from live states.

    Weights are read where they lie. What it is given to keep, the items' vectors and the memory's
    weights, is as of the time when it was made.
    """

    def __init__(self, network: TemporalNetwork, code: Float32[Tensor, "items dim"]) -> None:
        """Read the weights of a network that `is_readable`.

        Args:
            network: The network.
            code: What its `codes` gives.
        """
        self._network, self._settings = network, network.settings
        self._code = array_of(code)
        self._scale_s = array_of(network.scale_s)
        self._readout = ReadoutAtRest(network.readout, network.settings)
        self._memory = MemoryAtRest(network.memory) if network.memory is not None else None

    @staticmethod
    def is_readable(network: TemporalNetwork) -> bool:
        """Whether the network lies on a CPU and has no part that is unknown here."""
        parts = {name for name, part in network.named_children() if part is not None}
        own = {name for name, _ in network.named_parameters(recurse=False)}
        return (
            network.bias.device.type == "cpu"
            and parts <= _PARTS
            and own <= _OWN
            and ReadoutAtRest.is_readable(network.readout)
        )

    def query_vectors(self, queries: Queries, query: int, history: ItemHistory) -> QueryVectors:
        """Vectors of one query, as rows of one.

        Args:
            queries: Who asks, and their histories.
            query: Which one.
            history: Live states of items.
        """
        settings, network = self._settings, self._network
        window = self._window(queries, query)
        now_s, user = int(queries.time_s[query]), int(queries.user_row[query])
        item = window.item[window.at]
        states = self._token_states(item, now_s, user, history)
        reading = self._readout(window, states, self._user_memory(window, history))
        wanted = reading.taste * float(network.taste_scale) * settings.taste
        if network.user is not None and 0 <= user < len(network.user):
            wanted += array_of(network.user)[user]
        if settings.identity_path:
            wanted += (reading.pointer[:, None] * states.code).sum(axis=0)
        wanted *= float(network.log_scale.exp())
        return QueryVectors(
            torch.from_numpy(wanted[None]),
            torch.from_numpy(reading.dynamic[None]) if settings.n_scales else None,
            None if reading.memory is None else torch.from_numpy(reading.memory[None]),
            self._past_weights(item, reading.neighbours),
        )

    def _past_weights(
        self,
        item: Int64[np.ndarray, " tokens"],
        weight: Float32[np.ndarray, "newest channels"] | None,
    ) -> PastWeights | None:
        """As many as the settings say, so that queries can be joined; those beyond count 0."""
        if weight is None or self._settings.neighbours is None:
            return None
        n_tokens = self._settings.neighbours.tokens
        past = np.zeros((1, n_tokens), np.int64)
        asked = np.zeros((1, n_tokens, weight.shape[1]), np.float32)
        past[0, : len(weight)], asked[0, : len(weight)] = item[: len(weight)], weight
        return PastWeights(torch.from_numpy(past), torch.from_numpy(asked))

    def _window(self, queries: Queries, query: int) -> OneWindow:
        settings = self._settings
        past = queries.history(query)
        newest = slice(past.start, min(past.stop, past.start + settings.window))
        item = queries.history_item[newest].astype(np.int64)
        age_s = np.maximum(queries.time_s[query] - queries.history_time_s[newest], 0)
        if not settings.times:
            age_s = np.zeros_like(age_s)
        first = np.unique(item, return_index=True)[1]
        first.sort()
        return OneWindow(
            item, age_s.astype(np.float32), first[: settings.tokens], past.stop - past.start
        )

    def _token_states(
        self, item: Int64[np.ndarray, " tokens"], now_s: int, user: int, history: ItemHistory
    ) -> TokenStates:
        states = history.states
        count = states.count.numpy()[item]
        known = (count > 0).astype(np.float32)
        age_s = np.maximum(now_s - states.time_s.numpy()[item], 0)
        since = np.log1p(age_s.astype(np.float32)) * known
        dynamic = np.empty((len(item), 0), np.float32)
        if n_scales := self._settings.n_scales:
            dynamic = np.empty((len(item), n_scales + 4), np.float32)
            faded = np.exp(-age_s[:, None].astype(np.float32) / self._scale_s)
            popularity = states.sums.numpy()[item] * faded
            dynamic[:, :n_scales] = np.log(popularity + FLOOR) / 2 + 1
            dynamic[:, n_scales] = since / 7 - known
            dynamic[:, n_scales + 1] = np.log1p(count.astype(np.float32)) / 4
            dynamic[:, n_scales + 2] = known
            last_user = states.user.numpy()[item]
            dynamic[:, n_scales + 3] = (last_user == user) & (user >= 0)
        memory = np.empty((len(item), 0), np.float32)
        if self._memory is not None and history.memory is not None:
            total = history.memory.total.numpy()[item]
            memory = self._memory.read_item(total, age_s)
        return TokenStates(self._code[item], dynamic, since, memory)

    def _user_memory(
        self, window: OneWindow, history: ItemHistory
    ) -> Float32[np.ndarray, " memory"]:
        """What the user remembers of the newest events of the window."""
        if self._memory is None or history.message is None:
            return np.empty(0, np.float32)
        n_events = self._settings.memory_events
        told = history.message.numpy()[window.item[:n_events]]
        return self._memory.of_user(told, window.age_s[:n_events])
