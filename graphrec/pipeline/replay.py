"""What a ranker learns from: a span of the log lived through again, asked before it is absorbed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.events.history import HistoryIndex
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.training_set import RankingSet
from graphrec.stages import (
    Candidates,
    CandidateSource,
    Eligibility,
    Evidence,
    Interactions,
    Queries,
    SeenPolicy,
)

OUTCOME = "engagement"
_ASKED_AT_ONCE = 64


class ReplaySettings(BaseModel):
    """Which questions of the past a ranker learns from, and against what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_candidates: int = Field(
        200, ge=2, le=100_000, description="Candidates retrieved for each question."
    )
    n_lists: int = Field(
        30_000, ge=1, le=100_000_000, description="Questions at most, drawn evenly from the span."
    )
    n_top: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Best retrieved candidates that each list holds; null: all. A ranker that "
        "never met the worse ones puts them too high.",
    )
    n_drawn: int = Field(
        0, ge=0, le=100_000, description="Further candidates drawn from what was retrieved."
    )
    seen: SeenPolicy = Field("allow", description="What happens to items of the history.")
    stale_batch: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="0: every earlier second is known; otherwise what is known is refreshed every "
        "so many events.",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of all draws.")


@dataclass(frozen=True, slots=True)
class _Part:
    """Lists of some queries, before they are joined."""

    features: Float32[np.ndarray, "pairs features"]
    length: Int64[np.ndarray, " lists"]
    time_s: Int64[np.ndarray, " lists"]
    user_row: Int32[np.ndarray, " lists"]
    item_row: Int32[np.ndarray, " pairs"]
    outcome: Float32[np.ndarray, " pairs"]


def replay(
    source: CandidateSource,
    builder: FeatureBuilder,
    events: Interactions,
    first: int,
    settings: ReplaySettings,
) -> RankingSet:
    """Ask what each event of a span was, as of then, and let it be absorbed.

    A question whose item was not retrieved makes no list: a ranker cannot help it.

    Args:
        source: Fitted on the events before `first`; it absorbs the span.
        builder: The same.
        events: The log, sorted by time.
        first: Where the span starts; the event before it lies in an earlier second.
        settings: Which questions, and how many candidates.

    Returns:
        Lists whose outcome `engagement` is 1 for what happened and 0 for the others.
    """
    rng = np.random.default_rng(settings.seed)
    n_span = len(events) - first
    asked = np.zeros(n_span, bool)
    n_lists = min(settings.n_lists, n_span)
    asked[rng.permutation(n_span)[:n_lists]] = True
    index = HistoryIndex(events)
    parts = []
    for begin, end in _blocks(events, first, settings.stale_batch):
        chosen = begin + np.flatnonzero(asked[begin - first : end - first])
        for at in range(0, len(chosen), _ASKED_AT_ONCE):
            position = chosen[at : at + _ASKED_AT_ONCE]
            queries = index.queries(
                events.user_row[position],
                np.full(len(position), events.time_s[begin]),
                np.full(len(position), begin),
            )
            target = events.item_row[position]
            parts.append(_ask(source, builder, queries, target, settings, rng))
        block = events.take(slice(begin, end))
        source.absorb(block)
        builder.absorb(block)
    return _joined(parts, builder)


def _blocks(events: Interactions, first: int, stale_batch: int) -> Iterator[tuple[int, int]]:
    if stale_batch:
        borders = np.arange(first, len(events), stale_batch)
    else:
        is_first = np.diff(events.time_s[first:], prepend=events.time_s[first : first + 1] - 1) > 0
        borders = first + np.flatnonzero(is_first)
    yield from zip(borders.tolist(), [*borders[1:].tolist(), len(events)], strict=True)


