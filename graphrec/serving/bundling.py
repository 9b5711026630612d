"""A bundle is trained on data and on all that a log says since."""

from collections.abc import Callable
from pathlib import Path

from graphrec.events.dataset import Dataset
from graphrec.pipeline import Pipeline
from graphrec.serving.batch import dataset_of_log
from graphrec.serving.impressions import shown_in
from graphrec.serving.state import LiveState
from graphrec.serving.state_files import Origin, write_down
from graphrec.serving.state_store import StateStore
from graphrec.serving.store import EntryLog


def train_bundle(
    name: str,
    data: Dataset,
    fit: Callable[[Dataset], Pipeline],
    log: EntryLog,
    store: StateStore,
) -> tuple[Path, int]:
    """Train a pipeline on data and a log, and keep it in a store.

    A server may run on log and store meanwhile; it learns what came after when it puts the bundle
    to use.

    Args:
        name: Name of the bundle; one of that name is replaced.
        data: What the log starts from.
        fit: Trains.
        log: The log.
        store: Where it is kept.

    Returns:
        Where it was kept, and the number of the last entry that it knows.

    Raises:
        SettingsError: The name is none.
        SnapshotError: It cannot be written.
        GraphrecError: The log cannot be read, or the data teach nothing.
    """
    entries = [entry for chunk in log.chunks() for entry in chunk]
    seq = entries[-1].seq if entries else 0
    state = LiveState(fit(dataset_of_log(data, entries)), name)
    lists = [shown_in(entry.body) for entry in entries if entry.kind == "impression"]
    state.count_impressions(lists)
    state.seq = seq
    origin = Origin(name, log.log_id, seq, f"{data.name} and {len(entries)} entries")
    return store.write_bundle(write_down(state, origin)), seq
