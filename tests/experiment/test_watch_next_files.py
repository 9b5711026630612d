"""The WatchNext table on disk."""

import numpy as np
import polars as pl
import pytest

from graphrec.errors import SnapshotError
from graphrec.events.ids import IdMap
from graphrec.experiment.watch_next_files import read_watch_next, write_watch_next
from graphrec.graph.watch_next import WatchNextSettings, WatchNextTable
from graphrec.snapshot import Snapshot, write_snapshot

TABLE = WatchNextTable(np.array([10.0, 20.0]), np.array([3, 0]), 12.5, (4.0, float("inf")), 99)
IDS = IdMap(["a", "b"], what="item")


def test_values_are_found_by_id_in_any_order_of_rows(tmp_path):
    write_watch_next(TABLE, IDS, WatchNextSettings(), tmp_path / "table")
    found = read_watch_next(tmp_path / "table", IdMap(["new", "b", "a"], what="item"))
    assert found.value_s.tolist() == [12.5, 20.0, 10.0]
    assert found.count.tolist() == [0, 0, 3]
    assert (found.mean_s, found.prior_counts, found.until_s) == (12.5, (4.0, float("inf")), 99)


def test_a_damaged_table_is_refused_by_name(tmp_path):
    folder = tmp_path / "table"
    write_watch_next(TABLE, IDS, WatchNextSettings(), folder)
    path = folder / "values.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(SnapshotError, match=r"values\.parquet is damaged"):
        read_watch_next(folder, IDS)


def test_another_snapshot_or_other_ids_are_refused(tmp_path):
    write_snapshot(Snapshot({"x": np.zeros(1)}, {}, {}, 0, {}), tmp_path / "other")
    with pytest.raises(SnapshotError, match="holds no WatchNext table"):
        read_watch_next(tmp_path / "other", IDS)
    write_watch_next(TABLE, IDS, WatchNextSettings(), tmp_path / "table")
    with pytest.raises(SnapshotError, match="item ids of type String"):
        read_watch_next(tmp_path / "table", IdMap([1, 2], what="item"))


def test_a_table_of_before_is_refused(tmp_path):
    values = pl.DataFrame({"item_id": ["a"], "value_s": [1.0], "count": [1]})
    settings = {"what": "watch_next", "mean_s": 1.0, "prior_count": None}
    write_snapshot(Snapshot({}, {"values": values}, settings, 0, {}), tmp_path / "old")
    with pytest.raises(SnapshotError, match="written by an older graphrec"):
        read_watch_next(tmp_path / "old", IDS)
