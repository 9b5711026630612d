"""Retrieval and ranker as one source: what it trains on, and what it must not see."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError, LeakageError, SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.guard import check_blind_to, plant_future_event
from graphrec.evaluation.stream import StreamSettings, evaluate_stream
from graphrec.pipeline.staged import StagedSettings, StagedSource
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.rank_model import RankModel
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource, Quota
from graphrec.retrieval.last_items import LastItemsSource
from graphrec.retrieval.popular import PopularSource
from graphrec.stages import Eligibility, Interactions
from tests.contracts.sources import END_S, N_ITEMS, a_log, all_queries, staged_source
from tests.worlds import watched


class Additive:
    """Scores by the sum of all features: nothing is learnt."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.feature_names = names

    def score(self, features: np.ndarray) -> np.ndarray:
        return np.nan_to_num(features).sum(axis=1).astype(np.float32)

    def contributions(self, features: np.ndarray) -> np.ndarray:
        return np.nan_to_num(features)


class Trainer:
    """Keeps what a ranker was to be trained on."""

    def __init__(self) -> None:
        self.seen: list[tuple[RankingSet, RankingSet]] = []

    def __call__(self, early: RankingSet, late: RankingSet) -> RankModel:
        self.seen.append((early, late))
        return Additive(early.feature_names)


class Counted(PopularSource):
    """Popular items, and how often they were fitted on how much."""

    def __init__(self) -> None:
        super().__init__()
        self.fits: list[int] = []
        self.absorbed = 0
        self.n_scored = 0

    def fit(self, events: Interactions, cut_s: int) -> None:
        self.fits.append(len(events))
        before = self.absorbed
        super().fit(events, cut_s)
        self.absorbed = before

    def absorb(self, events: Interactions) -> None:
        self.absorbed += len(events)
        super().absorb(events)

    def score(self, queries):
        self.n_scored += 1
        return super().score(queries)


def staged(source, trainer=None, **settings: object) -> StagedSource:
    names = tuple(one.name for one in getattr(source, "sources", [source]))
    return StagedSource(
        source,
        FeatureBuilder(FeatureInputs(names)),
        trainer or Trainer(),
        StagedSettings(**{"replayed": 0.4, **settings}),
    )


def test_the_ranker_learns_from_the_last_part_in_order_of_time() -> None:
    log, trainer = a_log(1), Trainer()
    staged(PopularSource(), trainer, held_out=0.25).fit(log, END_S)
    ((early, late),) = trainer.seen
    border_s = log.time_s[round(0.6 * len(log))]
    assert early.time_s.min() >= border_s
    assert early.time_s.max() <= late.time_s.min()
    assert late.n_lists == pytest.approx(0.25 * (early.n_lists + late.n_lists), abs=1)


@pytest.mark.parametrize("refit", [True, False])
def test_a_refit_knows_all_events_and_no_refit_has_absorbed_them(refit: bool) -> None:
    log, source = a_log(1), Counted()
    staged(source, refit=refit).fit(log, END_S)
    first = source.fits[0]
    assert source.absorbed == len(log) - first
    assert source.fits == ([first, len(log)] if refit else [first])


def test_a_span_never_starts_inside_a_second() -> None:
    log, source = a_log(1), Counted()
    staged(source).fit(log, END_S)
    first = source.fits[0]
    assert log.time_s[first - 1] < log.time_s[first]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_events_are_refused(n: int) -> None:
    with pytest.raises(DataError, match="too few for a ranker"):
        staged(PopularSource()).fit(a_log(1).take(slice(0, n)), END_S)


def test_a_log_of_one_second_is_refused() -> None:
    log = a_log(1)
    with pytest.raises(DataError, match="its sources from earlier seconds"):
        staged(PopularSource()).fit(replace(log, time_s=np.full_like(log.time_s, 7)), 8)


def test_a_log_whose_last_part_no_source_foresaw_is_refused() -> None:
    log = watched([(second, 0, second) for second in range(10)])
    with pytest.raises(DataError, match="0 of the last 4 events were among what"):
        staged(PopularSource()).fit(log, 10)


