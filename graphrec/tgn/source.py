"""The temporal network as a candidate source: its scores are dot products as of each query."""

import copy
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int32
from torch import Tensor
from torch.nn import functional

from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.errors import DataError, LeakageError, SettingsError
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import part_of, queries_at_once
from graphrec.tgn.keeping import Kept
from graphrec.tgn.learning_on import StreamFollower
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.network_at_rest import NetworkAtRest
from graphrec.tgn.query_vectors import QueryVectors, joined_vectors
from graphrec.tgn.query_windows import windows_of_queries
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.side_events import SideLog
from graphrec.tgn.side_index import SideIndex
from graphrec.tgn.temporal_state import TemporalState
from graphrec.tgn.training import Trainer, train_network
from graphrec.top_k import top_candidates, with_reasons

_LOWEST: Final = 1e-6
_FEW: Final = 4
"""So many queries take less time one by one, with NumPy, than at once."""


class TemporalNetworkSource(Kept):
    """Recommends the items whose vectors have the highest dot product with the user's.

    Histories come with the queries; the source keeps the network's weights and one state per item.
    """

    absorbs = True
    made_again = frozenset({"_kept_code", "_at_rest"})

    def __init__(  # noqa: PLR0913 — what is given is a network, or all that one is made from
        self,
        network: NetworkSettings | None = None,
        training: TrainingSettings | None = None,
        content: NodeContent | None = None,
        *,
        trained: TemporalNetwork | None = None,
        trained_until_s: int | None = None,
        device: torch.device | None = None,
        side: SideLog | None = None,
    ) -> None:
        """Prepare a source.

        Args:
            network: Parts of the network; those of `trained` where it is given.
            training: How `fit` trains.
            content: What is known of the items; None: nothing.
            trained: A trained network; `fit` then only sets the states of the items.
            trained_until_s: Everything `trained` learnt lies before this time, UTC seconds.
            device: Where to compute; None: a CPU.
            side: Side events and contexts, of which a query sees what lies before it; None: none.

        Raises:
            SettingsError: The network reads side events or contexts of which `side` tells nothing.
        """
        self._settings = trained.settings if trained else network or NetworkSettings()
        self._training = training or TrainingSettings()
        self._content = content
        self._trained_until_s = trained_until_s
        self._device = device or torch.device("cpu")
        self._trained = trained.to(self._device).eval() if trained else None
        self._side_log = side if self._settings.is_told_more else None
        self._side: SideIndex | None = None
        if self._settings.is_told_more:
            side = _checked(side, trained)
            self._side = SideIndex(side, self._settings, self._device)
        self._network = self._trained
        self._state: TemporalState | None = None
        self._kept_code: Tensor | None = None
        self._follower: StreamFollower | None = None
        self._at_rest: NetworkAtRest | None = None

    @property
    def name(self) -> str:
        """`tgn`."""
        return "tgn"

    @property
    def network(self) -> TemporalNetwork:
        """The trained network.

        Raises:
            DataError: Nothing was fitted.
        """
        if self._network is None:
            raise DataError("the temporal network was asked before it was fitted — fit it first")
        return self._network

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, train on `events` unless the network is trained, and set the states.

        Trains for the settings' epochs, all of `events` and without validation.

        Raises:
            LeakageError: An event is at or after `cut_s`, or the network was trained on events that
                are.
            DataError: Events are not sorted by time.
        """
        refuse_future(events, cut_s, self.name)
        if self._trained_until_s is not None and self._trained_until_s > cut_s:
            raise LeakageError(
                f"{self.name} was trained on events up to {self._trained_until_s} s and is to "
                f"answer as of {cut_s} s — train it on what lies before"
            )
        if self._trained is None:
            self._network = self._train(events)
        elif self._training.learn_on:
            self._network = copy.deepcopy(self._trained)
        self.network.grow(events.n_items)
        self._kept_code = None
        if self._side_log is not None:
            self._side = SideIndex(self._side_log, self._settings, self._device)
        self._state = TemporalState(self.network, self._device)
        self._state.absorb(events)
        if self._training.learn_on:
            until_s = cut_s if self._trained_until_s is None else self._trained_until_s
            self._follower = StreamFollower(
                self.network,
                self._training,
                self._training.learn_on,
                events,
                int(np.searchsorted(events.time_s, until_s)),
            )

    def absorb(self, events: Interactions) -> None:
        """Change the states of the nodes that `events` touch, and of no others.

        An item that is new to the network gets a vector of its own that nothing was learnt of.
        With `learn_on`, weights change, too, whenever enough events have come together: these are
        learnt after they have been absorbed, in time that grows with the log.
        """
        if events.n_items > self.network.n_items:
            self.network.grow(events.n_items)
            self._forget_caches()
        self._fitted.absorb(events)
        if self._follower is not None and self._follower.add(events, self._index_of):
            self._fitted.refresh(self.network)
            self._kept_code = None

    @torch.no_grad()
    def settle(self) -> None:
        """Compute the items' vectors now, so that questions change nothing."""
        self._fitted  # noqa: B018 — refuses before anything is kept
        self._code()

    def absorb_side(self, more: SideLog) -> None:
        """Let side events and events of contexts be known, in whatever order they arrive.

        A network that reads none passes them over.

        Raises:
            DataError: They are of other kinds than those that are known.
        """
        if self._side is not None:
            self._side.absorb(more)

    def add_items(self, content: NodeContent) -> None:
        """Let items follow that nothing has happened to yet, with what is known of them.

        Args:
            content: The new items alone, as `NodeContent.tail` gives them; they get the next rows.

        Raises:
            DataError: Names that were known are missing, or nothing was fitted.
        """
        self._fitted  # noqa: B018 — refuses before the network is changed
        self.network.grow(self.network.n_items + content.n_items, content)
        self._forget_caches()

    @torch.no_grad()
    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Dot product of each query's vector with every item's, the lowest of a query made 1e-6.

        Every item has a reason to be proposed, so no score is 0 or less.
        """
        refuse_unknown_items(queries, self.network.n_items, self.name)
        score = np.empty((len(queries), self.network.n_items), np.float32)
        size = queries_at_once(self.network)
        for first in range(0, len(queries), size):
            part = part_of(queries, first, first + size)
            now_s = torch.from_numpy(part.time_s).to(self._device)
            vectors = self._vectors(part)
            dot = self.network.scores_of_all(vectors, now_s, self._fitted, self._code())
            dot = dot - dot.amin(dim=1, keepdim=True) + _LOWEST
            score[first : first + size] = dot.cpu().numpy()
        return score

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items, each with the past item that points at it the most."""
        candidates = top_candidates(self.score(queries), queries, k, eligibility, self.name)
        if not len(queries):
            return candidates
        size = queries_at_once(self.network)
        parts = [
            self._reasons(
                part_of(queries, first, first + size), candidates.item_row[first : first + size]
            )
            for first in range(0, len(queries), size)
        ]
        items, shares = zip(*parts, strict=True)
        return with_reasons(candidates, np.concatenate(items), np.concatenate(shares))

    @torch.no_grad()
    def user_vectors(self, queries: Queries) -> Float32[np.ndarray, "users dim"]:
        """What each query asks for, in the space of identity vectors."""
        code = self._code()
        vectors = np.empty((len(queries), code.shape[1]), np.float32)
        size = queries_at_once(self.network)
        for first in range(0, len(queries), size):
            part = part_of(queries, first, first + size)
            vectors[first : first + size] = self._vectors(part).code.cpu().numpy()
        return vectors

    @torch.no_grad()
    def item_vectors(self) -> Float32[np.ndarray, "items dim"]:
        """Unit vector of every item."""
        return self._code().float().cpu().numpy()

    @torch.no_grad()
    def name_vectors(self) -> Float32[np.ndarray, "nodes dim"] | None:
        """Unit vector of every publisher, then of every keyword; None where there are none."""
        content = self.network.content
        if content is None or not content.n_publishers + content.n_keywords:
            return None
        return functional.normalize(content.name_vectors(), dim=-1).float().cpu().numpy()

    @torch.no_grad()
    def _reasons(
        self, queries: Queries, item_row: Int32[np.ndarray, "users k"]
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        windows = windows_of_queries(queries, self._settings, self._device, self._side)
        shown = torch.from_numpy(item_row.astype(np.int64)).to(self._device)
        tokens, told = self.network.contributions(
            windows, self._fitted, self._code(), shown.clamp(min=0)
        )
        part = told.clamp(min=0) * tokens.present[:, None, :]
        best, at = part.max(dim=-1)
        total = part.sum(dim=-1)
        share: Tensor = torch.where(total > 0, best / total.clamp(min=1e-12), 0.0)
        found = (share > 0) & (shown >= 0)
        item = torch.where(found, tokens.item.gather(1, at), -1)
        share = torch.where(found, share, 0.0).clamp(max=1.0)
        return item.int().cpu().numpy(), share.float().cpu().numpy()

    def _vectors(self, queries: Queries) -> QueryVectors:
        """What queries ask for: a few one by one, many at once."""
        code, state = self._code(), self._fitted
        if self._at_rest is None or len(queries) > _FEW:
            windows = windows_of_queries(queries, self._settings, self._device, self._side)
            return self.network.query_vectors(windows, state, code)
        singly = [self._at_rest.query_vectors(queries, row, state) for row in range(len(queries))]
        return singly[0] if len(singly) == 1 else joined_vectors(singly)

    def _code(self) -> Tensor:
        """Unit vector of every item, computed once for all questions until an item is new."""
        if self._kept_code is None:
            code = self.network.codes()
            readable = NetworkAtRest.is_readable(self.network)
            self._at_rest = NetworkAtRest(self.network, code) if readable else None
            self._kept_code = code
        return self._kept_code

    def _forget_caches(self) -> None:
        """Let nothing be answered or absorbed by what was kept of other weights or fewer items.

        To be called whenever either has changed; memories stay as they were told.
        """
        self._kept_code = None
        self._fitted.renew(self.network)

    def _make_again(self) -> None:
        self._kept_code = self._at_rest = None

    @property
    def _fitted(self) -> TemporalState:
        if self._state is None:
            raise DataError("the temporal network was asked before it was fitted — fit it first")
        return self._state

    def _index_of(self, events: Interactions, network: TemporalNetwork) -> EventIndex:
        """All that the network reads of a log; items that it does not know yet are in no event."""
        n_items = max(events.n_items, network.n_items)
        known = replace(events, n_items=n_items)
        return EventIndex(known, network.scale_s, self._device, self._side)

    def _train(self, events: Interactions) -> TemporalNetwork:
        content = self._content or NodeContent.nothing(events.n_items)
        content = content.learnt_from(events.item_row)
        network = TemporalNetwork(
            self._settings,
            content,
            n_users=events.n_users,
            seed=self._training.seed,
            side=self._side_log.nodes if self._side_log is not None else None,
        )
        network.to(self._device)
        if not len(events):
            return network.eval()
        index = self._index_of(events, network)
        target = torch.arange(len(events), device=self._device)
        weight = torch.from_numpy(events.weight)
        trainer = Trainer(network, index, target, self._training, weight=weight)
        train_network(trainer, None, lambda _: None)
        return network.eval()


def _checked(side: SideLog | None, trained: TemporalNetwork | None) -> SideLog:
    """Side events that a network can read.

    Raises:
        SettingsError: There are none, or they are not what a trained network knows.
    """
    known = trained.side_nodes if trained else None
    if side is None:
        raise SettingsError(
            "the temporal network reads side events or contexts and was given none — give it those "
            "of its log"
        )
    if known is not None and (
        side.nodes.kinds != known.kinds or side.nodes.n_contexts < known.n_contexts
    ):
        names = ", ".join(kind.name for kind in known.kinds)
        theirs = ", ".join(kind.name for kind in side.nodes.kinds)
        raise SettingsError(
            f"the temporal network was trained with side events {names or 'none'} and "
            f"{known.n_contexts} contexts, and was given {theirs or 'none'} and "
            f"{side.nodes.n_contexts} — give it the same"
        )
    return side
