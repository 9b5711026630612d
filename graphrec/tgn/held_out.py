"""Held-out events, and how well a network predicts them without leaving the device."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from graphrec.errors import DataError
from graphrec.stages import Queries
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.memory_table import refresh_memory
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.query_windows import windows_of_queries
from graphrec.tgn.questions import ItemHistory, Windows
from graphrec.tgn.ranking import hit_rate, mean_ndcg, mean_reciprocal_rank, target_ranks
from graphrec.tgn.temporal_state import TemporalState

_SCORES: Final = 1 << 22
_STATE_PAIRS: Final = 1 << 25
"""Pairs of events whose attention is biased at a time; some 100 bytes each."""
_NEIGHBOUR_CELLS: Final = 1 << 26
"""Candidates and events beside past items that are counted at a time; some 30 bytes each."""


@dataclass(frozen=True, slots=True)
class Question:
    """A batch of held-out events.

    Attributes:
        windows: What was known of each user.
        history: What was known of the items.
        target: What happened.
        excluded: Items that are no candidates, -1 for none.
    """

    windows: Windows
    history: ItemHistory
    target: Int[Tensor, " queries"]
    excluded: Int[Tensor, "queries excluded"]


class HeldOutPositions:
    """Events of a log at rest, each predicted from what lies before its bound."""

    def __init__(
        self,
        index: EventIndex,
        position: Int[Tensor, " queries"],
        excluded: Int[Tensor, "queries excluded"],
        *,
        stale_batch: int = 0,
        hide_seen: bool = False,
    ) -> None:
        """Hold out events.

        Args:
            index: The log, the held-out events in it.
            position: Their positions, increasing.
            excluded: Items that are no candidates of each, -1 for none.
            stale_batch: 0: all earlier seconds are known; otherwise known events are refreshed
                every so many, counted from the first held-out one.
            hide_seen: Whether items of the user's history are no candidates.
        """
        self._index = index
        self._position = position
        self._excluded = excluded
        first = int(position[0]) if len(position) else 0
        self._bound = index.bounds_of(position, stale_batch, first)
        self._now_s = index.time_s[self._bound.clamp(max=index.n_events - 1)]
        self._hide_seen = hide_seen

    @property
    def known(self) -> Int64[np.ndarray, " queries"]:
        """What each event may know: the positions before this one. Never decreasing."""
        return self._bound.cpu().numpy()

    def part(self, first: int, last: int) -> "HeldOutPositions":
        """The held-out events from number `first` to `last`, exclusive, knowing what they did."""
        here = slice(first, last)
        part = copy.copy(self)
        part._position, part._excluded = self._position[here], self._excluded[here]
        part._bound, part._now_s = self._bound[here], self._now_s[here]
        return part

    def questions(self, network: TemporalNetwork) -> Iterator[Question]:
        """The held-out events in batches."""
        index, settings = self._index, network.settings
        refresh_memory(network.memory, index, network.codes())
        size = queries_at_once(network)
        for first in range(0, len(self._position), size):
            part = slice(first, first + size)
            position, bound, now_s = self._position[part], self._bound[part], self._now_s[part]
            if settings.state_layers:
                windows = index.windows_in_rows(
                    position[:, None],
                    bound[:, None],
                    now_s[:, None],
                    settings.window,
                    settings.context + index.hidden_behind(position, bound),
                )
            else:
                windows = index.windows(index.user[position], bound, now_s, settings.window)
            excluded = self._excluded[part]
            if self._hide_seen:
                longest = max(1, int(windows.n_past.max()))
                past = index.windows(index.user[position], bound, now_s, longest)
                seen = torch.where(past.present, past.item, -1)
                excluded = torch.cat([excluded, seen], dim=1)
            yield Question(windows, index.history(bound), index.item[position], excluded)


class HeldOutQueries:
    """One held-out item per query, as the evaluation asks them."""

    def __init__(
        self, queries: Queries, target: Int[Tensor, " queries"], state: TemporalState, *, hide: bool
    ) -> None:
        """Hold out items.

        Args:
            queries: Who asks, and their histories.
            target: What came next, on the device.
            state: What all queries know of the nodes.
            hide: Whether items of the history are no candidates.
        """
        self._queries, self._target, self._state, self._hide = queries, target, state, hide

    def questions(self, network: TemporalNetwork) -> Iterator[Question]:
        """The queries in batches."""
        self._state.refresh(network)
        size = queries_at_once(network)
        for first in range(0, len(self._queries), size):
            part = part_of(self._queries, first, first + size)
            target = self._target[first : first + size]
            seen = _padded(part) if self._hide else np.empty((len(part), 0), np.int64)
            yield Question(
                windows_of_queries(part, network.settings, target.device),
                self._state,
                target,
                torch.from_numpy(seen).to(target.device),
            )


HeldOut = HeldOutPositions | HeldOutQueries


@torch.no_grad()
def held_out_ranks(network: TemporalNetwork, held_out: HeldOut) -> Float[Tensor, " queries"]:
    """Rank of each held-out item among all candidates, by the network as it stands, on the CPU.

    Raises:
        DataError: A score is not finite.
    """
    was_training = network.training
    network.eval()
    ranks = [torch.empty(0, dtype=torch.float64)]
    for asked in held_out.questions(network):
        score = network(asked.windows, asked.history)
        if not bool(torch.isfinite(score).all()):
            raise DataError("the network scored NaN or infinity — its weights are of no use")
        ranks.append(target_ranks(score, asked.target, asked.excluded).cpu())
    network.train(was_training)
    return torch.cat(ranks)


def queries_at_once(network: TemporalNetwork) -> int:
    """How many queries to score together, so that memory stays within some gigabytes."""
    settings = network.settings
    by_scores = _SCORES // max(1, network.n_items)
    by_states = _STATE_PAIRS // settings.context**2 if settings.state_layers else by_scores
    by_neighbours = by_scores
    if beside := settings.neighbours:
        cells = beside.tokens * (network.n_items + 2 * beside.visits * beside.reach)
        by_neighbours = _NEIGHBOUR_CELLS // cells
    return max(1, min(4096, by_scores, by_states, by_neighbours))


def figures_of_ranks(rank: Float[Tensor, " queries"]) -> dict[str, float]:
    """`mrr`, `ndcg@10` and `hit_rate@10`."""
    return {
        "mrr": mean_reciprocal_rank(rank),
        "ndcg@10": mean_ndcg(rank),
        "hit_rate@10": hit_rate(rank),
    }


def part_of(queries: Queries, first: int, last: int) -> Queries:
    """Queries `first` to `last`, exclusive."""
    last = min(last, len(queries))
    begin, end = int(queries.history_ptr[first]), int(queries.history_ptr[last])
    return Queries(
        queries.user_row[first:last],
        queries.time_s[first:last],
        queries.history_ptr[first : last + 1] - begin,
        queries.history_item[begin:end],
        queries.history_time_s[begin:end],
        queries.history_weight[begin:end],
    )


def _padded(queries: Queries) -> np.ndarray:
    length = np.diff(queries.history_ptr)
    place = np.arange(length.max(initial=0))
    inside = place < length[:, None]
    padded = np.full(inside.shape, -1, np.int64)
    padded[inside] = queries.history_item
    return padded
