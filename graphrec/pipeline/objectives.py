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
from jaxtyping import Float64, Int32, Int64

from graphrec.arrays import DAY_S, NEVER_S, NO_ROW
from graphrec.errors import DataError
from graphrec.events.catalogue import COLUMNS, Catalogue
from graphrec.pipeline.item_names import coded_names
from graphrec.slate.relevance import scale_relevance
from graphrec.stages import Candidates, Queries, Ranker

DEFAULT_WEIGHTS: Final[Mapping[str, float]] = {
    "relevance": 1.0,
    "freshness": 0.0,
    "popularity": 0.0,
    "novelty": 0.0,
}
HALF_LIFE_DAYS: Final = 7.0
_PAST_READ: Final = 50


class WeighingRanker:
    """Orders candidates by objectives that need no training, behind another ranker or none."""

    def __init__(
        self,
        ranker: Ranker | None,
        weights: Mapping[str, float],
        catalogue: Catalogue,
    ) -> None:
        """Join a ranker and weights.

        Args:
            ranker: Says what is relevant; None: the source does.
            weights: Of the objectives named in `DEFAULT_WEIGHTS`; those left out weigh nothing.
            catalogue: Names, dates and watches of items.
        """
        self._ranker = ranker
        self._weights = weights
        self._catalogue = catalogue

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
                    n_events = self._catalogue.n_events
                    known = np.where(item < len(n_events), item, 0)
                    n_watched = np.where(item < len(n_events), np.log1p(n_events[known]), 0.0)
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
        published_s = self._catalogue.published_s
        known = item < len(published_s)
        since_s = np.where(known, published_s[np.where(known, item, 0)], NEVER_S)
        age_days = np.maximum(now_s - since_s, 0) / DAY_S
        return np.where(since_s == NEVER_S, 0.0, 2.0 ** (-age_days / HALF_LIFE_DAYS))

    def _novelty(
        self, item: Int32[np.ndarray, " found"], past: Int32[np.ndarray, " seeds"]
    ) -> Float64[np.ndarray, " found"]:
        newest = past[:_PAST_READ]
        n_new, n_names = np.zeros(len(item)), np.zeros(len(item))
        for column in COLUMNS:
            ptr, name = coded_names(self._catalogue, column, np.concatenate([newest, item]))
            start = ptr[len(newest)]
            own, count = name[start:], np.diff(ptr[len(newest) :])
            is_new = ~np.isin(own, name[:start])
            bearer = np.repeat(np.arange(len(item)), count)
            n_names += count
            n_new += np.bincount(bearer, is_new, minlength=len(item))
        return n_new / np.maximum(n_names, 1)
