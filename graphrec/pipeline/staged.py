"""Retrieval and ranker as one source, trained on the log it is fitted on."""

from collections.abc import Callable
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.checks import refuse_future
from graphrec.errors import DataError, SettingsError
from graphrec.pipeline.replay import ReplaySettings, replay
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.learned import LearnedRanker
from graphrec.ranking.rank_model import RankModel
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import (
    Ageing,
    Candidates,
    CandidateSource,
    Eligibility,
    Interactions,
    Queries,
    Settling,
)

TrainModel = Callable[[RankingSet, RankingSet], RankModel]
"""Learns from earlier lists, stopping by later ones."""


class StagedSettings(BaseModel):
    """How a ranker is trained behind its sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_candidates: int = Field(
        500, ge=1, le=100_000, description="Candidates that are ranked for each query."
    )
    replayed: float = Field(
        0.25, gt=0, lt=1, description="Last share of the events that the ranker learns from."
    )
    held_out: float = Field(
        0.15, gt=0, lt=1, description="Last share of its lists, by which training stops."
    )
    refit: bool = Field(
        True,
        description="Fit the sources on all events once the ranker is trained; otherwise they have "
        "absorbed what was replayed and keep what they learnt before.",
    )
    without: tuple[str, ...] = Field(
        (), description="Features that the ranker does not read, by name; for ablations, too."
    )
    replay: ReplaySettings = Field(ReplaySettings(), description="What it learns from.")


class StagedSource:
    """A candidate source whose candidates have been ranked by a learned model.

    `fit` fits the source on the earlier part of the log, lives through the rest of it question by
    question to train the ranker on answers as they were then, and fits the source on all of it.
    """

    absorbs = True

    def __init__(
        self,
        source: CandidateSource,
        builder: FeatureBuilder,
        train: TrainModel,
        settings: StagedSettings | None = None,
        *,
        name: str = "pipeline",
    ) -> None:
        """Join the stages.

        Args:
            source: Finds candidates, such as a blend.
            builder: Builds their features.
            train: Trains the model.
            settings: How.
            name: Short name for tables.

        Raises:
            SettingsError: A feature that the ranker is not to read is none of the builder's.
        """
        self._source = source
        self._builder = builder
        self._train = train
        self._settings = settings or StagedSettings()
        self._name = name
        self._ranker: LearnedRanker | None = None
        self._n_items = 0
        _refuse_unknown_features(self._settings.without, builder.names)

    @property
    def name(self) -> str:
        """Short name shown in tables and reasons."""
        return self._name

    @property
    def retrieval(self) -> CandidateSource:
        """What finds the candidates."""
        return self._source

    @property
    def n_candidates(self) -> int:
        """Candidates that are ranked for each query."""
        return self._settings.n_candidates

    @property
    def ranker(self) -> LearnedRanker:
        """The trained ranker.

        Raises:
            DataError: Nothing was fitted.
        """
        if self._ranker is None:
            raise DataError(f"{self.name} was asked before it was fitted — fit it first")
        return self._ranker

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, train the ranker on the last part of `events`, and know all of them.

        Raises:
            LeakageError: An event is at or after `cut_s`.
            DataError: The events are too few to learn an order from.
        """
        refuse_future(events, cut_s, self.name)
        first = self._border(events)
        past, border_s = events.take(slice(0, first)), int(events.time_s[first])
        self._source.fit(past, border_s)
        self._builder.fit(past, border_s)
        lists = replay(self._source, self._builder, events, first, self._settings.replay)
        lists = lists.without_features(self._settings.without)
        early, late = lists.split_by_time(1 - self._settings.held_out)
        if not early.n_lists or not late.n_lists:
            raise DataError(
                f"{lists.n_lists} of the last {len(events) - first} events were among what the "
                f"sources of {self.name} found, which leaves {early.n_lists} to learn from and "
                f"{late.n_lists} to stop by — a ranker needs both: a longer log, more candidates, "
                f"or other shares than replayed {self._settings.replayed:g} and held_out "
                f"{self._settings.held_out:g}"
            )
        model = self._train(early, late)
        self._ranker = LearnedRanker(self._builder, model)
        if self._settings.refit:
            self._source.fit(events, cut_s)
        self._n_items = events.n_items

    def absorb(self, events: Interactions) -> None:
        """Let the source and the features learn from events that arrived since."""
        self._source.absorb(events)
        self._builder.absorb(events)
        self._n_items = max(self._n_items, events.n_items)

    def advance(self, now_s: int) -> None:
        """Let time pass for the source, where it ages."""
        if isinstance(self._source, Ageing):
            self._source.advance(now_s)

    def settle(self) -> None:
        """Bring the source up to date, so that questions change nothing."""
        if isinstance(self._source, Settling):
            self._source.settle()

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items of each query, by the ranker."""
        n = max(k, self._settings.n_candidates)
        ranked = self.ranker.rank(queries, self._source.retrieve(queries, n, eligibility))
        return ranked.first(k)

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Score every item: candidates by the ranker, and below all of them the rest as retrieved.

        The rest lie in [0, 1), candidates from 1 up. Of a blend, each source is asked for its list
        once, and what none of them brought scores 0.
        """
        found, rest = self._with_rest(queries)
        ranked = self.ranker.rank(queries, found)
        lowest = rest.min(axis=1, keepdims=True, initial=np.inf)
        rest = rest - lowest
        score: Float32[np.ndarray, "users items"]
        score = rest / (1 + rest.max(axis=1, keepdims=True, initial=0))
        row, place = np.nonzero(ranked.item_row != NO_ROW)
        own = ranked.score[row, place].astype(np.float64)
        worst = np.full(len(score), np.inf)
        np.minimum.at(worst, row, own)
        score[row, ranked.item_row[row, place]] = 1 + own - worst[row]
        return score

    def _with_rest(self, queries: Queries) -> tuple[Candidates, Float32[np.ndarray, "users items"]]:
        """The candidates, and every item's score as retrieved."""
        n, eligibility = self._settings.n_candidates, Eligibility(self._settings.replay.seen)
        if not isinstance(self._source, BlendedSource):
            return self._source.retrieve(queries, n, eligibility), self._source.score(queries)
        found, brought = self._source.retrieve_whole(queries, n, eligibility)
        rest = np.zeros((len(queries), self._n_items), np.float32)
        row, place = np.nonzero(brought.item_row != NO_ROW)
        rest[row, brought.item_row[row, place]] = brought.score[row, place]
        return found, rest

    def _border(self, events: Interactions) -> int:
        """Where the replayed span starts: at the first event of a second."""
        wanted = round((1 - self._settings.replayed) * len(events))
        border = 0
        if 0 < wanted < len(events):
            border = int(np.searchsorted(events.time_s, events.time_s[wanted]))
        if not border:
            raise DataError(
                f"{len(events)} events are too few for a ranker — {self.name} learns from the last "
                f"{self._settings.replayed:.0%} of them, and its sources from earlier seconds"
            )
        return border


def _refuse_unknown_features(names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
            raise SettingsError(
                f"staged.without: no feature {name!r} — there are {len(known)}, such as "
                f"{', '.join(near)}"
            )
