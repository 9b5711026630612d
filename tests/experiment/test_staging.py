"""Settings of pipelines and of their sources become stages, and a file becomes a pipeline."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from graphrec.arrays import DAY_S, NEVER_S
from graphrec.errors import DataError, SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.readers import dataset_from_frame
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline, open_pipeline_file
from graphrec.experiment.running import load_experiment
from graphrec.experiment.settings import ExperimentSettings
from graphrec.experiment.sources import build_source, method_named
from graphrec.experiment.staged_settings import LambdaMARTRanker, PipelineMethod
from graphrec.experiment.staging import feature_inputs, names_of_items, train_ranker
from graphrec.experiment.temporal_parts import temporal_parts, with_weights_beside
from graphrec.experiment.worlds import simulate_world
from graphrec.pipeline import Request
from graphrec.pipeline.staged import StagedSource
from graphrec.ranking.averaged import AveragedModel
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import CandidateSource, Eligibility, Queries
from tests.ranking.ranking_sets import drawn_lists
from tests.worlds import small_dataset

WORLD = WorldSettings(name="small", n_events=2500, days=30, seed=5)
RANKER = {"ranker": "lambdamart", "max_trees": 8, "n_leaves": 4, "early_stopping": 0}
STAGED = {"n_candidates": 40, "replayed": 0.2, "replay": {"n_candidates": 40, "n_lists": 80}}


def a_pipeline(*sources: dict, **values: object) -> dict:
    parts = [{"source": source} for source in sources or ({"method": "own"}, {"method": "fresh"})]
    return {"method": "pipeline", "sources": parts, "ranker": RANKER, "staged": STAGED, **values}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate_world(WORLD).dataset


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("neighbours", "neighbours"),
        ("own", "own_items"),
        ("trending", "trending"),
        ("fresh", "fresh"),
    ],
)
def test_sparse_sources_are_methods(dataset: Dataset, method: str, name: str) -> None:
    source = build_source(method_named(method, {}), dataset)
    assert isinstance(source, CandidateSource)
    assert source.name == name
    pipeline = fit_pipeline(dataset, method_named(method, {}))
    queries = pipeline.queries_of_keys([dataset.ids["user"].key(3)])
    slate = pipeline.recommend(queries, Request(5, "allow"))
    assert len(pipeline.describe(slate, 0)) == 5


def test_settings_of_a_source_reach_it(dataset: Dataset) -> None:
    with pytest.raises(SettingsError, match="n_listed"):
        method_named("trending", {"n_listed": 0})
    short = method_named("trending", {"n_listed": 3, "half_life_days": 2})
    assert short.settings.n_listed == 3


def test_vectors_are_searched_over_a_temporal_network(dataset: Dataset) -> None:
    network = {"dim": 16, "hidden": 16, "heads": 2, "window": 8, "tokens": 4, "memory_dim": 0}
    method = method_named(
        "vectors",
        {"tgn": {"network": network, "training": {"epochs": 1, "batch_size": 256}}, "room": 7},
    )
    assert method.settings.room == 7
    pipeline = fit_pipeline(dataset, method)
    queries = pipeline.queries_of_keys([dataset.ids["user"].key(3)])
    slate = pipeline.recommend(queries, Request(5))
    assert {place.source for place in pipeline.describe(slate, 0)} == {"tgn_index"}


def test_a_pipeline_is_built_of_its_sources_in_order(dataset: Dataset) -> None:
    method = PipelineMethod.model_validate(
        a_pipeline({"method": "trending", "name": "hot"}, {"method": "own"}, name="mine")
    )
    source = build_source(method, dataset)
    assert isinstance(source, StagedSource)
    assert source.name == "mine"
    assert isinstance(source.retrieval, BlendedSource)
    assert [part.name for part in source.retrieval.sources] == ["hot", "own_items"]
    source.fit(dataset.log.interactions(), int(dataset.log.time_s[-1]) + 1)
    assert {"hot.score", "own_items.place"} <= set(source.ranker.model.feature_names)
    found = source.retrieve(
        fit_pipeline(dataset, method_named("own", {})).queries_of_keys(
            [dataset.ids["user"].key(3)]
        ),
        5,
        Eligibility("allow"),
    )
    assert found.source_names == ("hot", "own_items")


def test_two_sources_of_one_name_are_refused_and_named_apart_accepted(dataset: Dataset) -> None:
    twice = ({"method": "trending"}, {"method": "trending", "settings": {"half_life_days": 9}})
    with pytest.raises(ValueError, match="two sources called trending"):
        PipelineMethod.model_validate(a_pipeline(*twice))
    named = (twice[0], {**twice[1], "name": "slow"})
    source = build_source(PipelineMethod.model_validate(a_pipeline(*named)), dataset)
    assert [part.name for part in source.retrieval.sources] == ["trending", "slow"]


def test_features_are_made_of_what_the_log_holds(dataset: Dataset) -> None:
    inputs = feature_inputs(dataset, ("own_items",))
    assert set(names_of_items(dataset)) == {"publisher", "keyword"}
    assert inputs.source_names == ("own_items",)
    assert inputs.published_s is not None
    assert inputs.streams
    roles = {kind.name: kind.role for kind in dataset.log.edge_types}
    assert {roles[name] for name in inputs.streams} <= {"negative", "explicit"}


def test_several_rankers_are_averaged() -> None:
    lists = drawn_lists(0, n_lists=60)
    early, late = lists.split_by_time(0.8)
    ranker = LambdaMARTRanker(max_trees=4, n_leaves=4)
    one = train_ranker(early, late, ranker, ObjectiveWeights(), 1)
    three = train_ranker(early, late, ranker, ObjectiveWeights(), 3)
    assert not isinstance(one, AveragedModel)
    assert isinstance(three, AveragedModel)
    assert three.score(lists.features).std() > 0


def test_a_log_too_short_for_a_ranker_is_refused(dataset: Dataset) -> None:
    first_s = int(dataset.log.interactions().time_s[0])
    with pytest.raises(DataError, match="too few"):
        fit_pipeline(dataset, PipelineMethod.model_validate(a_pipeline()), first_s + 1)


def test_networks_are_found_wherever_they_stand() -> None:
    weights = {"method": "tgn", "weights": "w"}
    inside = a_pipeline({"method": "own"}, {"method": "vectors", "tgn": weights}, weights)
    settings = ExperimentSettings.model_validate(
        {
            "name": "all",
            "data": {"path": "log"},
            "evaluate": [{"protocol": "stream"}],
            "methods": [weights, inside],
        }
    )
    beside = [with_weights_beside(method, Path("/there")) for method in settings.methods]
    assert [part.weights for method in beside for part in temporal_parts(method)] == [
        Path("/there/w")
    ] * 3


def test_a_networks_future_is_refused_inside_a_pipeline(tmp_path: Path) -> None:
    told = {"method": "tgn", "network": {"side_events": 2}}
    file = tmp_path / "e.yaml"
    values = {
        "name": "all",
        "data": {"path": "log"},
        "evaluate": [{"protocol": "last_out"}],
        "methods": [a_pipeline(told)],
    }
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match="last_out asks as of the log's end"):
        load_experiment(file)


def test_a_file_becomes_a_pipeline_that_explains_its_slates(tmp_path: Path) -> None:
    world = tmp_path / "world"
    simulate_world(WORLD, world)
    file = tmp_path / "pipeline.yaml"
    values = {
        "pipeline": a_pipeline({"method": "walk"}, {"method": "trending"}, {"method": "fresh"}),
        "slate": {
            "diversity": "mmr",
            "similarity": {"vectors": 0, "publisher": 1},
            "exploration": {"method": "epsilon", "epsilon": 0.2},
        },
    }
    file.write_text(yaml.safe_dump(values))
    pipeline = open_pipeline_file(world, file)
    queries = pipeline.queries_of_keys([pipeline.dataset.ids["user"].key(3)])
    slate = pipeline.recommend(queries, Request(6))
    places = pipeline.describe(slate, 0, queries)
    assert len(places) == 6
    assert all(place.propensity is not None and 0 < place.propensity <= 1 for place in places)
    assert any(place.effects for place in places)
    assert any(place.found_by for place in places)
    assert {reason.kind for place in places for reason in place.reasons} <= {
        "item",
        "publisher",
        "keyword",
    }
    from graphrec.recommend import answer

    told = json.loads(json.dumps(answer(pipeline, queries, slate, "u"), allow_nan=False))
    assert told["items"][0]["effects"][0]["meaning"]
    assert {"found_by", "reasons", "propensity"} <= told["items"][0].keys()
    assert "decisions" in told


def test_an_unknown_id_in_a_file_is_refused_before_anything_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tmp_path / "world"
    simulate_world(WORLD, world)
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        yaml.safe_dump({"pipeline": a_pipeline(), "slate": {"rules": {"deny_items": ["nope"]}}})
    )
    monkeypatch.setattr(StagedSource, "fit", lambda *_: pytest.fail("it learnt first"))
    with pytest.raises(SettingsError, match="unknown item 'nope'"):
        open_pipeline_file(world, file)
    file.write_text(yaml.safe_dump({"pipeline": {"method": "pipeline"}}))
    with pytest.raises(SettingsError, match=r"pipeline\.yaml: pipeline"):
        open_pipeline_file(world, file)


def test_items_neither_dated_nor_used_are_not_new() -> None:
    rows = [(DAY_S + second, "ann", "ab"[second % 2]) for second in range(6)]
    dataset = small_dataset(rows, {"item_id": list("abcd"), "publisher": ["P"] * 4})
    assert feature_inputs(dataset, ()).published_s.tolist() == [NEVER_S] * 4
    for method in ("fresh", "recent"):
        source = build_source(method_named(method, {}), dataset)
        source.fit(dataset.log.interactions(), rows[-1][0] + 1)
        queries = fit_pipeline(dataset, method_named(method, {})).queries_of_keys(["ann"])
        found = source.retrieve(queries, 4, Eligibility("allow"))
        assert set(found.item_row[0].tolist()) == {0, 1, -1}, method


@pytest.mark.parametrize("method", ["fresh", "recent"])
def test_which_of_the_items_of_one_second_will_be_used_is_not_told(method: str) -> None:
    past = [(DAY_S * 9 + second, "ann", "a") for second in range(3)]
    items = {"item_id": list("abcd"), "publisher": ["P"] * 4, "published_s": [DAY_S * 9] * 4}
    answers = set()
    for next_item in "abcd":
        rows = [*past, (DAY_S * 9 + 50, "ann", next_item)]
        events = pl.DataFrame(rows, ["time_s", "user_id", "item_id"], orient="row")
        dataset = dataset_from_frame(events, pl.DataFrame(items))
        source = build_source(method_named(method, {}), dataset)
        log = dataset.log.interactions()
        source.fit(log.take(slice(0, 3)), DAY_S * 9 + 10)
        session = [np.array([dataset.ids["item"].row("a")], np.int32)]
        found = source.retrieve(Queries.of_sessions(session, DAY_S * 9 + 10), 3, Eligibility())
        answers.add(tuple(dataset.ids["item"].key(row) for row in found.item_row[0].tolist()))
    assert answers == {("b", "c", "d")}


def test_two_sources_of_one_name_are_refused_in_plain_words(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"pipeline": a_pipeline({"method": "own"}, {"method": "own"})}))
    with pytest.raises(SettingsError, match=r"pipeline — two sources called own — give one"):
        open_pipeline_file(tmp_path, file)


def test_a_missing_lightgbm_is_told_before_the_log_is_lived_through(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    method = PipelineMethod.model_validate({"sources": [{"source": {"method": "popular"}}]})
    dataset = generate_world(WorldSettings(name="w", n_events=1500, days=20)).dataset
    with pytest.raises(SettingsError, match="rank"):
        build_source(method, dataset)
