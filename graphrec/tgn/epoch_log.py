"""What each epoch of a training came to, on disk while it runs."""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphrec.errors import SettingsError, SnapshotError
from graphrec.tgn.training import Epoch

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS: Final = "metrics.jsonl"
BOARD: Final = "tensorboard"
NEEDS_TENSORBOARD: Final = (
    "--tensorboard needs TensorBoard — install graphrec with its extra: "
    "pip install 'graphrec[tensorboard]'"
)


def has_tensorboard(asked: bool | None) -> bool:
    """Whether curves go to TensorBoard, too.

    Args:
        asked: True: they must. False: they do not. None: they do where TensorBoard is installed.

    Raises:
        SettingsError: They must, and TensorBoard is not installed.
    """
    if asked is False:
        return False
    try:
        import_module("torch.utils.tensorboard")
    # Not ModuleNotFoundError: a folder called tensorboard, as ours, is a module without a version.
    except ImportError as error:
        if asked:
            raise SettingsError(NEEDS_TENSORBOARD) from error
        return False
    return True


class EpochLog:
    """Epochs of one run: lines of `metrics.jsonl`, which runs share, and a folder of TensorBoard.

    What is on disk is always the epochs that were given, each once, whatever a training that was
    broken off had left there.
    """

    def __init__(self, folder: Path, run: str, seed: int, *, board: bool) -> None:
        """Name a run.

        Args:
            folder: Where `metrics.jsonl` and `tensorboard/<run>` go.
            run: Its name, different from that of every other run in `folder`.
            seed: What it was started from.
            board: Whether to write for TensorBoard, which has to be installed.
        """
        self._path = folder / METRICS
        self._run, self._seed = run, seed
        self._board_folder = folder / BOARD / run if board else None
        self._board: SummaryWriter | None = None

    def start(self, epochs: Sequence[Epoch]) -> None:
        """Forget what is on disk of this run, and write the epochs it has behind it.

        Raises:
            SnapshotError: `metrics.jsonl` holds something else.
            OSError: The files cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for run, line in _lines(self._path) if run != self._run]
        fresh = self._path.with_suffix(".jsonl.part")
        fresh.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        fresh.replace(self._path)
        if self._board_folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            for old in self._board_folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._board = SummaryWriter(str(self._board_folder))
        for epoch in epochs:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch; it is on disk afterwards.

        Raises:
            OSError: The files cannot be written.
        """
        row = row_of(self._run, self._seed, epoch)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        if self._board is not None:
            for name, value in _curves(epoch).items():
                self._board.add_scalar(name, value, epoch.number)
            self._board.flush()

    def close(self) -> None:
        """Leave the files to others."""
        if self._board is not None:
            self._board.close()
            self._board = None


def forget_epochs(folder: Path) -> None:
    """Take away the lines of an earlier training into the same folder."""
    (folder / METRICS).unlink(missing_ok=True)


def row_of(run: str, seed: int, epoch: Epoch) -> dict[str, Any]:
    """An epoch as a line of `metrics.jsonl`."""
    return {
        "run": run,
        "seed": seed,
        "epoch": epoch.number,
        "loss": epoch.loss,
        "validation": epoch.figures,
        "events_per_s": epoch.events_per_s,
        "memory_gb": epoch.memory_gb,
        "seconds": epoch.seconds,
        "learning_rate": epoch.learning_rate,
    }


def _curves(epoch: Epoch) -> dict[str, float]:
    return {
        "training/loss": epoch.loss,
        "training/learning_rate": epoch.learning_rate,
        "training/events_per_s": epoch.events_per_s,
        "training/memory_gb": epoch.memory_gb,
        "training/seconds": epoch.seconds,
    } | {f"validation/{name}": value for name, value in epoch.figures.items()}


def _lines(path: Path) -> list[tuple[str, str]]:
    """Run and text of each line; what was being written when the machine went away is left out."""
    if not path.is_file():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]
    try:
        return [(str(json.loads(line)["run"]), line) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{path} holds a line that is no epoch — take the file away") from error