def test_a_feature_that_is_none_is_refused_before_anything_is_learnt() -> None:
    with pytest.raises(SettingsError, match=r"no feature 'item\.totl' — .* item\.total"):
        staged(PopularSource(), without=("item.totl",))


def test_it_is_asked_only_after_a_fit() -> None:
    with pytest.raises(DataError, match="before it was fitted"):
        staged(PopularSource()).retrieve(all_queries(a_log(1)), 3, Eligibility())


def test_a_log_from_the_future_is_refused() -> None:
    log = a_log(1)
    with pytest.raises(LeakageError, match="cut"):
        staged(PopularSource()).fit(log, int(log.time_s[-1]))


@pytest.mark.parametrize("n_candidates", [3, 8, 500])
def test_scores_keep_candidates_above_the_rest_and_finite(n_candidates: int) -> None:
    log = a_log(1)
    source = staged(BlendedSource([PopularSource(), LastItemsSource()]), n_candidates=n_candidates)
    source.fit(log, END_S)
    queries = all_queries(log)
    score = source.score(queries)
    found = source.retrieve(queries, n_candidates, Eligibility("allow"))
    assert np.isfinite(score).all()
    for query, row in enumerate(found.item_row):
        real = row[row >= 0]
        rest = np.setdiff1d(np.arange(N_ITEMS), real)
        assert (score[query, real] >= 1).all()
        assert (score[query, rest] < 1).all()
        assert (np.diff(score[query, real]) <= 0).all()


@pytest.mark.parametrize("n_candidates", [3, 500])
@pytest.mark.parametrize("quota", [Quota(), Quota(n=5), Quota(min_share=0.4)])
def test_a_blend_asked_once_scores_as_if_asked_for_every_item(
    monkeypatch: pytest.MonkeyPatch, n_candidates: int, quota: Quota
) -> None:
    log, counted = a_log(1), Counted()
    source = staged(
        BlendedSource([counted, LastItemsSource()], [quota, quota]), n_candidates=n_candidates
    )
    source.fit(log, END_S)
    queries = all_queries(log)
    counted.n_scored = 0
    once = source.score(queries)
    # The list of popular items is read off its scores.
    assert counted.n_scored == 1
    monkeypatch.setattr(
        source,
        "_with_rest",
        lambda asked: (
            source.retrieval.retrieve(asked, n_candidates, Eligibility("allow")),
            source.retrieval.score(asked),
        ),
    )
    np.testing.assert_array_equal(source.score(queries), once)
    assert counted.n_scored == 3


def test_a_source_that_fails_under_evaluation_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = a_log(1)
    source = staged(BlendedSource([PopularSource(), LastItemsSource()]))
    source.fit(log, END_S)
    monkeypatch.setattr(LastItemsSource, "retrieve", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        source.score(all_queries(log))


@pytest.mark.parametrize("regime", ["strict", "batch"])
def test_a_planted_future_event_changes_nothing_before_it(regime: str) -> None:
    log = a_log(1)
    at_s = int(log.time_s[-12])
    cuts = Cuts(int(log.time_s[100]), int(log.time_s[115]), END_S)
    settings = StreamSettings(regime=regime, batch_size=4)
    planted = plant_future_event(log, at_s, 2, 5)
    without, with_it = (
        evaluate_stream([staged_source()], events, cuts, settings)[0] for events in (log, planted)
    )
    check_blind_to(at_s, without, with_it)


def test_first_places_cut_every_column() -> None:
    log = a_log(1)
    source = staged_source()
    source.fit(log, END_S)
    found = source.retrieve(all_queries(log), 6, Eligibility())
    cut = found.first(2)
    np.testing.assert_array_equal(cut.item_row, found.item_row[:, :2])
    assert cut.evidence is not None
    assert cut.evidence.place.shape[1] == cut.score.shape[1] == cut.source.shape[1] == 2
