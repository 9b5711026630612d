"""Items by the inner product of two vectors, found through an index instead of one by one."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.kernels.dots import dot_all, dot_pairs
from graphrec.kernels.entry_sums import SEEN_ALLOWED, SEEN_ONLY
from graphrec.kernels.top_list import read_top
from graphrec.retrieval.cowatch_source import candidates_of
from graphrec.retrieval.vector_index import IndexReport, VectorIndex, VectorIndexSettings
from graphrec.stages import Ageing, Candidates, Eligibility, Interactions, Queries, Settling
from graphrec.top_k import SEEN_CODES, allowed_or_all


@runtime_checkable
class VectorModel(Protocol):
    """Learns vectors of users and items whose inner product says how well they fit."""

    @property
    def name(self) -> str:
        """Short name shown in tables and reasons."""
        ...

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, sorted by time and all before `cut_s`."""
        ...

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since."""
        ...

    def user_vectors(self, queries: Queries) -> Float32[np.ndarray, "users dim"]:
        """What each query asks for."""
        ...

    def item_vectors(self) -> Float32[np.ndarray, "items dim"]:
        """The vector of every item."""
        ...


@runtime_checkable
class RowVectors(Protocol):
    """A model that can tell the vectors of some items alone."""

    def item_vectors_of(self, row: Int32[np.ndarray, " some"]) -> Float32[np.ndarray, "some dim"]:
        """The vectors of some items."""
        ...


@runtime_checkable
class PairScorer(Protocol):
    """A model whose own score is more than the inner product, or newer than the indexed vectors."""

    def score_pairs(
        self, queries: Queries, item_row: Int32[np.ndarray, "users k"]
    ) -> Float32[np.ndarray, "users k"]:
        """Score of each query's items as of the query, finite; anything where the row is -1."""
        ...


