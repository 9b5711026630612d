"""A pipeline brings all its stages up to date, and lets time pass for those that age."""

import numpy as np
import pytest

from graphrec.events.dataset import Dataset
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.pipeline import Pipeline, Request
from graphrec.pipeline.settling import StageCare
from graphrec.retrieval.trending import TrendingSource

DAY_S = 86_400


class Stage(TrendingSource):
    """Can stand anywhere in a pipeline, and notes what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def rank(self, queries, candidates):
        raise NotImplementedError

    def arrange(self, queries, candidates, k):
        raise NotImplementedError

    def grow(self, n_items):
        self.told.append(("grow", n_items))

    def settle(self):
        self.told.append(("settle",))

    def advance(self, now_s):
        self.told.append(("advance", now_s))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate_world(WorldSettings(name="small", n_events=3000, days=30, seed=5)).dataset


def test_stages_are_told_what_they_can_do_and_others_nothing():
    able = Stage()
    care = StageCare.of([None, object(), able])
    care.settle(7)
    care.advance(50)
    assert able.told == [("grow", 7), ("settle",), ("advance", 50)]


def test_every_stage_of_a_pipeline_is_reached(dataset):
    stages = [Stage() for _ in range(4)]
    pipeline = Pipeline(dataset, *stages)
    pipeline.settle()
    pipeline.advance(pipeline.cut_s + 5)
    every = [("grow", dataset.n_items), ("settle",), ("advance", pipeline.cut_s + 5)]
    assert [stage.told for stage in stages] == [every] * 4


def asked(pipeline: Pipeline, users: np.ndarray, now_s: int) -> tuple[np.ndarray, np.ndarray]:
    slate = pipeline.recommend(pipeline.queries_of(users, now_s), Request(8))
    return slate.shown.item_row, slate.shown.score


def test_a_pipeline_that_aged_answers_as_one_that_is_fitted_then(dataset):
    method = method_named("propagate", {"graph": {"ageing": {"mode": "expected", "survival": 0.2}}})
    live = fit_pipeline(dataset, method)
    now_s = live.cut_s + 20 * DAY_S
    users = np.arange(60, dtype=np.int32)
    still = asked(live, users, now_s)
    for moment_s in range(live.cut_s, now_s + 1, DAY_S // 2):
        live.advance(moment_s)
        live.settle()
    items, scores = asked(live, users, now_s)
    then_items, then_scores = asked(fit_pipeline(dataset, method, now_s), users, now_s)
    np.testing.assert_array_equal(items, then_items)
    np.testing.assert_allclose(scores, then_scores, rtol=1e-6)
    assert not np.array_equal(scores, still[1])


def test_names_are_looked_up_without_a_change_once_ids_are_settled(dataset):
    pipeline = fit_pipeline(dataset, method_named("walk", {}))
    ids = pipeline.dataset.ids["user"]
    added = [ids.add(f"someone {n}") for n in range(3)]
    pipeline.settle()
    before = {name: id(value) for name, value in vars(ids).items()}
    assert [ids.key(row) for row in added] == [f"someone {n}" for n in range(3)]
    assert ids.keys.to_list()[-3:] == [f"someone {n}" for n in range(3)]
    assert ids.row("someone 1") == added[1]
    assert {name: id(value) for name, value in vars(ids).items()} == before
