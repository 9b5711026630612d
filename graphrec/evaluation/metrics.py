"""Accuracy of ranked lists, one value per query, from the ranks of the items that came true.

Every function takes the ranks of all queries one behind the other (`rank`, >= 1, half-way values
where scores tie) with pointers (`ptr`: query i's ranks are `rank[ptr[i]:ptr[i + 1]]`, at least
one), and a cut-off `k`: an item is found when its rank is <= k. Relevance is binary.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graphrec.errors import DataError, SettingsError

Measure = Callable[
    [Float64[np.ndarray, " relevant"], Int64[np.ndarray, " borders"], int],
    Float64[np.ndarray, " queries"],
]

WHOLE_LIST: Final = np.iinfo(np.int64).max
"""The cut-off that cuts nothing off."""


def hit_rate_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """1 where at least one relevant item is among the first `k`, else 0."""
    return (_best_rank(rank, ptr) <= k).astype(np.float64)


def recall_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """Share of a query's relevant items that are among the first `k`, in [0, 1]."""
    return _sum(rank <= k, ptr) / np.diff(ptr)


def precision_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """Share of the first `k` places that hold relevant items, in [0, 1]."""
    return _sum(rank <= k, ptr) / k


def reciprocal_rank_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """1 / rank of the best relevant item, 0 where it is behind the first `k`; its mean is MRR."""
    best = _best_rank(rank, ptr)
    return np.where(best <= k, 1.0 / best, 0.0)


def ndcg_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """Discounted gain over the best possible one, in [0, 1].

    The gain is Σ 1/log2(rank + 1) over the relevant items among the first `k`; the best possible
    one has min(n_relevant, k) of them on the first places.

    Source:
        Järvelin and Kekäläinen 2002, with binary gains. At tied scores the discount is taken at
        the mean rank, not averaged over the tied places.
    """
    gain = _sum(np.where(rank <= k, 1.0 / np.log2(rank + 1.0), 0.0), ptr)
    n_ideal = np.minimum(np.diff(ptr), k)
    ideal_gain = np.cumsum(1.0 / np.log2(np.arange(2.0, n_ideal.max() + 2.0)))
    share: Float64[np.ndarray, " queries"] = gain / ideal_gain[n_ideal - 1]
    return share


def average_precision_at(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"], k: int
) -> Float64[np.ndarray, " queries"]:
    """Mean precision at the places of the relevant items, in [0, 1]; its mean is MAP.

    The j-th best relevant item adds j / rank where its rank is <= k; the sum is divided by
    min(n_relevant, k), so a list that could not be better has 1.
    """
    query = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    ascending = rank[np.lexsort([rank, query])]
    nth = np.arange(1, len(rank) + 1) - ptr[query]
    found = _sum(np.where(ascending <= k, nth / ascending, 0.0), ptr)
    return found / np.minimum(np.diff(ptr), k)


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of accuracy at a cut-off.

    Attributes:
        name: As written in settings and tables, such as `ndcg@10` or `mrr`.
        measure: The function of this module.
        k: Cut-off; `WHOLE_LIST` where there is none.
    """

    name: str
    measure: Measure
    k: int

    @classmethod
    def of_name(cls, name: str) -> "Metric":
        """Read `mrr`, `map`, `ndcg`, `recall`, `hit_rate` or `precision`, with `@k` behind it.

        Only `mrr`, `map` and `ndcg` mean something over the whole list, without `@k`.

        Raises:
            SettingsError: There is no such metric.
        """
        parts = re.fullmatch(r"([a-z_]+)(?:@([1-9][0-9]{0,8}))?", name)
        measure = _measure(parts[1]) if parts else None
        if parts is None or measure is None or not (parts[2] or parts[1] in {"mrr", "map", "ndcg"}):
            raise SettingsError(
                f"unknown metric {name!r} — one of mrr, map, ndcg, mrr@k, map@k, ndcg@k, recall@k, "
                "hit_rate@k, precision@k, such as ndcg@10"
            )
        return cls(name, measure, int(parts[2]) if parts[2] else WHOLE_LIST)

    def values(
        self, rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"]
    ) -> Float64[np.ndarray, " queries"]:
        """The metric of each query.

        Raises:
            DataError: A query has no relevant item, or a rank is below 1 or NaN.
        """
        if len(ptr) == 1:
            return np.empty(0)
        if (np.diff(ptr) < 1).any():
            raise DataError(
                f"query {int(np.argmin(np.diff(ptr)))} has no relevant item — leave it out"
            )
        if not (rank >= 1).all():
            raise DataError(f"a rank is {rank[~(rank >= 1)][0]} — ranks are >= 1")
        return self.measure(rank, ptr, self.k)


def _measure(name: str) -> Measure | None:
    match name:
        case "mrr":
            return reciprocal_rank_at
        case "map":
            return average_precision_at
        case "ndcg":
            return ndcg_at
        case "recall":
            return recall_at
        case "hit_rate":
            return hit_rate_at
        case "precision":
            return precision_at
        case _:
            return None


def _best_rank(
    rank: Float64[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"]
) -> Float64[np.ndarray, " queries"]:
    return np.minimum.reduceat(rank, ptr[:-1])


def _sum(
    value: Float64[np.ndarray, " relevant"] | Bool[np.ndarray, " relevant"],
    ptr: Int64[np.ndarray, " borders"],
) -> Float64[np.ndarray, " queries"]:
    return np.add.reduceat(value.astype(np.float64), ptr[:-1])
