"""How well scores order lists that were shown, by where the clicked items come out."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.evaluation.metrics import WHOLE_LIST, ndcg_at, reciprocal_rank_at
from graphrec.evaluation.ranks import ItemLists, rank_targets
from graphrec.evaluation.ratios import Ratio
from graphrec.ranking.training_set import RankingSet

NDCG_AT: Final = 10


@dataclass(frozen=True, slots=True)
class ListFigures:
    """A figure for each list; NaN for one without a click.

    Attributes:
        ndcg: NDCG of the first ten, in [0, 1].
        reciprocal_rank: 1 / rank of the best clicked item, in (0, 1]; its mean is MRR.
    """

    ndcg: Float64[np.ndarray, " lists"]
    reciprocal_rank: Float64[np.ndarray, " lists"]


def figures_of_scores(
    score: Float32[np.ndarray, " pairs"], lists: RankingSet, outcome: str, k: int = NDCG_AT
) -> ListFigures:
    """Figures of lists ordered by `score`, ties counted half; clicked is an outcome above 0.

    Args:
        score: Of each candidate, higher is ahead.
        lists: The lists, in any order within each.
        outcome: Which outcome is the click.
        k: Places that count for NDCG.

    Raises:
        DataError: There is no such outcome, or a score is NaN.
    """
    is_clicked = lists.column(outcome) > 0
    list_of = np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
    at = np.arange(len(lists)) - lists.list_ptr[list_of]
    n_clicked = np.bincount(list_of[is_clicked], minlength=lists.n_lists)
    has_any = n_clicked > 0
    ndcg, first = np.full((2, lists.n_lists), np.nan)
    if has_any.any():
        table, padding = _table(score, list_of, at, np.diff(lists.list_ptr))
        ptr = np.concatenate([[0], np.cumsum(n_clicked)]).astype(np.int64)
        targets = ItemLists.of_pointers(ptr, at[is_clicked].astype(np.int32))
        rank = rank_targets(table, targets, excluded=padding, name="the ranker").rank
        some = np.concatenate([[0], np.cumsum(n_clicked[has_any])]).astype(np.int64)
        ndcg[has_any] = ndcg_at(rank, some, k)
        first[has_any] = reciprocal_rank_at(rank, some, WHOLE_LIST)
    return ListFigures(ndcg, first)


def click_places(lists: RankingSet, outcome: str) -> Int64[np.ndarray, " lists"]:
    """Uppermost place that was clicked in each list; -1 where none was or no place is known."""
    counts: Bool[np.ndarray, " pairs"] = (lists.column(outcome) > 0) & (lists.position >= 0)
    list_of = np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
    place = np.full(lists.n_lists, np.iinfo(np.int64).max)
    np.minimum.at(place, list_of[counts], lists.position[counts])
    return np.where(place == np.iinfo(np.int64).max, -1, place)


def inverse_examination(
    place: Int64[np.ndarray, " lists"],
    relative: Float64[np.ndarray, " places"],
    most: float,
) -> Float64[np.ndarray, " lists"]:
    """Weight of each list by the place of its click: 1 / examination, at most `most`.

    Lists so weighted stand for clicks that were not made because a place was not looked at. The
    cap leaves some of the bias, for less noise.

    Args:
        place: Place of the click; -1 has none and weighs 0. Lower places weigh like the last.
        relative: Chance that each place is looked at, relative to the first, > 0.
        most: Largest weight, >= 1.

    Raises:
        DataError: A chance is not above 0, or `most` is below 1.

    Source:
        Joachims, Swaminathan and Schnabel 2017, doi:10.1145/3018661.3018699; capped weights as in
        Ionides 2008.
    """
    if most < 1 or not (relative > 0).all():
        raise DataError(
            f"weights up to {most:g} from chances of {np.nanmin(relative):g} up — chances are "
            "above 0, and the largest weight is at least 1"
        )
    weight = np.minimum(1.0 / relative[np.clip(place, 0, len(relative) - 1)], most)
    return np.where(place >= 0, weight, 0.0)


def weighted_mean_of_users(
    value: Float64[np.ndarray, " lists"],
    weight: Float64[np.ndarray, " lists"],
    user_row: Int32[np.ndarray, " lists"],
) -> Ratio:
    """A weighted mean over lists as sums of users, for intervals and tests over users."""
    _, user = np.unique(user_row, return_inverse=True)
    given = ~np.isnan(value) & (weight > 0)
    return Ratio(
        np.bincount(user, np.where(given, value * weight, 0.0)),
        np.bincount(user, np.where(given, weight, 0.0)),
    )


def _table(
    score: Float32[np.ndarray, " pairs"],
    list_of: Int64[np.ndarray, " pairs"],
    at: Int64[np.ndarray, " pairs"],
    length: Int64[np.ndarray, " lists"],
) -> tuple[Float32[np.ndarray, "lists width"], ItemLists]:
    """Scores as a table, and which of its cells are no candidates."""
    width = int(length.max())
    table = np.zeros((len(length), width), np.float32)
    table[list_of, at] = score
    behind = np.arange(width, dtype=np.int32)
    n_behind = width - length
    row, column = np.nonzero(behind[None, :] >= length[:, None])
    ptr = np.concatenate([[0], np.cumsum(n_behind)]).astype(np.int64)
    return table, ItemLists.of_pointers(ptr, behind[column] if len(row) else behind[:0])
