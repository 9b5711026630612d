"""What is new: the items published last."""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S
from graphrec.checks import refuse_future
from graphrec.kernels.recency import rank_newest
from graphrec.publications import Publications
from graphrec.retrieval.event_timeline import EventTimeline, WindowSums
from graphrec.stages import Candidates, DescribedItems, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates

_FEW: Final = 1000
"""Items that are put in place one by one; more are sorted with all others."""


class RecentSettings(BaseModel):
    """How items of the same age are told apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_days: float = Field(
        7.0,
        gt=0,
        le=36_500,
        description="Days before the query in which use is counted, to order items published in "
        "the same second.",
    )


class RecentSource:
    """Items by publication, newest first; of the same second, the more popular one first."""

    name = "recent"
    absorbs = True

    def __init__(
        self, published_s: Int64[np.ndarray, " items"], settings: RecentSettings | None = None
    ) -> None:
        """Know when items were published.

        Args:
            published_s: UTC seconds for each item row. An item added later, or given as `NEVER_S`,
                counts as published at its first event.
            settings: How ties are broken.
        """
        self._publications = Publications(published_s)
        self._settings = settings or RecentSettings()
        self._by_age: Int32[np.ndarray, " items"] = np.empty(0, np.int32)
        self._start()

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then count `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._start()
        self.absorb(events)

    def absorb(self, events: Interactions) -> None:
        """Count `events`, and date items that were not known."""
        self._sums.refresh(self._timeline.insert(events))
        n_before = len(self._by_age)
        dated, moved = self._publications.absorb(events)
        n_items = len(self._publications.published_s)
        changed = np.concatenate([dated, moved, np.arange(n_before, n_items, dtype=np.int32)])
        if len(changed) > _FEW:
            self._sort()
        elif len(changed):
            self._place(np.unique(changed))

    def learn_items(self, items: DescribedItems) -> None:
        """Give items other dates."""
        n_before = len(self._by_age)
        self._publications.redate(items.item_row, items.published_s)
        n_items = len(self._publications.published_s)
        added = np.arange(n_before, n_items, dtype=np.int32)
        changed = np.unique(np.concatenate([items.item_row, added]))
        if len(changed) > _FEW:
            self._sort()
        elif len(changed):
            self._place(changed)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Share of published items that are not newer, in (0, 1]; 0 before publication."""
        window_s = max(1, round(self._settings.window_days * DAY_S))
        score = np.empty((len(queries), self._timeline.n_items), np.float32)
        popularity = self._sums.before(queries.time_s, window_s)
        rank_newest(self._by_age, self._publications.published_s, queries.time_s, popularity, score)
        return score

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The `k` newest eligible items of each query, without reasons."""
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)

    def _start(self) -> None:
        self._timeline = EventTimeline()
        self._publications.reset()
        self._timeline.n_items = len(self._publications.published_s)
        self._sums = WindowSums(self._timeline)
        self._sums.refresh(0)
        self._sort()

    def _place(self, changed: Int32[np.ndarray, " changed"]) -> None:
        """Put items whose date changed where they belong, without sorting the others."""
        published_s = self._publications.published_s
        is_changed = np.zeros(len(published_s), np.bool_)
        is_changed[changed] = True
        kept = self._by_age[~is_changed[self._by_age]]
        order = published_s[kept]
        changed = changed[np.argsort(published_s[changed], kind="stable")]
        at = np.searchsorted(order, published_s[changed])
        end = np.searchsorted(order, published_s[changed], side="right")
        # Of one second the items stand by row.
        at = [
            a + np.searchsorted(kept[a:b], row) for a, b, row in zip(at, end, changed, strict=True)
        ]
        self._by_age = np.insert(kept, at, changed).astype(np.int32)

    def _sort(self) -> None:
        """Put every item where it belongs."""
        published_s = self._publications.published_s
        self._by_age = np.argsort(published_s, kind="stable").astype(np.int32)
