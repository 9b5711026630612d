"""Vectors by id, and what is nearest."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from graphrec import cli
from graphrec.errors import SettingsError, UnknownIdError
from graphrec.experiment.running import load_data
from graphrec.experiment.temporal import train_experiment
from graphrec.experiment.vectors import NodeVectors
from graphrec.experiment.worlds import simulate_world
from tests.experiment.test_temporal import NETWORK, TRAINING, an_experiment

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A log on disk, and weights with and without publishers and keywords."""
    folder = tmp_path_factory.mktemp("vectors")
    settings = an_experiment(training=TRAINING | {"epochs": 1})
    simulate_world(settings.data.world, folder / "log")
    data = {"path": folder / "log"}
    weights = []
    for content in (True, False):
        method = {"method": "tgn", "network": NETWORK, "content": content}
        method["training"] = TRAINING | {"epochs": 1}
        changed = settings.model_validate(
            settings.model_dump() | {"data": data, "methods": [method]}
        )
        runs = train_experiment(changed, folder / str(content), device=CPU)
        weights.append(runs[0].weights)
    return load_data(changed.data), folder / "log", *weights


def test_vectors_are_written_by_id_and_come_back(trained, tmp_path):
    dataset, _, weights, _ = trained
    vectors = NodeVectors(dataset, weights)
    written = vectors.write(tmp_path / "out")
    assert written["items.parquet"] == dataset.n_items
    assert set(written) == {f"{kind}s.parquet" for kind in ("user", "item", "publisher", "keyword")}
    table = pl.read_parquet(tmp_path / "out" / "keywords.parquet")
    assert table["keyword_id"].to_list() == dataset.ids["keyword"].keys.to_list()
    np.testing.assert_array_equal(table["vector"].to_numpy(), vectors.of("keyword"))
    np.testing.assert_allclose(np.linalg.norm(vectors.of("item"), axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("to", ["user", "item", "publisher", "keyword"])
@pytest.mark.parametrize("kind", ["user", "item", "publisher", "keyword"])
def test_nearest_have_the_highest_dot_products_without_the_node_itself(trained, kind, to):
    dataset, _, weights, _ = trained
    vectors = NodeVectors(dataset, weights)
    key = dataset.ids[kind].key(2)
    expected = {
        dataset.ids[to].key(row): float(vectors.of(to)[row] @ vectors.of(kind)[2])
        for row in range(len(dataset.ids[to]))
        if kind != to or row != 2
    }
    found = vectors.nearest(kind, key, to, 4)
    assert [score for _, score in found] == pytest.approx(
        sorted(expected.values(), reverse=True)[:4], rel=1e-5
    )
    assert all(score == pytest.approx(expected[key], rel=1e-4) for key, score in found)


def test_a_network_without_names_has_no_vectors_of_them(trained, tmp_path):
    dataset, _, _, weights = trained
    vectors = NodeVectors(dataset, weights)
    with pytest.raises(SettingsError, match="no keyword vectors"):
        vectors.of("keyword")
    assert set(vectors.write(tmp_path / "out")) == {"users.parquet", "items.parquet"}


def test_an_unknown_id_is_named(trained):
    dataset, _, weights, _ = trained
    with pytest.raises(UnknownIdError, match="nobody"):
        NodeVectors(dataset, weights).nearest("publisher", "nobody", "item", 3)


def test_the_commands_show_and_write_them(trained, tmp_path, capsys):
    dataset, log, weights, _ = trained
    keyword = str(dataset.ids["keyword"].key(0))
    words = ["--data", str(log), "--weights", str(weights)]
    asked = ["--type", "keyword", "--id", keyword, "--to", "publisher", "-k", "2"]
    assert cli.main(["similar", *words, *asked]) == 0
    assert "Publishers nearest to keyword" in capsys.readouterr().out
    assert cli.main(["similar", *words, *asked, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert cli.main(["embed", *words, "--out", str(tmp_path / "out")]) == 0
    assert "keywords.parquet" in capsys.readouterr().out
    assert cli.main(["similar", *words]) == 2
    assert "--weights needs --id" in capsys.readouterr().err
    assert cli.main(["similar", "--data", str(log), "--id", "x"]) == 2
    assert "name an item by --item" in capsys.readouterr().err