class VectorSourceSettings(BaseModel):
    """How the index is kept up to date."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: VectorIndexSettings = Field(
        default_factory=VectorIndexSettings, description="When to search exactly, and how well."
    )
    rebuild_every_events: int | None = Field(
        None,
        ge=1,
        description="Read every item's vector anew after so many absorbed events; null: never, for "
        "models whose items change by their own events alone.",
    )
    rebuild_every_s: int | None = Field(
        None,
        ge=1,
        description="Read every item's vector anew after so many seconds of event time, for models "
        "whose items change with time; null: never.",
    )
    room: int = Field(
        50, ge=0, le=100_000, description="Candidates found beyond those asked for, to score anew."
    )


class VectorSource:
    """The items with the highest inner product, or of those the best by the model's own score.

    The index holds vectors as they were last read: all of them at a fit or a rebuild, and those of
    an event's item and of new items after each `absorb`. Where the model scores pairs itself, what
    was found is scored anew as of the query. Scores are brought above 0 by x + 1 for x >= 0 and
    1 / (1 - x) below, which keeps their order.
    """

    absorbs = True

    def __init__(self, model: VectorModel, settings: VectorSourceSettings | None = None) -> None:
        """Index the vectors of `model`, which nobody else teaches from here on."""
        self._model = model
        self._settings = settings or VectorSourceSettings()
        self._index: VectorIndex | None = None
        self._n_since = 0
        self._read_s = 0
        self._newest_s = 0

    @property
    def name(self) -> str:
        """The model's name with `_index` behind it."""
        return f"{self._model.name}_index"

    @property
    def report(self) -> IndexReport:
        """How the index was built last.

        Raises:
            DataError: Nothing was fitted.
        """
        return self._fitted.report

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Fit the model and index its items.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        self._model.fit(events, cut_s)
        self._newest_s = cut_s
        self.rebuild()

    def rebuild(self, queries: Float32[np.ndarray, "users dim"] | None = None) -> None:
        """Read every item's vector anew.

        Args:
            queries: Real queries' vectors to measure recall on; None takes items as queries.
        """
        self._index = VectorIndex(self._model.item_vectors(), self._settings.index, queries)
        self._n_since = 0
        self._read_s = self._newest_s

    def absorb(self, events: Interactions) -> None:
        """Let the model absorb `events`, then read the vectors of items that are touched or new."""
        index = self._fitted
        self._model.absorb(events)
        settings = self._settings
        if len(events):
            self._newest_s = max(self._newest_s, int(events.time_s.max()))
        self._n_since += len(events)
        by_events, by_s = settings.rebuild_every_events, settings.rebuild_every_s
        if (by_events is not None and self._n_since >= by_events) or (
            by_s is not None and self._newest_s - self._read_s >= by_s
        ):
            self.rebuild()
            return
        added = np.arange(index.n_rows, events.n_items, dtype=np.int32)
        touched = np.unique(np.concatenate([events.item_row, added])).astype(np.int32)
        if len(touched):
            index.put(touched, self._vectors_of(touched))

    def advance(self, now_s: int) -> None:
        """Let time pass for the model, where it ages."""
        if isinstance(self._model, Ageing):
            self._model.advance(now_s)

    def settle(self) -> None:
        """Bring the model up to date, so that questions change nothing."""
        if isinstance(self._model, Settling):
            self._model.settle()

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score of every item, above 0."""
        index = self._fitted
        if isinstance(self._model, PairScorer):
            rows = np.arange(index.n_rows, dtype=np.int32)
            every = np.ascontiguousarray(np.broadcast_to(rows, (len(queries), len(rows))))
            return _positive(self._model.score_pairs(queries, every))
        score = np.empty((len(queries), index.n_rows), np.float32)
        dot_all(self._model.user_vectors(queries), index.vectors, score)
        return _positive(score)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """About the best `k` eligible items, without reasons; see `IndexReport` for how nearly."""
        vectors = np.ascontiguousarray(self._model.user_vectors(queries))
        found = self._find(vectors, queries, k, eligibility)
        score = self._scored(vectors, queries, found)
        order = np.lexsort((found, -score), axis=1)[:, :k]
        item_row = np.full((len(queries), k), NO_ROW, np.int32)
        best = np.full((len(queries), k), -np.inf, np.float32)
        item_row[:, : order.shape[1]] = np.take_along_axis(found, order, axis=1)
        best[:, : order.shape[1]] = np.take_along_axis(score, order, axis=1)
        none = np.full(item_row.shape, NO_ROW, np.int32)
        return candidates_of(item_row, best, none, np.zeros(best.shape, np.float32), self.name)

    @property
    def _fitted(self) -> VectorIndex:
        if self._index is None:
            raise DataError("the vector index was asked before it was fitted — fit it first")
        return self._index

    def _vectors_of(self, row: Int32[np.ndarray, " some"]) -> Float32[np.ndarray, "some dim"]:
        if isinstance(self._model, RowVectors):
            return self._model.item_vectors_of(row)
        return np.asarray(self._model.item_vectors()[row], dtype=np.float32)

    def _find(
        self,
        vectors: Float32[np.ndarray, "users dim"],
        queries: Queries,
        k: int,
        eligibility: Eligibility,
    ) -> Int32[np.ndarray, "users found"]:
        """Eligible rows, some more than asked for; -1 is padding."""
        index, seen = self._fitted, SEEN_CODES[eligibility.seen]
        length = np.diff(queries.history_ptr)
        if seen == SEEN_ONLY:
            width = int(length.max(initial=0))
            near = np.full((len(queries), width), NO_ROW, np.int32)
            for query in range(len(queries)):
                past = np.unique(queries.history_item[queries.history(query)])
                near[query, : len(past)] = past
        else:
            hidden = 0 if seen == SEEN_ALLOWED else int(length.max(initial=0))
            room = min(k + self._settings.room + hidden, index.n_rows)
            near = index.search(vectors, room, eligibility.allowed)[0]
        found = np.full(near.shape, NO_ROW, np.int32)
        allowed = allowed_or_all(eligibility)
        for query in range(len(queries)):
            past = queries.history_item[queries.history(query)]
            read_top(near[query][near[query] >= 0], past, seen, allowed, found[query])
        return found

    def _scored(
        self,
        vectors: Float32[np.ndarray, "users dim"],
        queries: Queries,
        found: Int32[np.ndarray, "users found"],
    ) -> Float32[np.ndarray, "users found"]:
        if isinstance(self._model, PairScorer):
            score = _positive(self._model.score_pairs(queries, found))
        else:
            score = np.empty(found.shape, np.float32)
            dot_pairs(vectors, self._fitted.vectors, found, score)
            score = _positive(score)
        return np.where(found < 0, np.float32(-np.inf), score)


def _positive(score: Float32[np.ndarray, "users some"]) -> Float32[np.ndarray, "users some"]:
    """The same order, above 0."""
    return np.where(score >= 0, score + 1, 1 / (1 - np.minimum(score, 0))).astype(np.float32)
