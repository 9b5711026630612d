"""What a ranker learns from pages that were shown: each place with its features as of then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.history import HistoryIndex
from graphrec.events.world.policy import ShownPages
from graphrec.pipeline.loop_outcomes import OUTCOMES, PageOutcomes
from graphrec.pipeline.replay import with_evidence_of
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.training_set import RankingSet
from graphrec.stages import CandidateSource, Eligibility, Interactions

_LONGEST_HISTORY = 64


class ShownReplaySettings(BaseModel):
    """Which of the shown pages a ranker learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float = Field(
        14.0, gt=0, le=1000, description="Last days whose pages are lived through again."
    )
    n_lists: int = Field(
        8_000, ge=10, le=10_000_000, description="Pages at most, drawn evenly from those days."
    )
    n_candidates: int = Field(
        150, ge=1, le=10_000, description="Candidates retrieved for what sources say of a page."
    )
    block_minutes: int = Field(
        180, ge=1, le=10_000, description="What others did becomes known so often."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of the draw.")


@dataclass(frozen=True, slots=True)
class KnownWatches:
    """Watches, and when each was over.

    Attributes:
        events: By start.
        known_s: When each had been watched, UTC seconds.
    """

    events: Interactions
    known_s: Int64[np.ndarray, " events"]

    def before(self, time_s: int) -> Interactions:
        """Those that were over before a time, by start."""
        return self.events.take(self.known_s < time_s)


def lists_of_pages(
    pages: ShownPages,
    outcomes: PageOutcomes,
    feature_names: tuple[str, ...],
    features: Float32[np.ndarray, "pages places features"],
) -> RankingSet:
    """Pages by time as lists, a pair for each filled place.

    Args:
        pages: The pages, by time.
        outcomes: What came of them.
        feature_names: Columns of features.
        features: What was known of each place when the page was asked for.
    """
    real = pages.item_row != NO_ROW
    ptr = np.concatenate([[0], np.cumsum(real.sum(axis=1))]).astype(np.int64)
    place = np.broadcast_to(np.arange(real.shape[1], dtype=np.int32), real.shape)
    return RankingSet(
        feature_names,
        features[real],
        ptr,
        pages.time_s,
        pages.user_row,
        pages.item_row[real],
        np.ascontiguousarray(place[real]),
        OUTCOMES,
        outcomes.value[real],
        np.ones(int(ptr[-1]), np.float32),
    )


def join_lists(parts: Sequence[RankingSet]) -> RankingSet:
    """The lists of all parts, by time.

    Args:
        parts: At least one, of the same features and outcomes.
    """
    length = np.concatenate([np.diff(part.list_ptr) for part in parts])
    time_s = np.concatenate([part.time_s for part in parts])
    order = np.argsort(time_s, kind="stable")
    start = np.cumsum(length) - length
    ptr = np.concatenate([[0], np.cumsum(length[order])]).astype(np.int64)
    pair = np.arange(ptr[-1]) + np.repeat(start[order] - ptr[:-1], length[order])
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])[pair]
        for name in ("features", "item_row", "position", "outcome", "weight")
    }
    user_row = np.concatenate([part.user_row for part in parts])[order]
    return replace(parts[0], list_ptr=ptr, time_s=time_s[order], user_row=user_row, **columns)


def drawn_pages(
    pages: ShownPages, outcomes: PageOutcomes, cut_s: int, settings: ShownReplaySettings
) -> Int64[np.ndarray, " drawn"]:
    """Which pages are lived through again, in order: of the last days, and over before `cut_s`."""
    since_s = cut_s - round(settings.days * DAY_S)
    fit = np.flatnonzero((pages.time_s >= since_s) & (outcomes.over_s < cut_s))
    if len(fit) <= settings.n_lists:
        return fit
    rng = np.random.default_rng(settings.seed)
    return np.sort(rng.choice(fit, settings.n_lists, replace=False))


def relive_pages(
    source: CandidateSource,
    builder: FeatureBuilder,
    watches: KnownWatches,
    pages: ShownPages,
    settings: ShownReplaySettings,
) -> Float32[np.ndarray, "pages places features"]:
    """The features that each place had when its page was asked for.

    Source and features are fitted to what was over before the first page's block, and absorb what
    is over as blocks of time pass. A user's own watches are known up to the page.

    Args:
        source: Says what it thinks of each place; left as of the last block.
        builder: The same.
        watches: All of them.
        pages: By time.
        settings: How many candidates, and how often what others did becomes known.
    """
    features = np.full((*pages.item_row.shape, len(builder.names)), np.nan, np.float32)
    if not len(pages):
        return features
    block_s = settings.block_minutes * 60
    block = pages.time_s // block_s
    index = HistoryIndex(watches.events)
    told_s = int(block[0]) * block_s
    known = watches.before(told_s)
    source.fit(known, told_s)
    builder.fit(known, told_s)
    borders = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1, [len(pages)]])
    for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        now_s = int(block[first]) * block_s
        over = (watches.known_s >= told_s) & (watches.known_s < now_s)
        if over.any():
            news = watches.events.take(over)
            source.absorb(news)
            builder.absorb(news)
        told_s = now_s
        features[first:last] = _ask(
            source, builder, index, _some(pages, slice(first, last)), settings.n_candidates
        )
    return features


def _ask(
    source: CandidateSource,
    builder: FeatureBuilder,
    index: HistoryIndex,
    pages: ShownPages,
    n_candidates: int,
) -> Float32[np.ndarray, "pages places features"]:
    user: Int32[np.ndarray, " pages"] = pages.user_row
    queries = index.queries(user, pages.time_s, max_history=_LONGEST_HISTORY)
    found = source.retrieve(queries, n_candidates, Eligibility("allow"))
    return builder.build(queries, with_evidence_of(found, pages.item_row))


def _some(pages: ShownPages, which: slice | Int64[np.ndarray, " some"]) -> ShownPages:
    return ShownPages(*(getattr(pages, name)[which] for name in ShownPages.__slots__))
