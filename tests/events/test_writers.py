"""What is written is read again as it was."""

import errno
import os

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog
from graphrec.events.readers import dataset_from_frame, read_dataset
from graphrec.events.writers import event_frame, write_dataset, write_events


def everything() -> Dataset:
    """A data set with every node type, rows in an order no reader would choose, odd roles."""
    types = (
        EdgeType("watch", "user", "item", "negative", 0.5),
        EdgeType("asks", "user", "keyword", "search"),
        EdgeType("by", "item", "publisher", "describes"),
        EdgeType("about", "item", "keyword", "describes"),
        EdgeType("fits", "context", "item", "occurs"),
        EdgeType("holds", "context", "context", "occurs"),
    )
    log = EventLog(
        np.array([1, 2, 2, 2, 3, 9, 9]),
        np.array([5, 2, 3, 0, 1, 4, 0], np.int8),
        np.array([1, 2, 2, 1, 0, 0, 0], np.int32),
        np.array([1, 1, 2, 2, 0, 1, 2], np.int32),
        np.array([1, 1, 1, 0.1, 2, 3, 1e-3], np.float32),
        types,
        {"user": 3, "item": 4, "publisher": 2, "keyword": 3, "context": 2},
        np.array([2**64 - 1, 0, 1, 2**63, 5, 6, 7], np.uint64),
    )
    ids = {
        "user": IdMap(["u2", "u0", "u9"], what="user"),
        "item": IdMap([40, 10, 30, 20], what="item"),
        "publisher": IdMap(["P", "Q"], what="publisher"),
        "keyword": IdMap(["k", "l", "m"], what="keyword"),
        "context": IdMap(["Xmas", "Final"], what="context"),
    }
    items = pl.DataFrame(
        {
            "item_id": ids["item"].keys,
            "title": ["A", None, "C", "D"],
            "publisher": [["Q"], [], ["P", "Q"], []],
            "published_s": [1, None, 2, 3],
            "size": [0.5, None, 1.5, 2.5],
        }
    )
    users = pl.DataFrame({"user_id": ids["user"].keys, "age": [1, None, 3]})
    shown = {"user_id": ["u0"], "time_s": [4], "shown": [[40, 10]], "clicked": [[10]]}
    impressions = pl.DataFrame({**shown, "page": ["home"]})
    return Dataset("all", log, ids, items, users, impressions)


def assert_same(one: Dataset, other: Dataset) -> None:
    for name in ("time_s", "edge_type", "source_row", "target_row", "weight", "event_id"):
        np.testing.assert_array_equal(getattr(one.log, name), getattr(other.log, name), name)
    assert one.log.edge_types == other.log.edge_types
    assert dict(one.log.n_nodes) == dict(other.log.n_nodes)
    assert {node: ids.keys.to_list() for node, ids in one.ids.items()} == {
        node: ids.keys.to_list() for node, ids in other.ids.items()
    }
    assert_frame_equal(one.items, other.items)
    assert_frame_equal(one.users, other.users)
    assert (one.impressions is None) == (other.impressions is None)
    if one.impressions is not None and other.impressions is not None:
        assert_frame_equal(one.impressions, other.impressions)


def test_a_written_folder_is_read_as_it_was(tmp_path):
    dataset = everything()
    write_dataset(dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset.json",
        "events.parquet",
        "impressions.parquet",
        "items.parquet",
        "names.parquet",
        "users.parquet",
    ]
    assert_same(read_dataset(tmp_path / "out"), dataset)


def test_items_and_tags_are_not_made_into_edges_twice(tmp_path):
    events = pl.DataFrame(
        {
            "time_s": [5, 1],
            "user_id": [1, 2],
            "item_id": ["b", "a"],
            "keyword": ["fun", None],
            "event_id": ["x", "y"],
        }
    )
    items = pl.DataFrame({"item_id": ["z", "b"], "publisher": [["P"], ["Q"]]})
    dataset = dataset_from_frame(events, items)
    assert len(dataset.log) == 5
    write_dataset(dataset, tmp_path / "out")
    once = read_dataset(tmp_path / "out")
    assert_same(once, dataset)
    write_dataset(once, tmp_path / "again")
    assert_same(read_dataset(tmp_path / "again"), dataset)


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
def test_a_log_written_alone_keeps_its_events(tmp_path, name):
    dataset = everything()
    write_events(dataset, tmp_path / name)
    again = read_dataset(tmp_path / name, edge_types=dataset.log.edge_types)
    assert_frame_equal(event_frame(again), event_frame(dataset))


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="not empty"):
        write_dataset(everything(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    write_dataset(everything(), tmp_path / "out")
    assert_same(read_dataset(tmp_path / "out"), everything())


def test_nothing_is_left_when_the_disk_is_full(tmp_path, monkeypatch):
    write_table = pq.write_table

    def write_until_full(table, path, **options):
        write_table(table, path, **options)
        if path.name == "users.parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq, "write_table", write_until_full)
    with pytest.raises(DataError, match="out: cannot be written — no space left on device"):
        write_dataset(everything(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match=r"unsupported file type '\.xlsx'"):
        write_events(everything(), tmp_path / "log.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_events(everything(), tmp_path / "file" / "log.csv")
    (tmp_path / "log.csv").mkdir()
    (tmp_path / "log.csv" / "x").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_events(everything(), tmp_path / "log.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "log.csv"]


def test_damaged_names_are_told(tmp_path):
    write_dataset(everything(), tmp_path / "out")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "out" / "names.parquet")
    with pytest.raises(DataError, match=r"names\.parquet: has columns a"):
        read_dataset(tmp_path / "out")
