"""The user's own past items, by how often and how recently they were used."""

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.retrieval.sparse_entries import Entries
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import with_reasons


class OwnItemsSettings(BaseModel):
    """How past events count; the defaults are those of `LastItemsSettings`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_power: float = Field(
        0.92, ge=0, le=10, description="The event in place j counts (1 + j)^-this."
    )
    time_power: float = Field(
        0.38, ge=0, le=10, description="An event of some age counts (1 + age)^-this."
    )
    time_unit_s: float = Field(
        18.0, gt=0, le=1e9, description="Unit in which that age is measured, seconds."
    )
    habit: float = Field(
        0.17,
        ge=0,
        le=100,
        description="Weight of what the user did next whenever the newest item was used before.",
    )


class OwnItemsSource:
    """Past items by activation, and nothing else: no item that the user never had.

    Everything it knows comes with the queries, so events change nothing but the number of items.
    Where seen items are hidden it finds none.

    Source:
        Anderson and Schooler 1991 for the form, as in `LastItemsSource`, whose `activation` has
        popularity mixed in.
    """

    absorbs = True

    def __init__(self, settings: OwnItemsSettings | None = None) -> None:
        """Own items by `settings`."""
        self._settings = settings or OwnItemsSettings()
        self._n_items = 0

    @property
    def name(self) -> str:
        """`own_items`."""
        return "own_items"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then learn how many items there are.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._n_items = events.n_items

    def absorb(self, events: Interactions) -> None:
        """Learn how many items there are."""
        self._n_items = max(self._n_items, events.n_items)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Share of each query's activation on every item, in [0, 1]; 0 where it was never used.

        Raises:
            DataError: A history holds an unknown item row.
        """
        return self._entries(queries).dense(self._n_items)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible past items, each its own reason.

        Raises:
            DataError: A history holds an unknown item row.
        """
        found = self._entries(queries).best(queries, k, eligibility, self.name)
        return with_reasons(found, found.reason_item, (found.reason_item >= 0).astype(np.float32))

    def _entries(self, queries: Queries) -> Entries:
        refuse_unknown_items(queries, self._n_items, self.name)
        settings, item = self._settings, queries.history_item
        length = np.diff(queries.history_ptr)
        query = np.repeat(np.arange(len(queries)), length)
        first = queries.history_ptr[query]
        place = np.arange(len(item)) - first
        age_s = np.maximum(queries.time_s[query] - queries.history_time_s, 0)
        by_place = (1.0 + place) ** -settings.event_power
        value = by_place * (1.0 + age_s / settings.time_unit_s) ** -settings.time_power
        again = np.flatnonzero((place > 0) & (item == item[first]))
        at = again - 1
        np.add.at(value, at, settings.habit * by_place[again])
        total = np.bincount(query, weights=value, minlength=len(queries))
        # What all activation of a query comes to; a repeated item has several entries.
        return Entries(queries.history_ptr, item, value / total[query], item)
