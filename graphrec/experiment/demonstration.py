"""The demo: a simulated platform, three of its users, and every method measured on it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from graphrec.events.ids import Key
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.running import ExperimentRun, Progress, load_experiment, run_experiment
from graphrec.experiment.settings import DataSettings, ExperimentSettings
from graphrec.pipeline import Pipeline

EXPERIMENT_FILE: Final = Path(__file__).parent / "demo.yaml"
WITHOUT_TORCH: Final = (
    "the temporal network's row is missing: pip install 'graphrec[tgn]' adds it, on a CPU, too"
)


def three_users(pipeline: Pipeline) -> tuple[Key, Key, Key]:
    """A user with a long history, one with a typical one, and one with a single item."""
    watched = np.bincount(
        pipeline.dataset.log.interactions().user_row, minlength=pipeline.dataset.n_users
    )
    order = np.argsort(watched, kind="stable")
    order = order[watched[order] > 0]
    chosen = (order[-max(1, len(order) // 50)], order[len(order) // 2], order[0])
    keys = pipeline.dataset.ids["user"]
    long, typical, short = (keys.key(int(row)) for row in chosen)
    return long, typical, short


def demo_experiment(world: Path) -> ExperimentSettings:
    """The demo experiment on the world in `world`, its temporal network only where PyTorch is."""
    settings = load_experiment(EXPERIMENT_FILE)
    methods = tuple(
        method
        for method in settings.methods
        if has_torch() or not isinstance(method, TemporalNetworkMethod)
    )
    return settings.model_copy(update={"data": DataSettings(path=world), "methods": methods})


def measure_demo(world: Path, out: Path, progress: Progress | None = None) -> ExperimentRun:
    """Run the demo experiment on the world in `world`, and write the report to `out`."""
    return run_experiment(demo_experiment(world), out, progress)


def has_torch() -> bool:
    """Whether PyTorch is installed; it is not imported to find out."""
    return find_spec("torch") is not None
