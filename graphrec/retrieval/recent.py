"""What is new: the items published last."""

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S
from graphrec.checks import refuse_future
from graphrec.kernels.recency import rank_newest
from graphrec.publications import Publications
from graphrec.retrieval.event_timeline import EventTimeline, WindowSums
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates


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
        dated, moved = self._publications.absorb(events)
        if len(dated) or len(moved) or len(self._publications.published_s) > len(self._by_age):
            self._sort()

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

    def _sort(self) -> None:
        published_s = self._publications.published_s
        self._by_age = np.argsort(published_s, kind="stable").astype(np.int32)
