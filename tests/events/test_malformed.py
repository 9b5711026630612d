"""Every malformed input is one clear error that names the place, the value and the rule."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphrec.errors import BadRowsError, DataError, GraphrecError
from graphrec.events.columns import ColumnMap
from graphrec.events.log import EdgeType
from graphrec.events.readers import dataset_from_frame, read_dataset

GOOD = {"time_s": [1, 2, 3], "user_id": [1, 2, 1], "item_id": [7, 8, 9]}
HEADER = "time_s,user_id,item_id\n"
WATCH = EdgeType("watch", "user", "item", "positive")


def text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def frame(**columns: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "events.parquet"
        pl.DataFrame({**GOOD, **columns}, strict=False).write_parquet(path)
        return path

    return write


def beside(name: str, content: str | pl.DataFrame, **columns: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        frame(**columns)(folder)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(folder / name)
        else:
            (folder / name).write_text(content)
        return folder

    return write


def truncated(folder: Path) -> Path:
    path = frame()(folder)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def flipped(folder: Path) -> Path:
    path = folder / "events.parquet"
    table = pl.DataFrame({name: values * 500 for name, values in GOOD.items()}).to_arrow()
    pq.write_table(table, path, write_page_checksum=True, compression="none")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    return path


def twin_columns(folder: Path) -> Path:
    table = pa.table(
        [pa.array([1]), pa.array([1]), pa.array([2])], ["time_s", "user_id", "user_id"]
    )
    pq.write_table(table, folder / "events.parquet")
    return folder / "events.parquet"


def unreadable(folder: Path) -> Path:
    (folder / "events.csv").mkdir()
    (folder / "events.parquet").symlink_to(folder / "events.parquet")
    return folder / "events.parquet"


def ambiguous(folder: Path) -> Path:
    frame()(folder)
    (folder / "events.csv").write_text(HEADER + "1,2,3\n")
    return folder


def lists(shown: object, clicked: object, **more: object) -> Callable[[Path], Path]:
    table = {"user_id": [1], "time_s": [1], "shown": [shown], "clicked": [clicked], **more}
    return beside("impressions.parquet", pl.DataFrame(table, strict=False))


MALFORMED = {
    # what: (files, words of the message, number of faults; None where no rows are at fault)
    "no such path": (lambda folder: folder / "nowhere", ["nowhere", "no such file"], None),
    "empty folder": (lambda folder: folder, ["no files", "events.parquet"], None),
    "folder without events": (text("notes.txt", "hi"), ["unsupported", "'.txt'", ".parquet"], None),
    "two tables of events": (ambiguous, ["events.csv", "events.parquet", "more than one"], None),
    "symlink to itself": (unreadable, ["events.parquet"], None),
    "file without ending": (text("events", "x"), ["without ending"], None),
    "empty file": (text("e.csv", ""), ["e.csv", "0 bytes"], 1),
    "header only": (text("e.csv", HEADER), ["e.csv", "0 rows"], 1),
    "no rows in Parquet": (frame(time_s=[], user_id=[], item_id=[]), ["0 rows"], 1),
    "truncated Parquet": (truncated, ["events.parquet", "damaged"], None),
    "flipped bit in Parquet": (flipped, ["events.parquet", "CRC checksum"], None),
    "text that calls itself Parquet": (text("e.parquet", "time_s,user_id"), ["damaged"], None),
    "cut JSON line": (
        text("e.jsonl", '{"time_s":1,"user_id":1,"item_id":2}\n{"time_s":2,"user'),
        ["e.jsonl, row 2", "whole JSON object"],
        1,
    ),
    "JSON line that is a list": (text("e.jsonl", "[1,2,3]\n"), ["row 1", "JSON object"], 1),
    "JSON key twice": (
        text("e.jsonl", '{"time_s":1,"user_id":1,"item_id":2,"user_id":3}'),
        ["row 1, column user_id", "once"],
        1,
    ),
    "mixed ids in JSON": (
        text(
            "e.jsonl",
            '{"time_s":1,"user_id":1,"item_id":2}\n{"time_s":1,"user_id":"b","item_id":2}',
        ),
        ["row 2, column user_id", "'b'", "a number so far"],
        1,
    ),
    "bad UTF-8 in JSON": (
        text("e.jsonl", b'{"time_s":1,"user_id":"\xff","item_id":2}\n'),
        ["row 1", "UTF-8"],
        1,
    ),
    "bad UTF-8 in CSV": (
        text("e.csv", HEADER.encode() + b"1,2,3\n2,\xff\xfe,3\n"),
        ["e.csv, row 2", "UTF-8"],
        1,
    ),
    "bad UTF-8 in a header": (text("e.csv", b"\xff,user_id\n1,2\n"), ["header", "UTF-8"], 1),
    "short and long CSV rows": (
        text("e.csv", HEADER + "1,2,3\n4,5\n6,7,8,9\n"),
        ["e.csv, row 2: 2 fields", "row 3: 4 fields", "3 fields of the header"],
        2,
    ),
    "short .dat row": (
        text("ratings.dat", "1::2::3::4\n1::2::3\n"),
        ["ratings.dat, row 2: 3 fields"],
        1,
    ),
    "unclosed quote": (text("e.csv", HEADER + '1,"2,3\n4,5,6\n'), ["row 1", "fields"], 1),
    "column twice in CSV": (text("e.csv", "time_s,user_id,user_id\n1,2,3\n"), ["user_id"], 1),
    "column twice in Parquet": (twin_columns, ["column user_id", "once"], 1),
    "no known columns": (
        text("e.csv", "a,b\n1,2\n"),
        ["no known layout", "a, b", "graphrec", "movielens", "recbole", "personalize", "tgb"],
        None,
    ),
    "semicolons": (text("e.csv", "time_s;user_id;item_id\n1;2;3\n"), ["time_s;user_id"], None),
    "no time column": (
        text("e.csv", "user_id,item_id,seq_pos\n1,2,3\n"),
        ["no column for time", "time='seq_pos'", "time_unit='order'"],
        None,
    ),
    "no item column": (text("e.csv", "user_id,time_s\n1,2\n"), ["column for item (item_id)"], None),
    "null user": (
        frame(user_id=[1, None, 2]),
        ["row 2, column user_id: null", "names its user"],
        1,
    ),
    "empty user": (text("e.csv", HEADER + "1,,3\n"), ["row 1, column user_id: null"], 1),
    "null item": (frame(item_id=[None, 1, 2]), ["row 1, column item_id: null"], 1),
    "null time": (frame(time_s=[1, None, 2]), ["row 2, column time_s", "rows_without_time"], 1),
    "NaN time": (frame(time_s=[1.0, math.nan, 2.0]), ["row 2", "nan", "finite"], 1),
    "infinite time": (frame(time_s=[1.0, math.inf, 2.0]), ["row 2", "inf", "finite"], 1),
    "huge time": (frame(time_s=[1.0, 1e30, 2.0]), ["row 2", "1e+30", "64 bits"], 1),
    "negative time": (frame(time_s=[-5, 1, 2]), ["row 1", "-5", "before 1970"], 1),
    "time in milliseconds": (
        frame(time_s=[1, 2, 1_500_000_000_000]),
        ["row 3", "2200", "time_unit='ms'"],
        1,
    ),
    "time in microseconds": (frame(time_s=[1, 2, 1_500_000_000_000_000]), ["time_unit='us'"], 1),
    "time that is text": (text("e.csv", HEADER + "1,2,3\nsoon,2,3\n"), ["row 2", "'soon'"], 1),
    "time that is no date": (
        text("e.csv", HEADER + "2020-01-01,2,3\n2020-13-01,2,3\n"),
        ["row 2", "'2020-13-01'", "ISO 8601"],
        1,
    ),
    "time of another type": (frame(time_s=[True, False, True]), ["Boolean", "times are"], 1),
    "list of users": (frame(user_id=[[1], [2], [3]]), ["column user_id", "List", "integers"], 1),
    "users as decimals": (frame(user_id=[1.5, 2.0, 3.0]), ["Float64", "integers or text"], 1),
    "id overflow": (
        frame(item_id=pl.Series([1, 2, 2**63], dtype=pl.UInt64)),
        ["row 3, column item_id: 9223372036854775808", "64 bits"],
        1,
    ),
    "NaN weight": (frame(weight=[1.0, math.nan, 1.0]), ["row 2, column weight", "finite"], 1),
    "infinite weight": (frame(weight=[1.0, -math.inf, 1.0]), ["row 2", "finite"], 1),
    "weight past float32": (frame(weight=[1.0, 1e300, 1.0]), ["row 2", "1e+300", "finite"], 1),
    "zero weight": (frame(weight=[1.0, 0.0, 1.0]), ["row 2", "above 0"], 1),
    "negative weight": (frame(weight=[1.0, -1.0, 1.0]), ["row 2", "-1.0", "above 0"], 1),
    "negative rating": (frame(rating=[1.0, -1.0, 0.0]), ["row 2, column rating", "at least 0"], 1),
    "missing rating": (frame(rating=[1.0, None, 2.0]), ["row 2", "ratings are given"], 1),
    "weight that is text": (
        text("e.csv", "time_s,user_id,item_id,weight\n1,2,3,heavy\n"),
        ["'heavy'", "numbers"],
        1,
    ),
    "weight of another type": (frame(weight=[[1.0], [1.0], [1.0]]), ["List", "numbers"], 1),
    "null event type": (frame(event_type=["a", None, "a"]), ["row 2", "names its event type"], 1),
    "event type of another type": (frame(event_type=[1, 2, 3]), ["Int64", "names"], 1),
    "one type, two shapes": (
        frame(event_type=["a"] * 3, item_id=[1, None, 2], keyword=[None, "k", None]),
        ["row 2, column item_id", "names its item"],
        1,
    ),
    "user in a context row": (
        frame(event_type=["a"] * 3, context_id=["Xmas"] * 3),
        ["column user_id", "join no user"],
        3,
    ),
    "null event id": (frame(event_id=["a", None, "b"]), ["row 2, column event_id", "any has"], 1),
    "event id of another type": (frame(event_id=[0.5, 1.5, 2.5]), ["event_id", "Float64"], 1),
    "keyword of another type": (frame(keyword=[0.5, 1.5, 2.5]), ["keyword", "names are text"], 1),
    "items without item_id": (
        beside("items.csv", "id,title\n1,A\n"),
        ["items.csv, column item_id", "id, title"],
        1,
    ),
    "item twice": (
        beside("items.csv", "item_id,title\n7,A\n8,B\n7,C\n"),
        ["items.csv, row 3, column item_id: '7'", "one row"],
        1,
    ),
    "item without id": (beside("items.csv", "item_id,title\n,A\n"), ["row 1", "item_id"], 1),
    "user twice": (beside("users.csv", "user_id\n1\n1\n"), ["users.csv, row 2"], 1),
    "keywords that are numbers": (
        beside("items.parquet", pl.DataFrame({"item_id": [7], "keywords": [0.5]})),
        ["column keywords", "lists of text"],
        1,
    ),
    "publication that is no time": (
        beside("items.csv", "item_id,published_s\n7,12\n8,soon\n"),
        ["items.csv, row 2, column published_s"],
        1,
    ),
    "text and integer ids": (
        beside("items.parquet", pl.DataFrame({"item_id": ["tt7", "tt8"]})),
        ["items.parquet, column item_id", "'tt7'", "events.parquet", "integers"],
        1,
    ),
    "ids of a text file that are no integers": (
        beside("items.csv", "item_id\n7\ntt8\n"),
        ["items.csv, row 2, column item_id: 'tt8'", "events.parquet are integers"],
        1,
    ),
    "shown list that is none": (lists("7", [7]), ["column shown", "String", "list of item"], 1),
    "empty shown list": (lists([], []), ["row 1, column shown", "at least one"], 1),
    "click outside the list": (lists([7, 8], [9]), ["row 1, column clicked", "[9]"], 1),
    "shown list without user": (lists([7], [7], user_id=[None]), ["row 1, column user_id"], 1),
    "shown lists without a column": (
        beside("impressions.csv", "user_id,shown\n1,7\n"),
        ["impressions.csv, column time_s", "user_id, shown"],
        1,
    ),
    "MIND entry without mark": (
        text("behaviors.tsv", "1\tU1\t11/15/2019 8:55:22 AM\tN1\tN2-1 N3\n"),
        ["behaviors.tsv, row 1, column impressions", "N1-1 N2-0"],
        1,
    ),
    "MIND time": (
        text("behaviors.tsv", "1\tU1\t2019-11-15\tN1\tN2-1\n"),
        ["row 1, column time", "11/15/2019"],
        1,
    ),
    "two RecBole logs": (
        lambda folder: (text("a.inter", "x")(folder), text("b.inter", "x")(folder), folder)[2],
        ["a.inter, b.inter", "more than one"],
        None,
    ),
    "damaged mark": (beside("dataset.json", '{"format": 9}'), ["dataset.json", "format"], None),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_input_is_one_clear_error(tmp_path, what):
    write, words, n_faults = MALFORMED[what]
    path = write(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(GraphrecError) as caught:
        read_dataset(path)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert isinstance(caught.value, BadRowsError) == (n_faults is not None)
    if n_faults is not None:
        assert caught.value.n_faults == n_faults
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_all_faults_of_all_files_are_told_at_once_in_the_order_of_their_rows(tmp_path):
    (tmp_path / "events.csv").write_text(
        "time_s,user_id,item_id,event_type,weight\n"
        "1,1,7,watch,1\n-2,1,7,watch,nan\n3,,7,watch,-1\n4,1,,watch,1\nx,1,8,watch,0\n"
    )
    (tmp_path / "items.csv").write_text("item_id,title\n7,A\n7,B\n")
    with pytest.raises(BadRowsError) as caught:
        read_dataset(tmp_path)
    places = [(fault.file, fault.row, fault.column) for fault in caught.value.faults]
    assert places == [
        ("events.csv", 2, "time_s"),
        ("events.csv", 2, "weight"),
        ("events.csv", 3, "user_id"),
        ("events.csv", 3, "weight"),
        ("events.csv", 4, "item_id"),
        ("events.csv", 5, "time_s"),
        ("events.csv", 5, "weight"),
        ("items.csv", 2, "item_id"),
    ]


def test_twenty_faults_are_shown_a_thousand_kept_and_all_counted(tmp_path):
    pl.DataFrame({"time_s": [-1] * 5_000, "user_id": 1, "item_id": 2}).write_parquet(
        tmp_path / "events.parquet"
    )
    with pytest.raises(BadRowsError) as caught:
        read_dataset(tmp_path)
    assert caught.value.n_faults == 5_000
    assert len(caught.value.faults) == 1_000
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 4980 more"


def test_a_type_that_was_not_declared_is_refused(tmp_path):
    frame(event_type=["watch", "like", "watch"])(tmp_path)
    with pytest.raises(BadRowsError, match="row 2, column event_type: 'like' — the declared"):
        read_dataset(tmp_path, edge_types=[WATCH])


def test_a_named_column_that_is_missing_is_refused(tmp_path):
    path = frame()(tmp_path)
    with pytest.raises(DataError, match="no column 'stars' for weight — its columns are time_s"):
        read_dataset(path, ColumnMap(weight="stars"))


def test_too_many_event_types_are_refused():
    n = 128
    events = pl.DataFrame(
        {"time_s": range(n), "user_id": 1, "item_id": 1, "event_type": [f"t{i}" for i in range(n)]}
    )
    with pytest.raises(BadRowsError, match="128 different names — a log has at most 127"):
        dataset_from_frame(events)


def test_an_order_column_whose_rows_are_all_null_is_refused():
    events = pl.DataFrame({"user_id": [1], "item_id": [2], "pos": pl.Series([None], dtype=pl.Int8)})
    by_order = ColumnMap(time="pos", time_unit="order", rows_without_time="skip")
    with pytest.raises(BadRowsError, match="at least one row has a time"):
        dataset_from_frame(events, columns=by_order)


def test_positions_below_zero_are_refused():
    events = pl.DataFrame({"user_id": [1], "item_id": [2], "pos": [-1]})
    with pytest.raises(BadRowsError, match="row 1, column pos: -1 — positions"):
        dataset_from_frame(events, columns=ColumnMap(time="pos", time_unit="order"))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_parquet_file_is_read_or_refused_but_never_a_traceback(tmp_path, seed):
    buffer = io.BytesIO()
    pl.DataFrame({**GOOD, "keyword": ["a", None, "b"]}).write_parquet(buffer)
    data = bytearray(buffer.getvalue())
    place = (seed * 7919) % len(data)
    data[place] ^= 1 << (seed % 8)
    (tmp_path / "events.parquet").write_bytes(data)
    try:
        assert len(read_dataset(tmp_path).log) >= 3
    except GraphrecError as error:
        assert "events.parquet" in str(error)


def test_an_arrow_table_with_a_column_twice_is_refused():
    table = pa.table([pa.array([1]), pa.array([1])], ["time_s", "time_s"])
    with pytest.raises(BadRowsError, match="events, column time_s"):
        dataset_from_frame(table)


def test_a_json_column_of_two_kinds_that_no_line_explains_is_refused(tmp_path):
    lines = [{"time_s": 1, "user_id": 1, "item_id": 2, "more": {"a": 1}}]
    lines.append({**lines[0], "more": {"a": "x"}})
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(DataError, match=r"e\.jsonl: is damaged or no jsonl file"):
        read_dataset(path)
