"""Side events of an experiment: which of a log's they are, trained, kept, read back, refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphrec import cli
from graphrec.errors import SettingsError, SnapshotError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.stream import StreamSettings, evaluate_stream
from graphrec.events.log import EdgeType
from graphrec.experiment.bundles import read_bundle, write_bundle
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.reading import settings_of
from graphrec.experiment.running import events_of, load_data
from graphrec.experiment.settings import ExperimentSettings
from graphrec.experiment.side_log import side_log_of
from graphrec.experiment.sources import build_source
from graphrec.experiment.temporal import train_experiment
from graphrec.experiment.trained import read_weights
from graphrec.experiment.vectors import NodeVectors
from graphrec.experiment.worlds import simulate_world
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.settings import CoWatchSettings
from graphrec.tgn.settings import NetworkSettings
from tests.experiment.test_temporal import NETWORK, TRAINING, an_experiment

CPU = torch.device("cpu")
TOLD = NETWORK | {"side_events": 4, "context_hours": 24}
SETTINGS = NetworkSettings.model_validate(TOLD)


@pytest.fixture(scope="module")
def dataset():
    return load_data(an_experiment().data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A log on disk, the experiment, and its run with side events and contexts."""
    folder = tmp_path_factory.mktemp("side")
    simulate_world(an_experiment().data.world, folder / "log")
    values = an_experiment(network=TOLD, training=TRAINING | {"epochs": 1}).model_dump()
    values |= {"data": {"path": folder / "log"}}
    settings = ExperimentSettings.model_validate(values)
    run = train_experiment(settings, folder / "out", device=CPU)[0]
    return folder / "log", settings, run


def test_searches_reports_and_contexts_are_told_as_the_log_has_them(dataset):
    side = side_log_of(dataset, SETTINGS)
    log = dataset.log
    assert [kind.name for kind in side.nodes.kinds] == ["report", "search"]
    assert side.nodes.n_contexts == log.n_nodes["context"]
    for place, kind in enumerate(side.nodes.kinds):
        theirs = log.edge_type == log.type_index(kind.name)
        mine = side.kind == place
        np.testing.assert_array_equal(side.time_s[mine], log.time_s[theirs])
        np.testing.assert_array_equal(side.user_row[mine], log.source_row[theirs])
        np.testing.assert_array_equal(side.row[mine], log.target_row[theirs])
    holds = log.edge_type == log.type_index("holds")
    assert holds.sum() > 1
    np.testing.assert_array_equal(side.context_time_s, log.time_s[holds])
    np.testing.assert_array_equal(side.context_row, log.source_row[holds])


def test_named_types_alone_are_told(dataset):
    side = side_log_of(dataset, SETTINGS, ["rate", "search"])
    assert [(kind.name, kind.target) for kind in side.nodes.kinds] == [
        ("rate", "item"),
        ("search", "keyword"),
    ]
    assert side_log_of(dataset, NetworkSettings.model_validate(NETWORK)) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("buy", "side_types buy — small world has no such edge type; it has watch"),
        ("holds", "side_types holds leads from context to context — must lead from user"),
        ("has_keyword", "side_types has_keyword leads from item to keyword"),
        ("skip", "side_events 4 — small world has no event of type skip"),
    ],
)
def test_wrong_types_are_refused_by_name(dataset, name, message):
    with pytest.raises(SettingsError, match=message):
        side_log_of(dataset, SETTINGS, [name])


def test_a_log_without_such_events_is_refused(tmp_path):
    log = "user_id,item_id,timestamp\nann,tea,1\nbob,tea,2\n"
    (tmp_path / "log.csv").write_text(log)
    plain = load_data(an_experiment().data.model_validate({"path": tmp_path / "log.csv"}))
    with pytest.raises(SettingsError, match="side_events 4 — log has no event that may be one"):
        side_log_of(plain, SETTINGS)
    contexts = SETTINGS.model_copy(update={"side_events": 0})
    with pytest.raises(SettingsError, match=r"context_hours 24.* — log has no event of role"):
        side_log_of(plain, contexts)


