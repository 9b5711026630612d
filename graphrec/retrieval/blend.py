"""Several sources as one: each is asked for a quota, and their lists are merged by places."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError, SettingsError
from graphrec.kernels.merging import merge_lists
from graphrec.stages import (
    Ageing,
    Candidates,
    CandidateSource,
    DescribedItems,
    Eligibility,
    Evidence,
    Interactions,
    LearnsItems,
    Queries,
    Settling,
)

RANK_CONSTANT: Final = 60.0
_LOG = logging.getLogger(__name__)


class Quota(BaseModel):
    """What one source brings to a blend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(300, ge=1, le=100_000, description="Candidates the source is asked for.")
    weight: float = Field(
        1.0, gt=0, le=1000, description="How much a place in its list counts, unitless."
    )
    min_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the merged places kept for the top of its list, whatever others say; "
        "an item that several sources found serves each of them.",
    )


class BlendSettings(BaseModel):
    """How lists are merged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank_constant: float = Field(
        RANK_CONSTANT,
        ge=0,
        le=1e6,
        description="Added to each place, counted from 1: the larger, the less the first places "
        "stand out and the more it counts that several sources agree.",
    )


def merge_candidates(
    lists: Sequence[Candidates],
    quotas: Sequence[Quota],
    k: int,
    settings: BlendSettings | None = None,
) -> Candidates:
    """Merge ranked lists: duplicates become one candidate with every source's evidence.

    Args:
        lists: One list of one source each, for the same queries; the first `quota.n` of each count.
        quotas: Weight and guaranteed share of each source.
        k: At most this many for each query.
        settings: How lists are merged.

    Returns:
        Candidates by Σ weight / (rank_constant + place), places counted from 1. `source` is the
        one with the largest part, of equal ones the first. The reason is that source's, or the
        first that any source gives.

    Raises:
        DataError: Lists and quotas differ in number, or a list is not of one source.
        SettingsError: The guaranteed shares add up to more than 1.

    Source:
        Cormack, Clarke and Büttcher 2009, doi:10.1145/1571941.1572114; weights and guaranteed
        shares are ours.
    """
    _check(lists, quotas)
    widths = [min(one.item_row.shape[1], quota.n) for one, quota in zip(lists, quotas, strict=True)]
    side_by_side = _SideBySide(lists, widths)
    n_queries, n_sources = len(lists[0].item_row), len(lists)
    shape = (n_queries, k)
    item_row, score = np.empty(shape, np.int32), np.empty(shape, np.float32)
    source = np.empty(shape, np.int8)
    own_score = np.empty((*shape, n_sources), np.float32)
    own_place = np.empty((*shape, n_sources), np.int32)
    reason_item, reason_share = np.empty(shape, np.int32), np.empty(shape, np.float32)
    merge_lists(
        side_by_side.column("item_row"),
        side_by_side.column("score"),
        side_by_side.column("reason_item"),
        side_by_side.column("reason_share"),
        side_by_side.ptr,
        np.array([quota.weight for quota in quotas], np.float64),
        (settings or BlendSettings()).rank_constant,
        np.array([int(quota.min_share * k) for quota in quotas], np.int64),
        item_row,
        score,
        source,
        own_score,
        own_place,
        reason_item,
        reason_share,
    )
    return Candidates(
        item_row,
        score,
        source,
        tuple(one.source_names[0] for one in lists),
        reason_item,
        reason_share,
        Evidence(own_score, own_place),
        tuple(note for one in lists for note in one.notes),
    )


class BlendedSource:
    """Several sources as one, whose candidates carry what every source says of them.

    A source that raises an error while it retrieves is left out: its evidence is missing, a note
    names it and the error, and a warning with the trace is logged. Where every source fails, the
    answer is empty and says so in its notes. Errors of `fit`, `absorb` and `score` are not caught:
    a source that has learnt only part of the events would be wrong and not just missing.

    `score` is the sum that `retrieve` orders by, of every item and with nothing filtered, from
    dense scores; `retrieve` agrees with it where everything is allowed.
    """

    absorbs = True

    def __init__(
        self,
        sources: Sequence[CandidateSource],
        quotas: Sequence[Quota] | None = None,
        settings: BlendSettings | None = None,
    ) -> None:
        """Blend `sources`.

        Args:
            sources: At least one, of different names.
            quotas: One for each; None takes the defaults for all.
            settings: How lists are merged.

        Raises:
            SettingsError: There is no source, two share a name, quotas are not as many, or
                guaranteed shares add up to more than 1.
        """
        names = [source.name for source in sources]
        if not names or len(set(names)) < len(names):
            raise SettingsError(
                f"a blend of {', '.join(names) or 'nothing'} — at least one source, each name once"
            )
        self._sources = tuple(sources)
        self._quotas = tuple(quotas) if quotas is not None else (Quota(),) * len(names)
        if len(self._quotas) != len(names):
            raise SettingsError(f"{len(self._quotas)} quotas for {len(names)} sources — one each")
        _refuse_too_large_shares(self._quotas)
        self._settings = settings or BlendSettings()

    @property
    def name(self) -> str:
        """`blend`."""
        return "blend"

    @property
    def sources(self) -> tuple[CandidateSource, ...]:
        """The sources, in the order of `Candidates.source_names`."""
        return self._sources

    @property
    def quotas(self) -> tuple[Quota, ...]:
        """What each source brings, in the same order."""
        return self._quotas

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Fit every source.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        for source in self._sources:
            source.fit(events, cut_s)

    def absorb(self, events: Interactions) -> None:
        """Let every source absorb `events`."""
        for source in self._sources:
            source.absorb(events)

    def advance(self, now_s: int) -> None:
        """Let time pass for every source that ages."""
        for source in self._sources:
            if isinstance(source, Ageing):
                source.advance(now_s)

    def learn_items(self, items: DescribedItems) -> None:
        """Let the sources that read descriptions learn new ones."""
        for source in self._sources:
            if isinstance(source, LearnsItems):
                source.learn_items(items)

    def settle(self) -> None:
        """Bring every source up to date, so that questions change nothing."""
        for source in self._sources:
            if isinstance(source, Settling):
                source.settle()

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Summed weight / (rank_constant + place) of every item, 0 where it is in no list."""
        constant = self._settings.rank_constant
        parts = [
            _by_place(source.score(queries), quota, constant)
            for source, quota in zip(self._sources, self._quotas, strict=True)
        ]
        total = parts[0]
        for part in parts[1:]:
            total += part
        return total.astype(np.float32)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` of all sources' lists, with evidence; see the class for failures."""
        lists = [
            self._ask(source, quota, queries, eligibility)
            for source, quota in zip(self._sources, self._quotas, strict=True)
        ]
        return merge_candidates(lists, self._quotas, k, self._settings)

    def retrieve_whole(
        self, queries: Queries, k: int, eligibility: Eligibility
    ) -> tuple[Candidates, Candidates]:
        """The best `k` as `retrieve` gives them, and beside them all that the sources brought.

        Sources are asked once for both, and no failure is caught: whoever wants every item's score
        wants it of all sources.
        """
        lists = [
            source.retrieve(queries, quota.n, eligibility)
            for source, quota in zip(self._sources, self._quotas, strict=True)
        ]
        best = merge_candidates(lists, self._quotas, k, self._settings)
        if (best.item_row == NO_ROW).any(axis=1).all():
            return best, best
        everyone = sum(one.item_row.shape[1] for one in lists)
        return best, merge_candidates(lists, self._quotas, everyone, self._settings)

    def _ask(
        self, source: CandidateSource, quota: Quota, queries: Queries, eligibility: Eligibility
    ) -> Candidates:
        try:
            return source.retrieve(queries, quota.n, eligibility)
        except Exception as error:  # noqa: BLE001 — any failure of one source must not end a request
            note = f"{source.name} was left out: {type(error).__name__}: {error}"
            _LOG.warning(note, exc_info=True)
            return nothing_found(len(queries), source.name, note)


def nothing_found(n_queries: int, name: str, note: str) -> Candidates:
    """Candidates of a source that found none, and why."""
    rows, floats = np.empty((n_queries, 0), np.int32), np.empty((n_queries, 0), np.float32)
    return Candidates(rows, floats, rows.astype(np.int8), (name,), rows, floats, None, (note,))


@dataclass(frozen=True, slots=True)
class _SideBySide:
    lists: Sequence[Candidates]
    widths: Sequence[int]

    @property
    def ptr(self) -> Int64[np.ndarray, " borders"]:
        return np.concatenate([[0], np.cumsum(self.widths)]).astype(np.int64)

    def column(self, field: str) -> Shaped[np.ndarray, "users room"]:
        parts = [
            getattr(one, field)[:, :width]
            for one, width in zip(self.lists, self.widths, strict=True)
        ]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _by_place(
    score: Float32[np.ndarray, "users items"], quota: Quota, constant: float
) -> Float64[np.ndarray, "users items"]:
    """What a source's places are worth, for every item, to 64 bits."""
    part = np.zeros(score.shape, np.float64)
    for one, own in zip(part, score, strict=True):
        rows = np.flatnonzero(own > 0)
        best = rows[np.argsort(-own[rows], kind="stable")][: quota.n]
        one[best] = quota.weight / (constant + 1 + np.arange(len(best)))
    return part


def _check(lists: Sequence[Candidates], quotas: Sequence[Quota]) -> None:
    if not lists or len(lists) != len(quotas):
        raise DataError(f"{len(lists)} lists with {len(quotas)} quotas — at least one, one each")
    for one in lists:
        if len(one.source_names) != 1:
            raise DataError(f"a list of {', '.join(one.source_names)} — merge lists of one source")
        if len(one.item_row) != len(lists[0].item_row):
            raise DataError(
                f"lists of {len(one.item_row)} and {len(lists[0].item_row)} queries — merge lists "
                "of the same queries"
            )
    _refuse_too_large_shares(quotas)


def _refuse_too_large_shares(quotas: Sequence[Quota]) -> None:
    shares = sum(quota.min_share for quota in quotas)
    if shares > 1 + 1e-9:
        raise SettingsError(f"guaranteed shares add up to {shares:g} — at most 1")
