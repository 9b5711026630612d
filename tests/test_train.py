"""`graphrec train` trains on a CPU, says so, and refuses what it cannot do in one line."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphrec import cli, terminal

EXPERIMENT = """
name: small
data: {world: {name: small world, n_events: 1500, days: 20}}
evaluate: [{protocol: stream}]
methods:
  - method: tgn
    network: {dim: 16, hidden: 16, heads: 2, window: 8, tokens: 4}
    training: {epochs: 1, batch_size: 128}
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(EXPERIMENT)
    return path


def run(capsys, *words):
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.split())


def test_a_network_is_trained_and_shown(capsys, monkeypatch, experiment):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run(capsys, "train", experiment, "--device", "cpu", "--seeds", 2)
    assert code == 0
    line = "tgn, stream, strict, seed 1: epoch 1 loss "
    assert line in err
    assert "events/s" in err
    assert "━" not in err
    assert "\x1b" not in err
    assert "stream, strict" in out
    assert "±" in out
    folder = experiment.with_suffix("")
    assert len(json.loads((folder / "training.json").read_text())["runs"]) == 2


class Screen(io.StringIO):
    """Standard error as a person sees it."""

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_bar_holds_the_run_and_all_its_figures_at_any_width(monkeypatch, columns):
    screen = Screen()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    figures = "epoch 2 loss 5.1234 mrr 0.1456 ndcg@10 0.1345 [x] 123,456 events/s 10.4 GB"
    with terminal.progress("training", None) as bar:
        terminal.follow_figures(bar)("tgn, stream, strict, seed 0", 2, 4, figures)
        bar.refresh()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    words = " ".join(shown.split())
    assert "tgn, stream, strict, seed 0" in words
    assert "2/4" in words
    assert figures in words


def test_training_without_a_gpu_is_announced_and_cuda_refused(capsys, monkeypatch, experiment):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = run(capsys, "train", experiment, "--out", experiment.parent / "out")
    assert code == 0
    assert "no GPU found" in err
    code, _, err = run(capsys, "train", experiment, "--device", "cuda")
    assert code == 2
    assert "PyTorch finds no GPU" in err


def test_curves_that_cannot_be_written_are_refused_before_anything_is(
    capsys, monkeypatch, experiment
):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    words = ("train", experiment, "--device", "cpu")
    code, _, err = run(capsys, *words, "--tensorboard")
    assert code == 2
    assert "graphrec[tensorboard]" in err
    assert not experiment.with_suffix("").exists()
    code, _, err = run(capsys, *words)
    assert code == 0
    assert "tensorboard" not in err.lower()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden: 16", "hidden: 15", "multiples of heads"),
        ("epochs: 1", "epochs: 0", "training.epochs"),
        ("dim: 16", "dims: 16", "network.dims"),
        ("method: tgn", "method: walk", "walk"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_written(
    capsys, experiment, old, new, message
):
    experiment.write_text(EXPERIMENT.replace(old, new))
    code, _, err = run(capsys, "train", experiment, "--device", "cpu")
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not experiment.with_suffix("").exists()


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_torch_the_extra_is_named(capsys, monkeypatch, experiment, command):
    with_torch = tuple(
        f"graphrec.{name}"
        for name in (
            "tgn",
            "experiment.temporal",
            "experiment.trained",
            "experiment.training_tasks",
        )
    )
    for name in [name for name in sys.modules if name.startswith(with_torch)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = run(capsys, command, experiment)
    assert code == 2
    assert "graphrec[tgn]" in err


def test_the_walk_recommender_and_the_commands_never_import_torch():
    words = "import sys, graphrec.cli, graphrec.experiment.opening; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
