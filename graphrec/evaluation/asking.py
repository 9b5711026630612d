"""Put questions to a source and note down the answers: what all protocols share."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.evaluation.ranks import Availability, ItemLists, rank_targets
from graphrec.evaluation.results import EvaluationResult, Questions, Seconds
from graphrec.stages import CandidateSource, Interactions, Queries

Progress = Callable[[str, int, int], None]
"""Told a source's name, how many of its queries are answered, and how many there are."""

# 64 MiB of float32 scores at a time.
MAX_SCORES: Final = 1 << 24


class AnswerSheet:
    """The answers of one source, filled in query by query."""

    def __init__(
        self,
        source: CandidateSource,
        questions: Questions,
        *,
        top_k: int,
        available_from_s: Int64[np.ndarray, " items"] | None = None,
    ) -> None:
        """Prepare an empty sheet.

        Args:
            source: Who is asked.
            questions: What it will be asked, in this order.
            top_k: How many of the items it recommends are noted for each query.
            available_from_s: When each item came into the catalogue, UTC seconds; None means that
                all were always there.
        """
        self._source = source
        self._questions = questions
        self._available_from_s = available_from_s
        self._targets = ItemLists.of_pointers(questions.relevant_ptr, questions.relevant_item)
        self._rank = np.full(len(questions.relevant_item), np.nan)
        self._n_candidates = np.zeros(len(questions), np.int32)
        self._top_item = np.full((len(questions), top_k), NO_ROW, dtype=np.int32)
        self._stopwatch = {"fit": 0.0, "score": 0.0, "absorb": 0.0}

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Let the source learn from `events`, and time it."""
        started = time.perf_counter()
        self._source.fit(events, cut_s)
        self._stopwatch["fit"] += time.perf_counter() - started

    def absorb(self, events: Interactions) -> None:
        """Let the source absorb `events`, and time it."""
        started = time.perf_counter()
        self._source.absorb(events)
        self._stopwatch["absorb"] += time.perf_counter() - started

    def ask(self, first: int, queries: Queries, excluded: ItemLists | None = None) -> None:
        """Let the source score `queries`, and note where the relevant items came out.

        Args:
            first: Index among the questions of the first of `queries`.
            queries: The questions with the histories that are known now.
            excluded: Items that are no candidates.

        Raises:
            DataError: The scores are not one finite row per query and one column per item.
        """
        started = time.perf_counter()
        scores = self._source.score(queries)
        self._stopwatch["score"] += time.perf_counter() - started
        self._check(scores, len(queries))
        last = first + len(queries)
        asked = self._questions
        ranking = rank_targets(
            scores,
            self._targets.part(first, last),
            excluded=excluded,
            availability=None
            if self._available_from_s is None
            else Availability(self._available_from_s, asked.time_s[first:last]),
            k=self._top_item.shape[1],
            name=self._source.name,
        )
        self._rank[asked.relevant_ptr[first] : asked.relevant_ptr[last]] = ranking.rank
        self._n_candidates[first:last] = ranking.n_candidates
        self._top_item[first:last] = ranking.top_item

    def result(self) -> EvaluationResult:
        """The filled sheet."""
        return EvaluationResult(
            self._source.name,
            self._questions,
            self._rank,
            self._n_candidates,
            self._top_item,
            Seconds(**self._stopwatch),
        )

    def _check(self, scores: Float32[np.ndarray, "users items"], n_queries: int) -> None:
        expected = (n_queries, self._questions.n_items)
        if scores.shape != expected:
            raise DataError(
                f"{self._source.name} returned scores of shape {scores.shape} — "
                f"one row per query and one column per item, {expected}"
            )


def chunks(first: int, last: int, n_items: int) -> Iterator[tuple[int, int]]:
    """Cut `[first, last)` into runs whose scores fit into memory."""
    step = max(1, MAX_SCORES // max(1, n_items))
    for start in range(first, last, step):
        yield start, min(start + step, last)


def popularity_of(events: Interactions) -> Int64[np.ndarray, " items"]:
    """How many of `events` each item has."""
    return np.bincount(events.item_row, minlength=events.n_items).astype(np.int64)


def first_positions(
    key: Int32[np.ndarray, " events"] | Int64[np.ndarray, " events"],
) -> Int64[np.ndarray, " events"]:
    """For each event, the log position of the first event with the same key."""
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return np.asarray(first[group], np.int64)


def pair_key(events: Interactions) -> Int64[np.ndarray, " events"]:
    """One number for each (user, item) pair."""
    key: Int64[np.ndarray, " events"] = events.user_row * np.int64(events.n_items) + events.item_row
    return key
