"""What was asked and how each source answered: the records that every figure is computed from."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int32, Int64

from graphrec.errors import DataError

SPLITS: Final = ("validation", "test")
"""Names of the values of `Questions.split`."""

SLICES: Final = ("new_user", "new_item", "repeat", "other", "unseen_user", "unseen_item")
"""Rows of `Questions.slices`.

The first three say what was known when the query was asked: nothing of the user, nothing of the
item, or this very pair; `other` is none of them. An `unseen` user or item has no event in what the
source was fitted on, though it may have been absorbed since.
"""


@dataclass(frozen=True, slots=True)
class Questions:
    """What every source was asked, and what came true.

    Attributes:
        protocol: `stream`, `time_split` or `last_out`.
        regime: How fresh the known events were, or which items count, such as `strict`.
        split: Index into `SPLITS`.
        user_row: Who asked.
        time_s: When the event happened, or the cut where one cut serves all, UTC seconds.
        relevant_ptr: What came true for query i is `[relevant_ptr[i], relevant_ptr[i + 1])`, one
            item or more.
        relevant_item: Item rows that came true, ascending within a query.
        slices: Which slices each relevant item is in, a row for each of `SLICES`.
        history_popularity: Mean training popularity of the items in the user's history, events;
            NaN without a history.
        popularity: Events of each item in what the sources were fitted on first.
    """

    protocol: str
    regime: str
    split: Int8[np.ndarray, " queries"]
    user_row: Int32[np.ndarray, " queries"]
    time_s: Int64[np.ndarray, " queries"]
    relevant_ptr: Int64[np.ndarray, " queries+1"]
    relevant_item: Int32[np.ndarray, " relevant"]
    slices: Bool[np.ndarray, "slices relevant"]
    history_popularity: Float64[np.ndarray, " queries"]
    popularity: Int64[np.ndarray, " items"]

    def __len__(self) -> int:
        return len(self.user_row)

    @property
    def label(self) -> str:
        """Protocol and regime, as quoted with every figure."""
        return f"{self.protocol}, {self.regime}"

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.popularity)

    def in_slice(self, name: str) -> Bool[np.ndarray, " queries"]:
        """Whether anything that came true for a query is in the slice.

        Raises:
            DataError: There is no slice of that name.
        """
        if name not in SLICES:
            raise DataError(f"unknown slice {name!r} — one of {', '.join(SLICES)}")
        return _count(self.slices[SLICES.index(name)], self.relevant_ptr) > 0


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall-clock time one source took, seconds.

    Attributes:
        fit: Learning from the training events.
        score: Scoring all queries, without ranking.
        absorb: Absorbing the events in between.
    """

    fit: float
    score: float
    absorb: float


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """How one source answered.

    Attributes:
        source: Name of the source.
        questions: What it was asked; the same object for all sources of one run.
        rank: Tie-averaged rank of each relevant item, >= 1.
        n_candidates: How many items were ranked for each query.
        top_item: The first `k` items recommended to each query, -1 behind the last.
        seconds: What it took.
    """

    source: str
    questions: Questions
    rank: Float64[np.ndarray, " relevant"]
    n_candidates: Int32[np.ndarray, " queries"]
    top_item: Int32[np.ndarray, "queries k"]
    seconds: Seconds

    def of_split(self, name: str) -> "EvaluationResult":
        """The queries of one split.

        Raises:
            DataError: There is no split of that name.
        """
        if name not in SPLITS:
            raise DataError(f"unknown split {name!r} — one of {', '.join(SPLITS)}")
        kept = self.questions.split == SPLITS.index(name)
        return self._only(kept, np.repeat(kept, np.diff(self.questions.relevant_ptr)))

    def of_slice(self, name: str) -> "EvaluationResult":
        """The relevant items in one slice, each at the rank it had; queries with none are left out.

        Raises:
            DataError: There is no slice of that name.
        """
        return self._only(self.questions.in_slice(name), self.questions.slices[SLICES.index(name)])

    def _only(
        self, queries: Bool[np.ndarray, " queries"], relevant: Bool[np.ndarray, " relevant"]
    ) -> "EvaluationResult":
        asked = self.questions
        n_relevant = _count(relevant, asked.relevant_ptr)
        return replace(
            self,
            questions=replace(
                asked,
                split=asked.split[queries],
                user_row=asked.user_row[queries],
                time_s=asked.time_s[queries],
                relevant_ptr=np.concatenate([[0], np.cumsum(n_relevant[queries])]).astype(np.int64),
                relevant_item=asked.relevant_item[relevant],
                slices=asked.slices[:, relevant],
                history_popularity=asked.history_popularity[queries],
            ),
            rank=self.rank[relevant],
            n_candidates=self.n_candidates[queries],
            top_item=self.top_item[queries],
        )


def slices_of(
    new_user: Bool[np.ndarray, " relevant"],
    new_item: Bool[np.ndarray, " relevant"],
    repeat: Bool[np.ndarray, " relevant"],
    unseen_user: Bool[np.ndarray, " relevant"],
    unseen_item: Bool[np.ndarray, " relevant"],
) -> Bool[np.ndarray, "slices relevant"]:
    """The rows of `Questions.slices`, in the order of `SLICES`."""
    other = ~(new_user | new_item | repeat)
    return np.stack([new_user, new_item, repeat, other, unseen_user, unseen_item])


def _count(
    mask: Bool[np.ndarray, " relevant"], ptr: Int64[np.ndarray, " borders"]
) -> Int64[np.ndarray, " queries"]:
    return np.diff(np.concatenate([[0], np.cumsum(mask)])[ptr])
