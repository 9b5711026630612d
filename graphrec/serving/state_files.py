"""A live state on disk: written whole or not at all, and read back only where it is whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from graphrec.errors import SnapshotError
from graphrec.object_graph import FlatObject, flatten, rebuild
from graphrec.serving.state import LiveState
from graphrec.snapshot import Snapshot, read_snapshot, write_snapshot

_FORMAT: Final = 1
_NODES: Final = "nodes"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a state was learnt from.

    Attributes:
        model: Name of the bundle whose pipeline it is.
        log_id: The log whose entries it knows; None: of none yet.
        seq: Every entry of that log up to this number is known.
        made_of: What the bundle was made of, for people and to tell it from another.
    """

    model: str
    log_id: str | None
    seq: int
    made_of: str = ""


@dataclass(frozen=True, slots=True)
class WrittenState:
    """A state as it will be written: what happens to the state later does not change it."""

    origin: Origin
    flat: FlatObject
    cut_s: int
    counts: dict[str, int]


def write_down(state: LiveState, origin: Origin) -> WrittenState:
    """Take down a state that nobody changes meanwhile; takes about as long as copying it.

    Raises:
        DataError: Its pipeline holds something that cannot be kept.
    """
    dataset = state.pipeline.dataset
    counts = {f"{node}s": len(ids) for node, ids in dataset.ids.items()}
    counts["seq"] = state.seq
    return WrittenState(origin, flatten(state), state.pipeline.cut_s, counts)


def write_state(written: WrittenState, folder: Path) -> None:
    """Write a state; an older one in `folder` is replaced.

    Raises:
        SnapshotError: `folder` is something else, or cannot be written.
    """
    flat, origin = written.flat, written.origin
    nodes = np.frombuffer(json.dumps(flat.nodes, separators=(",", ":")).encode(), np.uint8)
    settings = {
        "live_state": _FORMAT,
        "code": flat.code,
        "model": origin.model,
        "log_id": origin.log_id,
        "seq": origin.seq,
        "made_of": origin.made_of,
    }
    arrays = {**flat.arrays, _NODES: nodes}
    write_snapshot(Snapshot(arrays, flat.tables, settings, written.cut_s, written.counts), folder)


def read_state(folder: Path) -> tuple[LiveState, Origin]:
    """Read a state.

    Raises:
        SnapshotError: It is damaged, of other code, or a snapshot of something else.
    """
    snapshot = read_snapshot(folder)
    settings, arrays = snapshot.settings, dict(snapshot.arrays)
    if settings.get("live_state") != _FORMAT or _NODES not in arrays:
        raise SnapshotError(f"{folder} is a snapshot, but of no live state of format {_FORMAT}")
    try:
        nodes = json.loads(arrays.pop(_NODES).tobytes())
        origin = Origin(settings["model"], settings["log_id"], settings["seq"], settings["made_of"])
        state = rebuild(FlatObject(nodes, arrays, snapshot.tables, settings["code"]))
    except (ValueError, KeyError, SnapshotError) as error:
        raise SnapshotError(f"{folder} cannot be used — {error}") from error
    if not isinstance(state, LiveState):
        raise SnapshotError(f"{folder} holds a {type(state).__name__} — no live state")
    return state, origin
