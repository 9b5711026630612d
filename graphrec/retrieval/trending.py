"""What is used most now: decayed counts with a live list of the highest."""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.checks import refuse_future
from graphrec.kernels.top_list import add_counts, read_top, sort_nearly_sorted
from graphrec.retrieval.cowatch_source import candidates_of
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import SEEN_CODES, allowed_or_all, eligible_items

_MOST_HALF_LIVES = 256
"""Counts grow by 2 to this before they are scaled down, so that sums stay far from overflow."""

_FEW_RISEN = 64


class TrendingSettings(BaseModel):
    """How fast use fades, and how many items are kept ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(
        1.0, ge=1e-4, le=36_500, description="Days after which an event counts half."
    )
    n_listed: int = Field(
        4096,
        ge=1,
        le=10_000_000,
        description="Highest counts kept ready; a request that hides more of them than it leaves "
        "looks through the whole catalogue.",
    )


class TrendingSource:
    """Items by decayed use, from a list that events keep up to date.

    All counts fade alike, so between events their order stays. Counts are held as of one moment and
    only grow, so no item outside the list can pass one inside without an event of its own: the list
    is exact. Scores are as of the query, or of the newest event absorbed where that is later.
    """

    absorbs = True

    def __init__(self, settings: TrendingSettings | None = None) -> None:
        """Trending by `settings`."""
        self._settings = settings or TrendingSettings()
        self._half_life_s = self._settings.half_life_days * DAY_S
        self._newest_s: int | None = None
        self._count = np.zeros(1, np.float64)
        self._listed = np.zeros(1, np.bool_)
        self._top = np.empty(0, np.int32)
        self._n_moved = 0
        # No item outside the list counts more than this.
        self._floor = 0.0
        self._start(0)

    @property
    def name(self) -> str:
        """`trending`."""
        return "trending"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then count `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._start(events.n_items)
        self.absorb(events)

    def absorb(self, events: Interactions) -> None:
        """Count `events`, in whatever order they arrive."""
        self._grow(events.n_items)
        if not len(events):
            return
        latest_s = int(events.time_s.max())
        if self._newest_s is None:
            self._scale_s = self._newest_s = latest_s
        self._newest_s = max(self._newest_s, latest_s)
        if self._newest_s - self._scale_s > _MOST_HALF_LIVES * self._half_life_s:
            self._count *= np.exp2(-(self._newest_s - self._scale_s) / self._half_life_s)
            self._scale_s = self._newest_s
            self._list_anew()
        added = events.weight * np.exp2((events.time_s - self._scale_s) / self._half_life_s)
        risen = np.empty(len(events), np.int32)
        n_risen = add_counts(events.item_row, added, self._floor, self._listed, self._count, risen)
        self._top = np.concatenate([self._top, risen[:n_risen]])
        self._n_moved += len(events)
        self._sort()
        if len(self._top) > 2 * self._settings.n_listed:
            self._cut()

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Decayed weight of every item's events."""
        return (self._factor(queries)[:, None] * self._count[: self._n_items]).astype(np.float32)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The `k` items used most, without reasons, ties to the lower row."""
        item_row = np.full((len(queries), k), NO_ROW, np.int32)
        for query in range(len(queries)):
            self._find(queries, query, eligibility, item_row[query])
        score = self._factor(queries)[:, None] * self._count[np.maximum(item_row, 0)]
        score = np.where(item_row < 0, -np.inf, score.astype(np.float32)).astype(np.float32)
        gone = ~(score > 0)
        item_row[gone], score[gone] = NO_ROW, -np.inf
        none = np.full(item_row.shape, NO_ROW, np.int32)
        return candidates_of(item_row, score, none, np.zeros(score.shape, np.float32), self.name)

    def _find(
        self, queries: Queries, query: int, eligibility: Eligibility, found: Int32[np.ndarray, " k"]
    ) -> None:
        """Write the best eligible rows of one query."""
        past = queries.history_item[queries.history(query)]
        seen = SEEN_CODES[eligibility.seen]
        if eligibility.seen == "only_again":
            rows = np.unique(past)
            rows = rows[self._count[rows] > 0]
            rows = rows[np.argsort(-self._count[rows], kind="stable")]
            read_top(rows, past, seen, allowed_or_all(eligibility), found)
            return
        n = read_top(self._top, past, seen, allowed_or_all(eligibility), found)
        if n == len(found) or self._floor == 0.0:
            return
        eligible = eligible_items(queries, query, eligibility, self._n_items)
        rows = np.flatnonzero(eligible & (self._count[: self._n_items] > 0))
        if len(rows) > len(found):
            own = self._count[rows]
            rows = rows[own >= np.partition(own, -len(found))[-len(found)]]
        rows = rows[np.argsort(-self._count[rows], kind="stable")][: len(found)]
        found[: len(rows)] = rows

    def _factor(self, queries: Queries) -> Float64[np.ndarray, " users"]:
        newest_s = self._scale_s if self._newest_s is None else self._newest_s
        at_s: Int64[np.ndarray, " users"] = np.maximum(queries.time_s, newest_s)
        return np.asarray(np.exp2((self._scale_s - at_s) / self._half_life_s), dtype=np.float64)

    def _start(self, n_items: int) -> None:
        self._scale_s = 0
        self._newest_s = None
        self._n_items = 0
        self._count = np.zeros(1, np.float64)
        self._listed = np.zeros(1, np.bool_)
        self._top = np.empty(0, np.int32)
        self._n_moved = 0
        self._floor = 0.0
        self._grow(n_items)

    def _grow(self, n_items: int) -> None:
        self._n_items = max(self._n_items, n_items)
        n_more = n_items - len(self._count)
        if n_more > 0:
            n_more += n_items // 4
            self._count = np.concatenate([self._count, np.zeros(n_more)])
            self._listed = np.concatenate([self._listed, np.zeros(n_more, np.bool_)])

    def _list_anew(self) -> None:
        """List the highest counts out of the whole catalogue."""
        self._listed[:] = self._count > 0
        self._top = np.flatnonzero(self._listed).astype(np.int32)
        self._floor = 0.0
        self._n_moved = len(self._top)
        self._sort()
        self._cut()

    def _sort(self) -> None:
        if self._n_moved > _FEW_RISEN:
            order = np.lexsort((self._top, -self._count[self._top]))
            self._top = self._top[order]
        elif self._n_moved:
            sort_nearly_sorted(self._count, self._top)
        self._n_moved = 0

    def _cut(self) -> None:
        """Keep about as many of the sorted list as are to be listed, and all or none of a tie."""
        n = self._settings.n_listed
        if len(self._top) <= n:
            return
        count = self._count[self._top]
        first = int(np.searchsorted(-count, -count[n], side="left"))
        last = int(np.searchsorted(-count, -count[n], side="right"))
        kept = last if last <= n + n // 2 else first
        self._listed[self._top[kept:]] = False
        self._floor = float(count[kept]) if kept < len(count) else 0.0
        self._top = self._top[:kept].copy()
