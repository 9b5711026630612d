"""Last items again: what a user came back to before, they come back to."""

from typing import Final, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.kernels.last_items import mark_remembered, score_activation, score_recency
from graphrec.retrieval.event_timeline import STRENGTH_STEPS, DecayedSums, EventTimeline
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates, with_reasons

Mode = Literal["edgebank", "recency", "activation"]
_NO_SHARES: Final = 0


class LastItemsSettings(BaseModel):
    """How past items are ordered; the defaults were found on the validation part of tgbl-wiki."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Field(
        "activation",
        description="edgebank: past items score 1, all others 0. recency: past items by last use, "
        "all others by popularity. activation: past items by how often, how recently and out of "
        "what habit they were used, mixed with popularity.",
    )
    window_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="edgebank: remember only the newest events, over this share of the time from "
        "the first to the last event of the fit; null remembers all.",
    )
    popularity_half_life_hours: float = Field(
        24.0, gt=0, le=876_000, description="Hours after which an event counts half as popularity."
    )
    event_power: float = Field(
        0.92, ge=0, le=10, description="activation: the event in place j counts (1 + j)^-this."
    )
    time_power: float = Field(
        0.38, ge=0, le=10, description="activation: an event of some age counts (1 + age)^-this."
    )
    time_unit_s: float = Field(
        18.0, gt=0, le=1e9, description="activation: unit in which that age is measured, seconds."
    )
    habit: float = Field(
        0.17,
        ge=0,
        le=100,
        description="activation: weight of what the user did next whenever the newest item was "
        "used before.",
    )
    new_events: float = Field(
        0.5,
        ge=0,
        le=1e6,
        description="activation: popularity weighs as much as this many past events.",
    )


class LastItemsSource:
    """Items of the query's history again, in one of three ways.

    `activation` sums over past events like the base-level activation of ACT-R, forgetting by a
    power of both the event's place and its age, and adds the user's own transitions.

    Source:
        `edgebank`: Poursafaei et al. 2022, arXiv:2207.10128, as TGB runs it: the time window ends
        with the newest event known and keeps the length it had after the fit. `activation`:
        Anderson & Schooler 1991 for the form; the mixture with popularity is ours.
    """

    absorbs = True

    def __init__(self, settings: LastItemsSettings | None = None) -> None:
        """Last items by `settings`."""
        self._settings = settings or LastItemsSettings()
        self._start()

    @property
    def name(self) -> str:
        """`edgebank`, `edgebank_window`, `last_items_recency` or `last_items`."""
        match self._settings.mode:
            case "edgebank":
                unlimited = self._settings.window_share is None
                return "edgebank" if unlimited else "edgebank_window"
            case "recency":
                return "last_items_recency"
            case "activation":
                return "last_items"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then count `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._start()
        self.absorb(events)
        if len(events):
            self._fitted_s = int(events.time_s.max()) - int(events.time_s.min())

    def absorb(self, events: Interactions) -> None:
        """Count `events`, in whatever order they arrive; histories come with the queries."""
        self._popularity.refresh(self._timeline.insert(events))

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score every item as the mode says; comparable within one query.

        Returns:
            `edgebank`: 0 or 1. `recency`: below 1 for items the user never had, 1 and up for the
            others. `activation`: shares in [0, 1] that sum to at most 1.
        """
        return self._score(queries, n_shares=_NO_SHARES)[0]

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items; a past item is its own reason."""
        score, share = self._score(queries, n_shares=self._timeline.n_items)
        candidates = top_candidates(score, queries, k, eligibility, self.name)
        row = np.arange(len(queries))[:, None]
        reason_share = np.where(candidates.item_row < 0, 0, share[row, candidates.item_row])
        reason_item = np.where(reason_share > 0, candidates.item_row, -1).astype(np.int32)
        return with_reasons(candidates, reason_item, reason_share.astype(np.float32))

    def _start(self) -> None:
        self._timeline = EventTimeline()
        half_life_s = self._settings.popularity_half_life_hours * 3600
        self._popularity = DecayedSums(self._timeline, half_life_s)
        self._popularity.refresh(0)
        self._fitted_s = 0

    def _score(
        self, queries: Queries, n_shares: int
    ) -> tuple[Float32[np.ndarray, "users items"], Float32[np.ndarray, "users shares"]]:
        settings = self._settings
        refuse_unknown_items(queries, self._timeline.n_items, self.name)
        score = np.empty((len(queries), self._timeline.n_items), np.float32)
        past = (queries.history_ptr, queries.history_item, queries.history_time_s)
        if settings.mode == "edgebank":
            start_s = np.full(len(queries), -np.inf)
            if settings.window_share is not None:
                newest_s = self._timeline.newest_s(queries.time_s)
                start_s = newest_s - settings.window_share * self._fitted_s
            mark_remembered(*past, start_s, score)
            return score, score
        popularity = (
            self._timeline.time_s,
            self._timeline.item_row,
            self._timeline.strength,
            self._timeline.n_events,
            self._popularity.block,
            self._popularity.half_life_s,
            self._popularity.checkpoint,
            queries.time_s,
        )
        if settings.mode == "recency":
            score_recency(*popularity, *past, 1.0 / STRENGTH_STEPS, score)
            return score, np.minimum(np.floor(score), 1.0) if n_shares else score
        share = np.empty((len(queries), n_shares), np.float32)
        powers = (
            settings.event_power,
            settings.time_power,
            settings.time_unit_s,
            settings.habit,
        )
        score_activation(*popularity, *past, powers, settings.new_events, score, share)
        return score, share
