"""The time-split protocol: learn up to one cut, predict what each user does after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import SettingsError
from graphrec.evaluation.asking import AnswerSheet, Progress, chunks, pair_key, popularity_of
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.guard import GuardedSource
from graphrec.evaluation.ranks import ItemLists
from graphrec.evaluation.results import EvaluationResult, Questions, slices_of
from graphrec.events.history import HistoryIndex
from graphrec.stages import CandidateSource, Interactions


class TimeSplitSettings(BaseModel):
    """How the time split is evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Literal["validation", "test"] = Field(
        "test",
        description="Which split to predict; everything before it is known and learnt from.",
    )
    target: Literal["all", "next"] = Field(
        "all", description="all: every item the user has in the split. next: the first one."
    )
    seen: Literal["allow", "hide"] = Field(
        "hide",
        description="hide: items in the user's history are no candidates and do not count.",
    )
    top_k: int = Field(20, ge=0, le=1000, description="Recommended items noted for each query.")

    @property
    def regime_name(self) -> str:
        """`all items` or `next item`; `unseen` behind it where seen items are hidden."""
        return f"{self.target} item{'s' * (self.target == 'all')}" + (
            ", unseen" if self.seen == "hide" else ""
        )


def evaluate_time_split(
    sources: Sequence[CandidateSource],
    events: Interactions,
    cuts: Cuts,
    settings: TimeSplitSettings,
    *,
    available_from_s: Int64[np.ndarray, " items"] | None = None,
    progress: Progress | None = None,
) -> list[EvaluationResult]:
    """Ask each source, as of one cut, what every user active after it will do.

    Args:
        sources: Who is asked; each is fitted afresh on the events before the cut.
        events: The whole log, sorted by time.
        cuts: Where validation, the test and the end are.
        settings: Which split, what counts, which items are candidates.
        available_from_s: When each item came into the catalogue, UTC seconds; None means that all
            were always there. An item that came true is always a candidate.
        progress: Told how far each source is.

    Returns:
        One result per source, over the same questions: a query per user, at the cut.

    Raises:
        SettingsError: No user has anything to be predicted after the cut.
        LeakageError: A source was handed, or admits to have learnt, an event from its future.
        DataError: A source scores NaN or not one column per item.

    Source:
        Meng et al. 2020, arXiv:2007.13237 (global temporal split).
    """
    validation, test, end = cuts.positions(events)
    start, stop = (validation, test) if settings.split == "validation" else (test, end)
    cut_s = cuts.validation_s if settings.split == "validation" else cuts.test_s
    index = HistoryIndex(events)
    questions = _questions(events, _Span(start, stop, cut_s), settings, index)
    known_until = np.full(len(questions), start, np.int64)
    results = []
    for source in sources:
        guarded = GuardedSource(source)
        sheet = AnswerSheet(
            guarded, questions, top_k=settings.top_k, available_from_s=available_from_s
        )
        sheet.fit(events.take(slice(0, start)), cut_s)
        for begin, last in chunks(0, len(questions), events.n_items):
            queries = index.queries(
                questions.user_row[begin:last],
                questions.time_s[begin:last],
                known_until[begin:last],
            )
            seen = ItemLists.of_pointers(queries.history_ptr, queries.history_item)
            sheet.ask(begin, queries, seen if settings.seen == "hide" else None)
            if progress:
                progress(guarded.name, last, len(questions))
        results.append(sheet.result())
    return results


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    stop: int
    cut_s: int


def _questions(
    events: Interactions, span: _Span, settings: TimeSplitSettings, index: HistoryIndex
) -> Questions:
    known = events.take(slice(0, span.start))
    known_pairs = np.unique(pair_key(known))
    ahead = _distinct_pairs(events.take(slice(span.start, span.stop)))
    repeat = np.isin(ahead, known_pairs)
    if settings.seen == "hide":
        ahead, repeat = ahead[~repeat], repeat[~repeat]
    if settings.target == "next":
        _, first = np.unique(ahead // events.n_items, return_index=True)
        ahead, repeat = ahead[np.sort(first)], repeat[np.sort(first)]
    order = np.argsort(ahead)
    ahead, repeat = ahead[order], repeat[order]
    if not len(ahead):
        raise SettingsError(
            f"no user has anything to predict after the cut at {span.cut_s} s — "
            "choose an earlier cut, or allow seen items"
        )
    relevant_user = ahead // events.n_items
    item_row = (ahead % events.n_items).astype(np.int32)
    user_row, first = np.unique(relevant_user, return_index=True)
    user_row = user_row.astype(np.int32)
    popularity = popularity_of(known)
    new_user = ~np.isin(relevant_user, known.user_row)
    new_item = popularity[item_row] == 0
    return Questions(
        "time_split",
        settings.regime_name,
        np.full(len(user_row), settings.split == "test", np.int8),
        user_row,
        np.full(len(user_row), span.cut_s, np.int64),
        np.append(first, len(ahead)).astype(np.int64),
        item_row,
        slices_of(new_user, new_item, repeat, new_user, new_item),
        index.history_means(
            popularity.astype(np.float64), user_row, np.full(len(user_row), span.start, np.int64)
        ),
        popularity,
    )


def _distinct_pairs(events: Interactions) -> Int64[np.ndarray, " pairs"]:
    """The (user, item) pairs of `events`, each once, in order of first appearance."""
    pairs = pair_key(events)
    _, first = np.unique(pairs, return_index=True)
    return pairs[np.sort(first)]
