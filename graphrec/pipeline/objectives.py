"""Objectives that need no training: a question may weigh candidates by more than relevance.

value = Σ weight · term, each term in [0, 1]:

| objective | term of a candidate |
|---|---|
| `relevance` | its score, from the query's least (0) to its best (1) in a straight line |
| `freshness` | 2^(-age / 7 days); age since it was published, or else first watched, >= 0 |
| `popularity` | ln(1 + watches) / ln(1 + most watches of a candidate) |
| `novelty` | 1 - the share of its publishers and keywords that the newest 50 past items bear |

What is not known of an item is 0, and so is everything's novelty where no item bears names. By
default relevance weighs 1 and the others nothing: then nothing is computed, and the answer is the
ranker's, bit for bit.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Float64, Int32, Int64

from graphrec.arrays import DAY_S, NEVER_S, NO_ROW
from graphrec.errors import DataError
from graphrec.pipeline.item_names import coded_names
from graphrec.slate.relevance import scale_relevance
from graphrec.stages import Candidates, Interactions, Queries, Ranker

DEFAULT_WEIGHTS: Final[Mapping[str, float]] = {
    "relevance": 1.0,
    "freshness": 0.0,
    "popularity": 0.0,
    "novelty": 0.0,
}
HALF_LIFE_DAYS: Final = 7.0
_PAST_READ: Final = 50


class WatchCounts:
    """How often each item was watched, and when first: kept up as events are absorbed."""

    def __init__(self) -> None:
        """Start without any watch."""
        self.n_watched: Int64[np.ndarray, " items"] = np.zeros(0, np.int64)
        self.first_s: Int64[np.ndarray, " items"] = np.zeros(0, np.int64)

    def absorb(self, events: Interactions) -> None:
        """Count events, in whatever order they arrive."""
        more = max(events.n_items - len(self.n_watched), 0)
        if more:
            self.n_watched = np.pad(self.n_watched, (0, more))
            self.first_s = np.pad(self.first_s, (0, more), constant_values=NEVER_S)
        self.n_watched += np.bincount(events.item_row, minlength=len(self.n_watched))
        np.minimum.at(self.first_s, events.item_row, events.time_s)

    def read(
        self, item_row: Int32[np.ndarray, " some"]
    ) -> tuple[Int64[np.ndarray, " some"], Int64[np.ndarray, " some"]]:
        """Watches and first watch (UTC seconds, `NEVER_S` without any) of items."""
        known = item_row < len(self.n_watched)
        at = np.where(known, item_row, 0)
        if not len(self.n_watched):
            return np.zeros(len(at), np.int64), np.full(len(at), NEVER_S, np.int64)
        return (
            np.where(known, self.n_watched[at], 0),
            np.where(known, self.first_s[at], NEVER_S),
        )


class WeighingRanker:
    """Orders candidates by objectives that need no training, behind another ranker or none."""

    def __init__(
        self,
        ranker: Ranker | None,
        weights: Mapping[str, float],
        items: pl.DataFrame,
        counts: WatchCounts,
    ) -> None:
        """Join a ranker and weights.

        Args:
            ranker: Says what is relevant; None: the source does.
            weights: Of the objectives named in `DEFAULT_WEIGHTS`; those left out weigh nothing.
            items: The items table: `publisher`, `keywords`, `published_s`, as far as it has them.
            counts: Watches of items.
        """
        self._ranker = ranker
        self._weights = weights
        self._items = items
        self._counts = counts

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same candidates by their value, best first, ties as they were ranked."""
        ranked = candidates if self._ranker is None else self._ranker.rank(queries, candidates)
        score = np.full(ranked.item_row.shape, -np.inf, np.float32)
        for query in range(len(queries)):
            real = np.flatnonzero(ranked.item_row[query] != NO_ROW)
            score[query, real] = self._value(queries, query, ranked, real)
        order: Int64[np.ndarray, "users k"] = np.argsort(-score, axis=1, kind="stable")
        moved = ranked.at_columns(order)
        return replace(moved, score=np.take_along_axis(score, order, axis=1))

    def _value(
        self,
        queries: Queries,
        query: int,
        ranked: Candidates,
        real: Int64[np.ndarray, " found"],
    ) -> Float64[np.ndarray, " found"]:
        item = ranked.item_row[query][real]
        value = np.zeros(len(item))
        for name, weight in self._weights.items():
            if not weight or not len(item):
                continue
            match name:
                case "relevance":
                    term = scale_relevance(ranked.score[query][real], "min_max")
                case "freshness":
                    term = self._freshness(item, int(queries.time_s[query]))
                case "popularity":
                    n_watched = np.log1p(self._counts.read(item)[0])
                    term = n_watched / max(n_watched.max(), 1e-12)
                case "novelty":
                    term = self._novelty(item, queries.history_item[queries.history(query)])
                case _:
                    raise DataError(f"no objective {name!r}")
            value += weight * term
        return value

    def _freshness(
        self, item: Int32[np.ndarray, " found"], now_s: int
    ) -> Float64[np.ndarray, " found"]:
        since_s = self._counts.read(item)[1]
        if "published_s" in self._items.columns:
            inside = np.flatnonzero(item < len(self._items))
            given = self._items["published_s"][item[inside]].cast(pl.Int64)
            told = given.fill_null(NEVER_S).to_numpy()
            since_s[inside] = np.where(told == NEVER_S, since_s[inside], told)
        age_days = np.maximum(now_s - since_s, 0) / DAY_S
        return np.where(since_s == NEVER_S, 0.0, 2.0 ** (-age_days / HALF_LIFE_DAYS))

    def _novelty(
        self, item: Int32[np.ndarray, " found"], past: Int32[np.ndarray, " seeds"]
    ) -> Float64[np.ndarray, " found"]:
        newest = past[:_PAST_READ]
        n_new, n_names = np.zeros(len(item)), np.zeros(len(item))
        for column in ("publisher", "keywords"):
            ptr, name = coded_names(self._items, column, np.concatenate([newest, item]))
            start = ptr[len(newest)]
            own, count = name[start:], np.diff(ptr[len(newest) :])
            is_new = ~np.isin(own, name[:start])
            bearer = np.repeat(np.arange(len(item)), count)
            n_names += count
            n_new += np.bincount(bearer, is_new, minlength=len(item))
        return n_new / np.maximum(n_names, 1)