def _ask(
    source: CandidateSource,
    builder: FeatureBuilder,
    queries: Queries,
    target: Int32[np.ndarray, " users"],
    settings: ReplaySettings,
    rng: np.random.Generator,
) -> _Part:
    found = source.retrieve(queries, settings.n_candidates, Eligibility(settings.seen))
    is_target = found.item_row == target[:, None]
    kept = _kept(is_target, found.item_row != NO_ROW, settings, rng)
    features = builder.build(queries, found)[kept]
    row, place = np.nonzero(kept)
    # By item: boosted trees break ties by the order of rows, which must tell nothing.
    order = np.lexsort((found.item_row[row, place], row))
    return _Part(
        features[order],
        kept.sum(axis=1),
        queries.time_s,
        queries.user_row,
        found.item_row[kept][order],
        is_target[kept][order].astype(np.float32),
    )


def _kept(
    is_target: Bool[np.ndarray, "users k"],
    is_real: Bool[np.ndarray, "users k"],
    settings: ReplaySettings,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "users k"]:
    """The target, the top, and some of the rest; nothing where the target was not found."""
    kept = is_target.copy()
    kept[:, : settings.n_top] = True
    rest = is_real & ~kept
    draw = np.where(rest, rng.random(rest.shape), np.inf)
    n_drawn = min(settings.n_drawn, draw.shape[1])
    if n_drawn:
        threshold = np.partition(draw, n_drawn - 1, axis=1)[:, n_drawn - 1 : n_drawn]
        kept |= rest & (draw <= threshold)
    kept &= is_real & is_target.any(axis=1, keepdims=True)
    return kept


def _joined(parts: list[_Part], builder: FeatureBuilder) -> RankingSet:
    names = builder.names
    length = np.concatenate([np.empty(0, np.int64), *(part.length for part in parts)])
    has_any = length > 0
    outcome = np.concatenate([np.empty(0, np.float32), *(part.outcome for part in parts)])
    no_place = np.full(len(outcome), NO_ROW, np.int32)
    return RankingSet(
        names,
        np.concatenate([np.empty((0, len(names)), np.float32), *(p.features for p in parts)]),
        np.concatenate([[0], np.cumsum(length[has_any])]).astype(np.int64),
        np.concatenate([np.empty(0, np.int64), *(p.time_s for p in parts)])[has_any],
        np.concatenate([np.empty(0, np.int32), *(p.user_row for p in parts)])[has_any],
        np.concatenate([np.empty(0, np.int32), *(p.item_row for p in parts)]),
        no_place,
        (OUTCOME,),
        outcome[:, None],
        np.ones(len(outcome), np.float32),
    )


def with_evidence_of(found: Candidates, item_row: Int32[np.ndarray, "users places"]) -> Candidates:
    """Other items of the same queries, with what the sources said of those that they brought.

    Args:
        found: What was retrieved, with evidence.
        item_row: The items, such as a list as it was shown; -1 is padding.
    """
    evidence = found.evidence
    if evidence is None:
        place = np.where(found.item_row == NO_ROW, -1, np.arange(found.item_row.shape[1]))
        evidence = Evidence(found.score[..., None], place.astype(np.int32)[..., None])
    shape = (*item_row.shape, len(found.source_names))
    score, place = np.full(shape, np.nan, np.float32), np.full(shape, -1, np.int32)
    own = np.full(item_row.shape, -np.inf, np.float32)
    for query in range(len(item_row)):
        order = np.argsort(found.item_row[query], kind="stable")
        ordered = found.item_row[query][order]
        at = np.searchsorted(ordered, item_row[query]).clip(max=max(len(ordered) - 1, 0))
        if not len(ordered):
            continue
        there = (ordered[at] == item_row[query]) & (item_row[query] != NO_ROW)
        row = order[at[there]]
        score[query, there], place[query, there] = (
            evidence.score[query, row],
            evidence.place[query, row],
        )
        own[query, there] = found.score[query, row]
    return replace(
        found,
        item_row=item_row,
        score=own,
        source=np.where(item_row == NO_ROW, -1, 0).astype(np.int8),
        reason_item=np.full(item_row.shape, NO_ROW, np.int32),
        reason_share=np.zeros(item_row.shape, np.float32),
        evidence=Evidence(score, place),
    )
