"""Epochs on disk: each once, whatever a training that was broken off had left there."""

import json
import sys

import pytest

from graphrec.errors import SettingsError, SnapshotError
from graphrec.tgn.epoch_log import EpochLog, forget_epochs, has_tensorboard
from graphrec.tgn.training import Epoch


def an_epoch(number, loss=2.0):
    return Epoch(number, loss, {"mrr": 0.1 * number}, 1000.0, 0.5, 3.0, 1e-3)


def a_log(folder, run="tgn-0", *, board=False):
    return EpochLog(folder, run, 0, board=board)


def epochs_in(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [(row["run"], row["epoch"], row["loss"]) for row in map(json.loads, lines)]


def test_an_epoch_is_on_disk_as_soon_as_it_is_told(tmp_path):
    log = a_log(tmp_path / "out")
    log.start([])
    log.add(an_epoch(1))
    (line,) = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "run": "tgn-0",
        "seed": 0,
        "epoch": 1,
        "loss": 2.0,
        "validation": {"mrr": 0.1},
        "events_per_s": 1000.0,
        "memory_gb": 0.5,
        "seconds": 3.0,
        "learning_rate": 0.001,
    }


def test_a_training_that_goes_on_repeats_no_epoch_and_loses_none(tmp_path):
    other, first = a_log(tmp_path, "tgn-1"), a_log(tmp_path)
    other.start([])
    other.add(an_epoch(1, 7.0))
    first.start([])
    for number in (1, 2, 3):
        first.add(an_epoch(number))
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"run": "tgn-0", "ep')
    again = a_log(tmp_path)
    again.start([an_epoch(1), an_epoch(2)])
    again.add(an_epoch(3, 1.5))
    assert epochs_in(tmp_path) == [
        ("tgn-1", 1, 7.0),
        ("tgn-0", 1, 2.0),
        ("tgn-0", 2, 2.0),
        ("tgn-0", 3, 1.5),
    ]


def test_something_else_is_not_written_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("my notes\n")
    with pytest.raises(SnapshotError, match=r"metrics\.jsonl holds a line that is no epoch"):
        a_log(tmp_path).start([])
    assert path.read_text() == "my notes\n"


def test_a_fresh_training_forgets_the_one_before(tmp_path):
    a_log(tmp_path).start([an_epoch(1)])
    forget_epochs(tmp_path)
    forget_epochs(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_tensorboard_nothing_is_said_unless_it_is_asked_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert not has_tensorboard(None)
    assert not has_tensorboard(asked=False)
    with pytest.raises(SettingsError, match=r"pip install 'graphrec\[tensorboard\]'"):
        has_tensorboard(asked=True)


def test_a_folder_called_tensorboard_is_not_taken_for_it(monkeypatch, tmp_path):
    (tmp_path / "tensorboard").mkdir()
    for name in ("tensorboard", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert not has_tensorboard(None)


def test_curves_are_shown_by_tensorboard_each_epoch_once(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard is not installed (extra [tensorboard])",
    )
    assert has_tensorboard(asked=True)
    broken = a_log(tmp_path, board=True)
    broken.start([])
    for number in (1, 2):
        broken.add(an_epoch(number))
    broken.close()
    log = a_log(tmp_path, board=True)
    log.start([an_epoch(1)])
    log.add(an_epoch(2, 1.5))
    log.close()
    shown = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "tgn-0"))
    shown.Reload()
    assert [(e.step, e.value) for e in shown.Scalars("training/loss")] == [(1, 2.0), (2, 1.5)]
    assert [e.step for e in shown.Scalars("validation/mrr")] == [1, 2]
