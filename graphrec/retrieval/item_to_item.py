"""The source that all item-to-item models share: learn weights, sum them over the history."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_array

from graphrec.retrieval.history_weights import HistorySettings, PastItems, weigh_past_items
from graphrec.retrieval.interaction_matrix import RefitSchedule, Values, interaction_matrix
from graphrec.retrieval.item_weights import ItemWeights, SparseItemWeights
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates, with_reasons


class ItemModelSettings(BaseModel):
    """What every item-to-item model can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: Values = Field(
        "once",
        description="once: using an item counts 1, however often. summed: event weights add up.",
    )
    history: HistorySettings = Field(
        default_factory=HistorySettings, description="How much past items count in a query."
    )
    refit_every_events: int | None = Field(
        None,
        ge=1,
        description="Learn anew after so many absorbed events; null keeps the model of the fit. "
        "Histories count at once either way.",
    )


class ItemToItemSource(ABC):
    """Items by the summed weights of the query's past items.

    What is learnt changes only in `fit`, and in `absorb` where a refit is due; a new event of the
    user counts at once, since the history comes with the query. Anonymous sessions work alike.
    """

    def __init__(self, settings: ItemModelSettings) -> None:
        """Hold no model yet."""
        self._shared = settings
        self._schedule = RefitSchedule(settings.refit_every_events)
        self._weights: ItemWeights = SparseItemWeights.of_matrix(csr_array((0, 0)))

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name shown in tables and reasons."""

    @abstractmethod
    def learn(self, matrix: csr_array) -> ItemWeights:
        """Learn item-to-item weights from a users × items matrix."""

    @property
    def absorbs(self) -> bool:
        """Whether absorbed events ever change the model."""
        return self._schedule.absorbs

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn from `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        self._learn_from(self._schedule.start(events, cut_s, self.name))

    def absorb(self, events: Interactions) -> None:
        """Note `events`, and learn anew from all so far where that is due."""
        due = self._schedule.add(events)
        if due is not None:
            self._learn_from(due)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Summed weight of each query's past items for every item.

        Raises:
            DataError: A history holds an item the source has no row for.
        """
        return self._weights.score(self._past(queries), self._schedule.n_items)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items with the past item that adds most to each.

        Raises:
            DataError: A history holds an item the source has no row for.
        """
        past = self._past(queries)
        score = self._weights.score(past, self._schedule.n_items)
        candidates = top_candidates(score, queries, k, eligibility, self.name)
        return with_reasons(candidates, *self._weights.find_reasons(past, candidates.item_row))

    def _learn_from(self, events: Interactions) -> None:
        self._weights = self.learn(interaction_matrix(events, self._shared.values))

    def _past(self, queries: Queries) -> PastItems:
        shared = self._shared
        return weigh_past_items(
            queries, shared.history, shared.values, self._schedule.n_items, self.name
        )
