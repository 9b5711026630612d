"""The command that tells what the sources of a pipeline bring."""

import json

import pytest
from typer.testing import CliRunner

from graphrec.cli import app

EXPERIMENT = """
name: small
data: {world: {name: small, n_events: 3000, days: 20, seed: 5}}
evaluate: [{protocol: stream, regime: batch, batch_size: 100}]
methods:
  - {method: popular}
  - method: pipeline
    sources: [{source: {method: walk}}, {source: {method: last_items}}]
"""


def test_every_source_has_its_recall_and_their_union_is_at_least_as_good(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(EXPERIMENT)
    said = CliRunner().invoke(app, ["retrieval", str(path), "--k", "50", "--out", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "walk" in said.output
    assert "recall@50" in said.output
    result = json.loads((tmp_path / "retrieval.json").read_text())
    (pipeline,) = result["pipelines"]
    recall = {r["source"]: r["recall"] for r in pipeline["recalls"] if r["split"] == "test"}
    assert set(recall) == {"walk", "last_items", "any of them", "merged"}
    assert recall["any of them"] >= max(recall["walk"], recall["last_items"]) > 0
    assert recall["merged"] <= recall["any of them"]
    assert result["provenance"]["seed"] == 0


@pytest.mark.parametrize(
    ("without", "what"),
    [("  - method: pipeline", "0 and 1"), ("protocol: stream, regime: batch", "1 and 0")],
)
def test_an_experiment_without_a_pipeline_or_a_stream_is_refused(tmp_path, without, what):
    path = tmp_path / "small.yaml"
    text = EXPERIMENT
    if "pipeline" in without:
        text = text[: text.index(without)]
    else:
        text = text.replace(
            "protocol: stream, regime: batch, batch_size: 100", "protocol: last_out"
        )
    path.write_text(text)
    said = CliRunner().invoke(app, ["retrieval", str(path), "--out", str(tmp_path)])
    assert said.exit_code != 0
    assert what in (said.output + str(said.exception))
