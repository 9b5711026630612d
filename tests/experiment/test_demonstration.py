"""The demo measures a small temporal network beside the others, and does without where it must."""

import sys
from pathlib import Path

import pytest

from graphrec import cli
from graphrec.experiment.demonstration import demo_experiment
from graphrec.experiment.method_settings import TemporalNetworkMethod

HINT = "pip install 'graphrec[tgn]'"


@pytest.fixture
def demo(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def demo(*words):
        code = cli.main(["demo", "--events", "1000", *words])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return demo


def rows(out):
    """First cells of the tables that `demo` prints."""
    return [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]


def test_the_network_has_its_row_in_every_table(demo):
    out = demo()
    assert rows(out).count("tgn") == rows(out).count("walk") == 4
    assert HINT not in out


def test_without_torch_the_others_are_measured_and_one_line_says_what_is_missing(demo, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    out = demo()
    assert "tgn" not in rows(out)
    assert rows(out).count("walk") == 4
    assert [line for line in out.splitlines() if HINT in line] == [
        "the temporal network's row is missing: pip install 'graphrec[tgn]' adds it, on a CPU, too"
    ]


def test_the_network_is_trained_where_it_is_fitted_so_that_it_is_asked_as_the_others_are():
    network = [
        method
        for method in demo_experiment(Path("world")).methods
        if isinstance(method, TemporalNetworkMethod)
    ]
    assert [method.weights for method in network] == [None]