def test_following_a_publisher_is_a_side_event(dataset):
    log = dataset.log
    follow = EdgeType("follow", "user", "publisher", "positive")
    kinds = tuple(follow if kind.name == "search" else kind for kind in log.edge_types)
    publisher = (log.target_row % log.n_nodes["publisher"]).astype(np.int32)
    followed = replace(dataset, log=replace(log, edge_types=kinds, target_row=publisher))
    side = side_log_of(followed, SETTINGS)
    assert [(kind.name, kind.target) for kind in side.nodes.kinds] == [
        ("report", "item"),
        ("follow", "publisher"),
    ]
    theirs = log.edge_type == log.type_index("search")
    np.testing.assert_array_equal(side.row[side.kind == 1], publisher[theirs])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side_types": ["search"]}, "side_types search without network.side_events"),
        ({"weights": "here", "side_types": ["search"]}, "drop side_types"),
        ({"network": {"side_events": -1}}, "side_events: -1"),
        ({"network": {"context_hours": -1}}, "context_hours: -1"),
    ],
)
def test_wrong_settings_are_refused_by_name(changes, message):
    with pytest.raises(SettingsError, match=message):
        settings_of(TemporalNetworkMethod, {"method": "tgn"} | changes, "method")


def test_last_out_is_refused():
    with pytest.raises(ValueError, match="last_out asks as of the log's end"):
        an_experiment({"protocol": "last_out"}, network=TOLD)


def test_what_is_missing_is_told_before_anything_is_written(tmp_path):
    settings = an_experiment(network=TOLD, side_types=["buy"])
    with pytest.raises(SettingsError, match="side_types buy"):
        train_experiment(settings, tmp_path, device=CPU)
    assert not list(tmp_path.iterdir())


def test_trained_with_side_events_it_is_read_back_and_judged_alike(trained):
    _, settings, run = trained
    dataset = load_data(settings.data)
    network = read_weights(run.weights, dataset)[0]
    assert [kind.name for kind in network.side_nodes.kinds] == ["report", "search"]
    assert bool(network.side.pointer.weight.any())
    assert bool(network.contexts.join.weight.any())
    source = build_source(TemporalNetworkMethod(weights=run.weights), dataset)
    events = events_of(dataset, settings.data)
    result = evaluate_stream([source], events, Cuts.at_quantiles(events), StreamSettings())[0]
    test = result.rank[result.questions.split == 1]
    assert (1 / test).mean() == pytest.approx(run.test["mrr"], abs=1e-4)


def test_a_manifest_without_the_kinds_is_refused(trained, tmp_path):
    _, settings, run = trained
    shutil.copytree(run.weights, tmp_path / "edited")
    manifest = tmp_path / "edited" / "manifest.json"
    values = json.loads(manifest.read_text())
    del values["settings"]["side"]
    manifest.write_text(json.dumps(values))
    with pytest.raises(SnapshotError, match="side — side_events 4"):
        read_weights(tmp_path / "edited", load_data(settings.data))


def test_a_bundle_and_the_commands_carry_them(trained, tmp_path, capsys):
    folder, settings, run = trained
    dataset = load_data(settings.data)
    expected = NodeVectors(dataset, run.weights).of("user")
    graph = build_cowatch_graph(dataset.log.interactions(), CoWatchSettings())
    write_bundle(dataset, graph, tmp_path / "bundle")
    again, _ = read_bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(NodeVectors(again, run.weights).of("user"), expected)
    words = ["--data", str(folder), "--weights", str(run.weights)]
    user = str(dataset.ids["user"].key(0))
    assert cli.main(["similar", *words, "--type", "user", "--id", user, "--to", "item"]) == 0
    assert cli.main(["embed", *words, "--out", str(tmp_path / "vectors")]) == 0
    asked = ["--method", "tgn", "--set", f"weights={run.weights}", "--user", user]
    assert cli.main(["recommend", "--data", str(folder), *asked]) == 0
    assert "video-" in capsys.readouterr().out
