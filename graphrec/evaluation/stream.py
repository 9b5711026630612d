"""The stream protocol: predict the next events, then absorb them, to the end of the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.evaluation.asking import (
    AnswerSheet,
    Progress,
    chunks,
    first_positions,
    pair_key,
    popularity_of,
)
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.guard import GuardedSource
from graphrec.evaluation.ranks import ItemLists
from graphrec.evaluation.results import EvaluationResult, Questions, slices_of
from graphrec.events.history import HistoryIndex
from graphrec.stages import CandidateSource, Interactions

PROGRESS_EVERY: Final = 512


class StreamSettings(BaseModel):
    """How the stream is evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regime: Literal["strict", "batch"] = Field(
        "strict",
        description="strict: every earlier event is known. batch: what is known is refreshed after "
        "each batch, counted from the start of validation and again from the start of the test.",
    )
    batch_size: int = Field(200, ge=1, description="Events in a batch; only for `batch`.")
    seen: Literal["allow", "hide"] = Field(
        "allow", description="hide: items in the user's history are no candidates."
    )
    same_second: Literal["exclude", "keep"] = Field(
        "exclude",
        description="exclude: other items the user has at the same second are no candidates.",
    )
    top_k: int = Field(20, ge=0, le=1000, description="Recommended items noted for each query.")

    @property
    def regime_name(self) -> str:
        """`strict`, or `batch-200` and the like; `unseen` behind it where seen items are hidden."""
        name = self.regime if self.regime == "strict" else f"batch-{self.batch_size}"
        return name if self.seen == "allow" else f"{name}, unseen"


def evaluate_stream(
    sources: Sequence[CandidateSource],
    events: Interactions,
    cuts: Cuts,
    settings: StreamSettings,
    *,
    available_from_s: Int64[np.ndarray, " items"] | None = None,
    progress: Progress | None = None,
) -> list[EvaluationResult]:
    """Ask each source for every event after the first cut, letting it absorb what has happened.

    Each source is fitted on the events before `cuts.validation_s`. Then the log is read in blocks:
    events of one second (`strict`), or batches (`batch`). A block is scored with what was known
    before it, then absorbed. In `strict` a query's `time_s` is the event's own; in `batch` it is
    the time of the batch's first event, for all of the batch.

    A source with an attribute `absorbs = False` promises that its scores depend on what it was
    fitted on and on the query alone; its blocks are scored together and `absorb` is never called.

    Args:
        sources: Who is asked; each is fitted afresh and left as the last event made it.
        events: The whole log, sorted by time.
        cuts: Where validation, the test and the end are.
        settings: Regime and candidates.
        available_from_s: When each item came into the catalogue, UTC seconds; None means that all
            were always there. An item that came true is always a candidate.
        progress: Told how far each source is, and before it is fitted.

    Returns:
        One result per source, over the same questions.

    Raises:
        LeakageError: A source was handed, or admits to have learnt, an event from its future.
        DataError: A source scores NaN or not one column per item.

    Source:
        Huang et al. 2023, arXiv:2307.01026: `batch` with 200 events, all items as negatives.
    """
    plan = stream_plan(events, cuts, settings)
    results = []
    for source in sources:
        guarded = GuardedSource(source, ties_known=settings.regime == "batch")
        sheet = AnswerSheet(
            guarded, plan.questions, top_k=settings.top_k, available_from_s=available_from_s
        )
        if progress:
            progress(source.name, 0, len(plan.questions))
        sheet.fit(events.take(slice(0, plan.start)), cuts.validation_s)
        _read_stream(guarded, sheet, plan, hide_seen=settings.seen == "hide", progress=progress)
        results.append(sheet.result())
    return results


