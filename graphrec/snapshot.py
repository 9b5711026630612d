"""One immutable bundle of arrays and tables on disk, written whole or not at all.

A snapshot is a folder with `manifest.json` (format version, settings, cut, counts, and the sha256
of every other file), arrays as `.npy` and tables as `.parquet`. Nothing in it is pickled.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Shaped

from graphrec.errors import SnapshotError

FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds.

    Attributes:
        arrays: NumPy arrays by name.
        tables: Polars tables by name.
        settings: Settings of what was saved, JSON values only.
        cut_s: Everything in it was learnt from events before this time, UTC seconds.
        counts: Sizes by name, for people and for checks.
    """

    arrays: Mapping[str, Shaped[np.ndarray, " ..."]]
    tables: Mapping[str, pl.DataFrame]
    settings: Mapping[str, Any]
    cut_s: int
    counts: Mapping[str, int]


def write_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Write `snapshot` beside `folder`, then put it in its place in one step.

    A reader sees the old snapshot or the new one, never a mixture; after a crash the folder holds
    the old one or, between two renames, none.

    Args:
        snapshot: What to keep.
        folder: Where; an existing snapshot there is replaced.

    Raises:
        SnapshotError: `folder` exists and is not a snapshot, or cannot be written.
    """
    if folder.exists() and not is_snapshot(folder):
        raise SnapshotError(f"{folder} exists and is not a snapshot — refusing to replace it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise SnapshotError(f"cannot write a snapshot at {folder} — {error}") from error
    try:
        _fill(fresh, snapshot)
        _put_in_place(fresh, folder)
    except OSError as error:
        raise SnapshotError(f"cannot write a snapshot at {folder} — {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read_snapshot(folder: Path) -> Snapshot:
    """Read a snapshot whose every file is whole.

    Args:
        folder: A folder that `write_snapshot` wrote.

    Raises:
        SnapshotError: It is no snapshot, of another format version, or a file is missing, damaged
            or unexpected; the message names the file.
    """
    manifest = _read_manifest(folder)
    arrays: dict[str, Shaped[np.ndarray, " ..."]] = {}
    tables: dict[str, pl.DataFrame] = {}
    for name, digest in manifest["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise SnapshotError(f"snapshot file {path} is missing")
        if file_sha256(path) != digest:
            raise SnapshotError(f"snapshot file {path} is damaged — its sha256 does not match")
        if path.suffix == ".npy":
            arrays[path.stem] = np.load(path, allow_pickle=False)
        else:
            tables[path.stem] = pl.read_parquet(path)
    return Snapshot(
        arrays, tables, manifest["settings"], int(manifest["cut_s"]), manifest["counts"]
    )


def is_snapshot(folder: Path) -> bool:
    """Whether `folder` holds a manifest."""
    return (folder / MANIFEST).is_file()


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(folder: Path, snapshot: Snapshot) -> None:
    # Synced one by one: what is dirty all at once holds up whoever else syncs to the disk, such as
    # a log that acknowledges events.
    for name, array in snapshot.arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
        _sync(folder / f"{name}.npy")
    for name, table in snapshot.tables.items():
        table.write_parquet(folder / f"{name}.parquet")
        _sync(folder / f"{name}.parquet")
    manifest = {
        "format_version": FORMAT_VERSION,
        "cut_s": snapshot.cut_s,
        "counts": dict(snapshot.counts),
        "settings": dict(snapshot.settings),
        "sha256": {path.name: file_sha256(path) for path in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    _sync(folder / MANIFEST)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _put_in_place(fresh: Path, folder: Path) -> None:
    fresh.chmod(0o755)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old)
    else:
        fresh.rename(folder)
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise SnapshotError(f"{folder} is not a snapshot — it has no {MANIFEST}")
    try:
        manifest = json.loads(path.read_text())
        version = manifest["format_version"]
        complete = {"sha256", "settings", "cut_s", "counts"} <= manifest.keys()
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"snapshot file {path} is damaged — not a manifest") from error
    if version != FORMAT_VERSION:
        raise SnapshotError(
            f"snapshot {folder} has format version {version} — this graphrec reads {FORMAT_VERSION}"
        )
    if not complete:
        raise SnapshotError(f"snapshot file {path} is damaged — an entry is missing")
    unsafe = [name for name in manifest["sha256"] if Path(name).name != name]
    if unsafe:
        raise SnapshotError(f"snapshot file {path} names {unsafe[0]!r} — outside its folder")
    return dict(manifest)
