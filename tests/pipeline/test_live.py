"""One pipeline: asked live one user at a time it answers as evaluation does in blocks."""

import numpy as np
import pytest

from graphrec.events.dataset import Dataset
from graphrec.events.history import HistoryIndex
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import build_source
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.pipeline import Pipeline, Request
from graphrec.retrieval.trending import TrendingSource
from graphrec.stages import Eligibility, Interactions

K, PER_BLOCK = 12, 6
METHOD = PipelineMethod.model_validate(
    {
        "sources": [{"source": {"method": name}} for name in ("walk", "own", "trending", "fresh")],
        "ranker": {"ranker": "lambdamart", "max_trees": 20, "n_leaves": 7, "early_stopping": 0},
        "staged": {
            "n_candidates": 60,
            "replayed": 0.2,
            "replay": {"n_candidates": 60, "n_lists": 150},
        },
    }
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate_world(WorldSettings(name="small", n_events=3000, days=30, seed=5)).dataset


def blocks_of(events: Interactions, first: int) -> list[tuple[int, int]]:
    """Whole seconds together until there are a few events."""
    starts = np.flatnonzero(np.diff(events.time_s, prepend=-1) > 0)
    starts = starts[starts >= first][::PER_BLOCK]
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(events)], strict=True))


def test_live_answers_equal_the_batch_evaluation(dataset: Dataset) -> None:
    events = dataset.log.interactions()
    first = int(np.searchsorted(events.time_s, events.time_s[round(0.9 * len(events))]))
    cut_s = int(events.time_s[first])
    batch = build_source(METHOD, dataset)
    batch.fit(events.take(slice(0, first)), cut_s)
    live = fit_pipeline(dataset, METHOD, cut_s)
    index, n_asked = HistoryIndex(events), 0
    for begin, end in blocks_of(events, first):
        users = events.user_row[begin:end]
        now = np.full(len(users), events.time_s[begin])
        found = batch.retrieve(index.queries(users, now), K, Eligibility("allow"))
        for row, user in enumerate(users):
            queries = live.queries_of(np.array([user], np.int32), int(now[row]))
            slate = live.recommend(queries, Request(K, "allow"))
            np.testing.assert_array_equal(slate.shown.item_row[0], found.item_row[row])
            np.testing.assert_allclose(slate.shown.score[0], found.score[row], rtol=0, atol=1e-6)
            np.testing.assert_array_equal(slate.shown.reason_item[0], found.reason_item[row])
            assert slate.notes == ()
            n_asked += 1
        batch.absorb(events.take(slice(begin, end)))
        for at in range(begin, end):
            live.absorb(events.take(slice(at, at + 1)))
    assert n_asked == len(events) - first > 100


def test_absorbing_moves_every_stage_and_the_clock(dataset: Dataset) -> None:
    events = dataset.log.interactions()
    cut_s = int(events.time_s[1000])
    known = events.take(events.time_s < cut_s)
    source, fallback = TrendingSource(), TrendingSource()
    for one in (source, fallback):
        one.fit(known, cut_s)
    live = Pipeline(dataset, source, fallback=fallback, cut_s=cut_s)
    later = events.take(slice(len(known), len(known) + 200))
    user = later.user_row[:1]
    before = len(live.queries_of(user).history_item)
    live.absorb(later)
    assert live.cut_s == later.time_s[-1] + 1
    assert len(live.queries_of(user).history_item) > before
    fresh = TrendingSource()
    fresh.fit(events.take(slice(0, len(known) + 200)), live.cut_s)
    queries = live.queries_of(user)
    for one in (source, fallback):
        np.testing.assert_allclose(one.score(queries), fresh.score(queries), rtol=1e-5)


def test_a_pipeline_never_starts_with_what_lies_past_its_cut(dataset: Dataset) -> None:
    events = dataset.log.interactions()
    cut_s = int(events.time_s[1000])
    source = TrendingSource()
    source.fit(events.take(events.time_s < cut_s), cut_s)
    live = Pipeline(dataset, source, cut_s=cut_s)
    late = live.queries_of(np.arange(dataset.n_users, dtype=np.int32), int(events.time_s[-1]) + 1)
    assert late.history_time_s.max() < cut_s