def stream_questions(events: Interactions, cuts: Cuts, settings: StreamSettings) -> Questions:
    """What `evaluate_stream` asks: validation, then test, an event each, in the log's order."""
    return stream_plan(events, cuts, settings).questions


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The evaluated events, cut into blocks.

    Attributes:
        events: The whole log.
        start: Log position of the first evaluated event.
        block_ptr: Block b holds the evaluated events `[block_ptr[b], block_ptr[b + 1])`.
        known_until: Only events at log positions before this one are known to each query.
        cut_s: The time each query is asked as of, UTC seconds.
        same_second: Items of the same user at the same second, where there are several.
        index: Histories.
        questions: What is asked, one event a query.
    """

    events: Interactions
    start: int
    block_ptr: Int64[np.ndarray, " borders"]
    known_until: Int64[np.ndarray, " queries"]
    cut_s: Int64[np.ndarray, " queries"]
    same_second: ItemLists
    index: HistoryIndex
    questions: Questions

    def blocks(self, *, merged: bool) -> Iterator[tuple[int, int]]:
        """First and last query, exclusive, of each block; all of them in one when `merged`."""
        if merged:
            yield 0, len(self.questions)
            return
        borders = self.block_ptr.tolist()
        yield from pairwise(borders)


def _read_stream(
    source: GuardedSource,
    sheet: AnswerSheet,
    plan: StreamPlan,
    *,
    hide_seen: bool,
    progress: Progress | None,
) -> None:
    users, n_queries = plan.questions.user_row, len(plan.questions)
    for number, (first, last) in enumerate(plan.blocks(merged=not source.absorbs)):
        for begin, end in chunks(first, last, plan.questions.n_items):
            queries = plan.index.queries(
                users[begin:end], plan.cut_s[begin:end], plan.known_until[begin:end]
            )
            excluded = plan.same_second.part(begin, end)
            if hide_seen:
                seen = ItemLists.of_pointers(queries.history_ptr, queries.history_item)
                excluded = seen.joined(excluded) if (excluded.stop > excluded.start).any() else seen
            sheet.ask(begin, queries, excluded)
            if progress and not source.absorbs:
                progress(source.name, end, n_queries)
        if source.absorbs:
            sheet.absorb(plan.events.take(slice(plan.start + first, plan.start + last)))
            if progress and number % PROGRESS_EVERY == 0:
                progress(source.name, last, n_queries)
    if progress:
        progress(source.name, n_queries, n_queries)


def stream_plan(events: Interactions, cuts: Cuts, settings: StreamSettings) -> StreamPlan:
    """What is asked, in which blocks, and what is known to each question."""
    start, test, end = cuts.positions(events)
    position = np.arange(start, end)
    if settings.regime == "strict":
        is_first = np.diff(events.time_s[start:end], prepend=events.time_s[start] - 1) > 0
    else:
        since_split = np.where(position < test, position - start, position - test)
        is_first = since_split % settings.batch_size == 0
    block_start = np.flatnonzero(is_first)
    block_ptr = np.append(block_start, len(position)).astype(np.int64)
    known_until = np.repeat(block_start + start, np.diff(block_ptr)).astype(np.int64)
    index = HistoryIndex(events)
    evaluated = events.take(slice(start, end))
    popularity = popularity_of(events.take(slice(0, start)))
    return StreamPlan(
        events,
        start,
        block_ptr,
        known_until,
        events.time_s[known_until],
        same_second_lists(evaluated)
        if settings.same_second == "exclude"
        else ItemLists.empty(len(evaluated)),
        index,
        Questions(
            "stream",
            settings.regime_name,
            (position >= test).astype(np.int8),
            evaluated.user_row,
            evaluated.time_s,
            np.arange(len(evaluated) + 1, dtype=np.int64),
            evaluated.item_row,
            _slices(events, start, end, known_until),
            index.history_means(popularity.astype(np.float64), evaluated.user_row, known_until),
            popularity,
        ),
    )


def _slices(
    events: Interactions, start: int, end: int, known_until: Int64[np.ndarray, " queries"]
) -> Bool[np.ndarray, "slices queries"]:
    user = first_positions(events.user_row)[start:end]
    item = first_positions(events.item_row)[start:end]
    pair = first_positions(pair_key(events))[start:end]
    return slices_of(
        new_user=user >= known_until,
        new_item=item >= known_until,
        repeat=pair < known_until,
        unseen_user=user >= start,
        unseen_item=item >= start,
    )


def same_second_lists(events: Interactions) -> ItemLists:
    """For each event, the items of its user at its second, its own among them.

    An event that is alone has an empty list; a group of events shares one list.
    """
    order = np.lexsort([events.user_row, events.time_s])
    time_s, user = events.time_s[order], events.user_row[order]
    starts_group = np.ones(len(order), bool)
    starts_group[1:] = (np.diff(time_s) != 0) | (np.diff(user) != 0)
    border = np.append(np.flatnonzero(starts_group), len(order)).astype(np.int64)
    size = np.diff(border)
    start = np.empty(len(order), np.int64)
    stop = np.empty(len(order), np.int64)
    start[order] = np.repeat(border[:-1], size)
    stop[order] = np.repeat(np.where(size > 1, border[1:], border[:-1]), size)
    return ItemLists(start, stop, events.item_row[order])
