"""A snapshot is read back whole, or refused by the name of the bad file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from graphrec.errors import SnapshotError
from graphrec.snapshot import MANIFEST, Snapshot, is_snapshot, read_snapshot, write_snapshot


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot(
        arrays={"ptr": np.array([0, 2, 3], np.int64), "target_row": np.array([1, 2, 0], np.int32)},
        tables={"items": pl.DataFrame({"item_id": ["a", "b"], "keywords": [["x"], []]})},
        settings={"window_hours": 24},
        cut_s=1_700_000_000,
        counts={"items": 2},
    )


def test_snapshot_reads_back_what_was_written(tmp_path: Path, snapshot: Snapshot) -> None:
    write_snapshot(snapshot, tmp_path / "deep" / "s")
    again = read_snapshot(tmp_path / "deep" / "s")
    assert again.settings == snapshot.settings
    assert (again.cut_s, again.counts) == (snapshot.cut_s, snapshot.counts)
    assert again.tables["items"].equals(snapshot.tables["items"])
    for name, array in snapshot.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype


def test_writing_replaces_an_older_snapshot_and_leaves_nothing_beside_it(
    tmp_path: Path, snapshot: Snapshot
) -> None:
    write_snapshot(snapshot, tmp_path / "s")
    newer = Snapshot({}, {}, {}, 5, {})
    write_snapshot(newer, tmp_path / "s")
    assert read_snapshot(tmp_path / "s").cut_s == 5
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [MANIFEST]


def test_writing_refuses_to_replace_a_folder_that_is_no_snapshot(
    tmp_path: Path, snapshot: Snapshot
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(SnapshotError, match="not a snapshot"):
        write_snapshot(snapshot, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_writing_under_a_file_is_refused(tmp_path: Path, snapshot: Snapshot) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="cannot write"):
        write_snapshot(snapshot, tmp_path / "file" / "s")


def _flip_a_byte(folder: Path) -> str:
    path = folder / "target_row.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    return "target_row.npy is damaged"


def _cut_in_half(folder: Path) -> str:
    path = folder / "items.parquet"
    path.write_bytes(path.read_bytes()[:50])
    return "items.parquet is damaged"


def _lose_a_file(folder: Path) -> str:
    (folder / "ptr.npy").unlink()
    return "ptr.npy is missing"


def _cut_the_manifest(folder: Path) -> str:
    path = folder / MANIFEST
    path.write_text(path.read_text()[:40])
    return "not a manifest"


def _edit_manifest(**entries: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / MANIFEST
        path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))

    return edit


def _age(folder: Path) -> str:
    _edit_manifest(format_version=0)(folder)
    return "format version 0"


def _escape(folder: Path) -> str:
    _edit_manifest(sha256={"../passwd": "0"})(folder)
    return "outside its folder"


def _drop_an_entry(folder: Path) -> str:
    path = folder / MANIFEST
    entries = json.loads(path.read_text())
    del entries["cut_s"]
    path.write_text(json.dumps(entries))
    return "an entry is missing"


def _lose_the_manifest(folder: Path) -> str:
    (folder / MANIFEST).unlink()
    return "is not a snapshot"


@pytest.mark.parametrize(
    "damage",
    [
        _flip_a_byte,
        _cut_in_half,
        _lose_a_file,
        _cut_the_manifest,
        _age,
        _escape,
        _drop_an_entry,
        _lose_the_manifest,
    ],
)
def test_reading_names_what_is_damaged(
    tmp_path: Path, snapshot: Snapshot, damage: Callable[[Path], str]
) -> None:
    write_snapshot(snapshot, tmp_path / "s")
    complaint = damage(tmp_path / "s")
    with pytest.raises(SnapshotError, match=complaint):
        read_snapshot(tmp_path / "s")


def test_an_empty_folder_is_no_snapshot(tmp_path: Path) -> None:
    assert not is_snapshot(tmp_path)
