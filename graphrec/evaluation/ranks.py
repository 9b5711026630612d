"""Tie-averaged ranks of the items that came true, among all candidates of each query."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.kernels.ranks import rank_rows, rank_rows_parallel

# Below this many scores, starting threads costs more than the ranking itself.
PARALLEL_FROM: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class ItemLists:
    """One list of items per query; lists may share entries, so a group's list is stored once.

    Attributes:
        start: Query i's list is `item[start[i]:stop[i]]`.
        stop: Its end, exclusive.
        item: Item rows of all lists.
    """

    start: Int64[np.ndarray, " queries"]
    stop: Int64[np.ndarray, " queries"]
    item: Int32[np.ndarray, " entries"]

    def __len__(self) -> int:
        return len(self.start)

    def part(self, first: int, last: int) -> "ItemLists":
        """The lists of queries `first` to `last`, exclusive, without a copy."""
        return ItemLists(self.start[first:last], self.stop[first:last], self.item)

    @classmethod
    def of_pointers(
        cls, ptr: Int64[np.ndarray, " borders"], item: Int32[np.ndarray, " entries"]
    ) -> "ItemLists":
        """Lists that lie one behind the other: query i's is `item[ptr[i]:ptr[i + 1]]`."""
        return cls(ptr[:-1], ptr[1:], item)

    @classmethod
    def empty(cls, n_queries: int) -> "ItemLists":
        """An empty list for each query."""
        nowhere = np.zeros(n_queries, np.int64)
        return cls(nowhere, nowhere, np.empty(0, np.int32))

    def joined(self, other: "ItemLists") -> "ItemLists":
        """Each query's list followed by its list in `other`."""
        lengths = np.stack([self.stop - self.start, other.stop - other.start], axis=1).ravel()
        begins = np.stack([self.start, other.start + len(self.item)], axis=1).ravel()
        ends = np.cumsum(lengths)
        gather = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
            begins - ends + lengths, lengths
        )
        ptr = np.concatenate([[0], ends[1::2]]).astype(np.int64)
        return ItemLists.of_pointers(ptr, np.concatenate([self.item, other.item])[gather])


@dataclass(frozen=True, slots=True)
class Availability:
    """Which items could have been recommended when a query was asked.

    Attributes:
        from_s: When each item came into the catalogue, UTC seconds.
        time_s: When each query was asked, UTC seconds; an item is a candidate from `from_s` on.
    """

    from_s: Int64[np.ndarray, " items"]
    time_s: Int64[np.ndarray, " queries"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Where the targets of each query came out, and what came out on top.

    Attributes:
        rank: Rank of each target, >= 1, in the order of the queries' target lists.
        n_candidates: How many items were ranked for each query, its targets among them.
        top_item: Best `k` candidates of each query with a positive score, best first, ties to the
            lower row, -1 behind the last.
    """

    rank: Float64[np.ndarray, " targets"]
    n_candidates: Int32[np.ndarray, " queries"]
    top_item: Int32[np.ndarray, "queries k"]


def rank_targets(
    scores: Float32[np.ndarray, "queries items"],
    targets: ItemLists,
    *,
    excluded: ItemLists | None = None,
    availability: Availability | None = None,
    k: int = 0,
    name: str = "source",
) -> Ranking:
    """Rank each query's targets among all its candidates.

    The rank of a target is 1 + ½(#higher + #higher or equal) over the candidates that are no
    targets + the targets ahead of it, those of higher score, or of equal score and earlier in the
    list. Ties with negatives so count half, and the order among tied targets, which no metric
    can tell apart, is settled. A single target has the rank of the TGB evaluator.

    Args:
        scores: Score of every item for each query, unitless, higher is better, no NaN.
        targets: Items that came true for each query, one list behind the other.
        excluded: Items that are no candidates of a query, in any order; a target stays one.
        availability: When items came into the catalogue; None means that all were always there.
        k: How many of the best candidates to keep.
        name: Whose scores they are, for messages.

    Raises:
        DataError: A score is NaN, or the lists are not one per query.

    Source:
        Huang et al. 2023, arXiv:2307.01026 (the mean of the optimistic and the pessimistic rank).
        Several targets are ours.
    """
    n_queries, n_items = scores.shape
    excluded = ItemLists.empty(n_queries) if excluded is None else excluded
    if not len(targets) == len(excluded) == n_queries:
        raise DataError(
            f"{len(targets)} target lists and {len(excluded)} lists of excluded items for "
            f"{n_queries} rows of scores — one list per row"
        )
    if availability is None:
        availability = Availability(np.empty(0, np.int64), np.empty(0, np.int64))
    n_targets = int(targets.stop[-1] - targets.start[0]) if n_queries else 0
    ranking = Ranking(
        np.empty(n_targets, np.float64),
        np.empty(n_queries, np.int32),
        np.empty((n_queries, k), np.int32),
    )
    if not n_queries:
        return ranking
    n_nan = np.empty(n_queries, np.int32)
    kernel = rank_rows_parallel if scores.size > PARALLEL_FROM and n_queries > 1 else rank_rows
    kernel(
        np.ascontiguousarray(scores),
        targets.start,
        targets.stop,
        targets.item,
        excluded.start,
        excluded.stop,
        excluded.item,
        availability.from_s,
        availability.time_s,
        ranking.rank,
        ranking.n_candidates,
        n_nan,
        ranking.top_item,
    )
    _refuse_nan(n_nan, n_items, name)
    return ranking


def _refuse_nan(n_nan: Int32[np.ndarray, " queries"], n_items: int, name: str) -> None:
    if n_nan.any():
        query = int(np.flatnonzero(n_nan)[0])
        raise DataError(
            f"{name} scored NaN for {n_nan[query]} of {n_items} items in query {query} — "
            "every item needs a number"
        )
