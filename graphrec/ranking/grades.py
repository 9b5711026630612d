"""Whole-numbered grades of outcomes, and the lists that a ranker can learn an order from."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.ranking.training_set import RankingSet

GainRule = Literal["exponential", "linear"]


@dataclass(frozen=True, slots=True)
class Grading:
    """How real outcomes become grades: 0 below the first edge, one more from each edge on.

    Attributes:
        edges: Where the grade rises, ascending, in units of the outcome.
    """

    edges: tuple[float, ...]

    @classmethod
    def of_outcome(cls, outcome: Float32[np.ndarray, " pairs"], n_grades: int) -> "Grading":
        """Choose edges by what the outcome looks like, NaN aside.

        Whole numbers that span fewer than `n_grades` keep their distances (ratings 1 to 5 become 0
        to 4). Else, up to `n_grades` different values become a grade each. Else the lowest value is
        grade 0, and the rest is cut into `n_grades - 1` groups of about equally many rows.

        Raises:
            DataError: No outcome is known.
        """
        known = outcome[~np.isnan(outcome)].astype(np.float64)
        if not len(known):
            raise DataError("no outcome is known — there is nothing to grade")
        values = np.unique(known)
        if (values == np.round(values)).all() and values[-1] - values[0] < n_grades:
            return cls(tuple((np.arange(values[0], values[-1]) + 0.5).tolist()))
        if len(values) <= n_grades:
            return cls(tuple(((values[1:] + values[:-1]) / 2).tolist()))
        above = np.sort(known[known > values[0]])
        first = (np.arange(n_grades - 1) * len(above)) // (n_grades - 1)
        return cls(tuple(np.unique(above[first]).tolist()))

    @property
    def n_grades(self) -> int:
        """Grades there are."""
        return len(self.edges) + 1

    def grades(self, outcome: Float32[np.ndarray, " pairs"]) -> Int32[np.ndarray, " pairs"]:
        """Grade of each known outcome, in `[0, n_grades)`."""
        return np.searchsorted(self.edges, outcome, side="right").astype(np.int32)

    def gains(self, rule: GainRule) -> Float64[np.ndarray, " grades"]:
        """What each grade is worth: 2^grade - 1, or the grade itself."""
        grade = np.arange(self.n_grades, dtype=np.float64)
        return 2.0**grade - 1.0 if rule == "exponential" else grade


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Pairs whose outcome is known, list after list, lists without any left out.

    Attributes:
        row: Where they stand in the `RankingSet`, ascending.
        list_ptr: List i holds the rows `row[list_ptr[i]:list_ptr[i + 1]]`, at least one.
    """

    row: Int64[np.ndarray, " known"]
    list_ptr: Int64[np.ndarray, " borders"]

    @classmethod
    def of_outcome(
        cls, lists: RankingSet, outcome: Float32[np.ndarray, " pairs"], *, differing: bool
    ) -> "KnownRows":
        """Pairs with a known outcome and a weight above 0.

        Args:
            lists: The lists.
            outcome: An outcome of each pair, or its grade; NaN where unknown.
            differing: Keep only lists in which two outcomes differ.
        """
        known = ~np.isnan(outcome) & (lists.weight > 0)
        list_of = np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
        if differing:
            low = np.full(lists.n_lists, np.inf, np.float32)
            high = np.full(lists.n_lists, -np.inf, np.float32)
            np.minimum.at(low, list_of[known], outcome[known])
            np.maximum.at(high, list_of[known], outcome[known])
            known &= (low < high)[list_of]
        row = np.flatnonzero(known)
        length = np.bincount(list_of[row], minlength=lists.n_lists)
        return cls(row, np.concatenate([[0], np.cumsum(length[length > 0])]).astype(np.int64))

    @property
    def lengths(self) -> Int64[np.ndarray, " lists"]:
        """Known pairs of each list."""
        return np.diff(self.list_ptr)
