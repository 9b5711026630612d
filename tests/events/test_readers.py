"""What is read is what stands in the file: small files by hand, then the laws of reading."""

import numpy as np
import polars as pl
import pytest

from graphrec.errors import BadRowsError
from graphrec.events.columns import ColumnMap
from graphrec.events.event_keys import event_key
from graphrec.events.log import EdgeType
from graphrec.events.readers import dataset_from_frame, read_dataset
from tests.events.log_in_words import edges


def test_a_folder_of_every_table_is_read_whole(tmp_path):
    (tmp_path / "events.csv").write_text(
        "time_s,user_id,item_id,event_type,weight,keyword\n"
        "20,bob,b,watch,,\n10,ann,a,watch,2,\n30,ann,b,rate,0,\n30,ann,,search,,space\n"
        "30,bob,a,tag,,funny\n5,ann,c,skip,,\n"
    )
    (tmp_path / "items.jsonl").write_text(
        '{"item_id":"d","title":"Dune","publisher":["P"],"keywords":["space"],"published_s":25}\n'
        '{"item_id":"a","title":"Alien","publisher":["P","Q"],"keywords":["space","fear"]}\n'
    )
    (tmp_path / "users.csv").write_text("user_id,age\neve,30\nbob,41\n")
    (tmp_path / "impressions.csv").write_text("user_id,time_s,shown,clicked\nann,30,a|b|c,b\n")
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [
        (5, "skip", "ann", "c", 1.0),
        (10, "published_by", "a", "P", 1.0),
        (10, "published_by", "a", "Q", 1.0),
        (10, "has_keyword", "a", "space", 1.0),
        (10, "has_keyword", "a", "fear", 1.0),
        (10, "watch", "ann", "a", 2.0),
        (20, "watch", "bob", "b", 1.0),
        (25, "published_by", "d", "P", 1.0),
        (25, "has_keyword", "d", "space", 1.0),
        (30, "rate", "ann", "b", 0.0),
        (30, "search", "ann", "space", 1.0),
        (30, "tag", "bob", "a", 1.0),
        (30, "occurs", "a", "funny", 1.0),
    ]
    roles = {kind.name: (kind.source, kind.target, kind.role) for kind in dataset.log.edge_types}
    assert roles == {
        "watch": ("user", "item", "positive"),
        "rate": ("user", "item", "explicit"),
        "search": ("user", "keyword", "search"),
        "tag": ("user", "item", "positive"),
        "skip": ("user", "item", "negative"),
        "published_by": ("item", "publisher", "describes"),
        "has_keyword": ("item", "keyword", "describes"),
        "occurs": ("item", "keyword", "occurs"),
    }
    assert dataset.ids["user"].keys.to_list() == ["ann", "bob", "eve"]
    assert dataset.ids["item"].keys.to_list() == ["d", "a", "c", "b"]
    assert dataset.items["title"].to_list() == ["Dune", "Alien", None, None]
    assert dataset.users["age"].to_list() == [None, "41", "30"]
    assert dataset.impressions is not None
    assert dataset.impressions["shown"].to_list() == [["a", "b", "c"]]
    assert dataset.impressions["clicked"].to_list() == [["b"]]
    assert dataset.published_s().tolist() == [25, 10, 5, 20]
    assert (dataset.name, len(dataset.sha256)) == (tmp_path.name, 64)


def test_items_without_event_or_publication_are_published_at_the_log_s_end():
    dataset = dataset_from_frame(
        pl.DataFrame({"time_s": [3, 9], "user_id": [1, 1], "item_id": [5, 6]}),
        pl.DataFrame({"item_id": [8], "publisher": ["P"]}),
    )
    assert edges(dataset)[-2:] == [(9, "published_by", 8, "P", 1.0), (9, "watch", 1, 6, 1.0)]


def test_declared_types_without_item_edges_leave_them_out():
    events = pl.DataFrame({"time_s": [3], "user_id": [1], "item_id": [5], "keyword": ["k"]})
    items = pl.DataFrame({"item_id": [5], "publisher": [["P"]], "keywords": [["k"]]})
    watch = EdgeType("watch", "user", "item", "positive")
    describes = EdgeType("about", "item", "keyword", "describes")
    assert edges(dataset_from_frame(events, items, edge_types=[watch])) == [(3, "watch", 1, 5, 1.0)]
    assert edges(dataset_from_frame(events, items, edge_types=[watch, describes])) == [
        (3, "about", 5, "k", 1.0),
        (3, "watch", 1, 5, 1.0),
    ]


def test_item_edges_that_the_log_gives_are_not_made_again():
    events = pl.DataFrame(
        {
            "time_s": [3, 4],
            "user_id": [1, None],
            "item_id": [5, 5],
            "event_type": ["watch", "published_by"],
            "publisher": [None, "P"],
        }
    )
    items = pl.DataFrame({"item_id": [5], "publisher": [["P"]]})
    assert edges(dataset_from_frame(events, items)) == [
        (3, "watch", 1, 5, 1.0),
        (4, "published_by", 5, "P", 1.0),
    ]


def test_contexts_hold_alone_or_with_an_item():
    events = pl.DataFrame(
        {
            "time_s": [1, 2, 3],
            "user_id": [None, None, 7],
            "item_id": [None, 4, 4],
            "event_type": ["holds", "fits", "watch"],
            "context": ["Xmas", "Xmas", None],
        }
    )
    dataset = dataset_from_frame(events)
    assert edges(dataset) == [
        (1, "holds", "Xmas", "Xmas", 1.0),
        (2, "fits", "Xmas", 4, 1.0),
        (3, "watch", 7, 4, 1.0),
    ]
    assert [kind.role for kind in dataset.log.edge_types[:2]] == ["occurs", "occurs"]


def test_repeated_event_ids_keep_the_first_in_file_order_and_are_counted():
    events = pl.DataFrame(
        {
            "time_s": [9, 3, 3, 4],
            "user_id": [1, 2, 2, 3],
            "item_id": [5, 6, 6, 7],
            "event_id": ["x", "17", "y", "x"],
        }
    )
    dataset = dataset_from_frame(events, pl.DataFrame({"item_id": [5], "publisher": ["P"]}))
    assert dataset.n_repeated == 1
    assert edges(dataset) == [
        (3, "watch", 2, 6, 1.0),
        (3, "watch", 2, 6, 1.0),
        (9, "published_by", 5, "P", 1.0),
        (9, "watch", 1, 5, 1.0),
    ]
    assert dataset.log.event_id is not None
    assert dataset.log.event_id[[0, 1, 3]].tolist() == [
        event_key(17),
        event_key("y"),
        event_key("x"),
    ]
    assert len(set(dataset.log.event_id.tolist())) == 4


def test_rows_that_repeat_without_ids_are_kept():
    events = pl.DataFrame({"time_s": [3, 3], "user_id": [1, 1], "item_id": [5, 5]})
    dataset = dataset_from_frame(events)
    assert (len(dataset.log), dataset.log.event_id, dataset.n_repeated) == (2, None, 0)


def test_ids_of_text_files_are_integers_only_if_all_print_one(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("time_s,user_id,item_id\n1,1,007\n2,2,8\n")
    ids = read_dataset(path).ids
    assert ids["user"].keys.to_list() == [1, 2]
    assert ids["item"].keys.to_list() == ["007", "8"]


def test_an_untyped_table_follows_a_typed_one(tmp_path):
    events = {"time_s": [1], "user_id": ["1"], "item_id": [7]}
    pl.DataFrame(events).write_parquet(tmp_path / "events.parquet")
    (tmp_path / "users.csv").write_text("user_id,age\n1,30\n")
    (tmp_path / "impressions.csv").write_text("user_id,time_s,shown\n1,1,7|8\n")
    dataset = read_dataset(tmp_path)
    assert dataset.users.to_dicts() == [{"user_id": "1", "age": "30"}]
    assert dataset.impressions is not None
    assert dataset.impressions["shown"].to_list() == [[7, 8]]
    assert dataset.impressions["clicked"].to_list() == [[]]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv", "a.jsonl", "a.ndjson"])
def test_every_file_type_gives_the_same_log(tmp_path, name):
    frame = pl.DataFrame(
        {
            "time_s": [1, 2, 2],
            "user_id": ["2020-01-01", "2020-01-02", "2020-01-01"],
            "item_id": [3, 4, 4],
            "weight": [0.1, 2.0, 3.5],
        }
    )
    path = tmp_path / name
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path)
        case ".csv":
            frame.write_csv(path)
        case ".tsv":
            frame.write_csv(path, separator="\t")
        case _:
            frame.write_ndjson(path)
    assert edges(read_dataset(path)) == edges(dataset_from_frame(frame))
    assert edges(dataset_from_frame(frame.to_arrow())) == edges(dataset_from_frame(frame))


@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("s", [0, 86_400]),
        ("s", [0.9, 86_400.2]),
        ("s", ["1970-01-01", "1970-01-02T00:00:00Z"]),
        ("iso", ["1970-01-01 00:00", "1970-01-02T01:00:00.5+01:00"]),
        ("ms", [999, 86_400_000]),
        ("us", [0, 86_400_000_000]),
        ("order", [0, 86_400]),
    ],
)
def test_times_of_every_unit_become_seconds(unit, times):
    events = pl.DataFrame({"at": times, "user_id": [1, 1], "item_id": [1, 1]})
    dataset = dataset_from_frame(events, columns=ColumnMap(time="at", time_unit=unit))
    assert dataset.log.time_s.tolist() == [0, 86_400]


def test_dates_and_zoned_times_become_seconds():
    at = pl.Series(["1970-01-02T01:00:00+0100"]).str.to_datetime("%Y-%m-%dT%H:%M:%S%z")
    events = pl.DataFrame({"time_s": at, "user_id": [1], "item_id": [1]})
    assert dataset_from_frame(events).log.time_s.tolist() == [86_400]
    dated = events.with_columns(pl.col("time_s").dt.date())
    assert dataset_from_frame(dated).log.time_s.tolist() == [86_400]


def test_rows_without_time_are_skipped_when_asked_and_counted():
    events = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 7], "pos": [1, None, 0]})
    by_order = ColumnMap(time="pos", time_unit="order", rows_without_time="skip")
    dataset = dataset_from_frame(events, columns=by_order)
    assert edges(dataset) == [(0, "watch", 2, 7, 1.0), (1, "watch", 1, 5, 1.0)]
    assert dataset.n_untimed == 1


def test_row_numbers_of_faults_count_skipped_rows(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("user_id,item_id,pos\n1,1,\n1,,3\n")
    by_order = ColumnMap(time="pos", time_unit="order", rows_without_time="skip")
    with pytest.raises(BadRowsError, match=r"e\.csv, row 2, column item_id"):
        read_dataset(path, by_order)


def test_own_column_names_and_default_type_are_followed():
    events = pl.DataFrame({"Who": ["a"], "What": ["b"], "When": [4], "Stars": [2.5], "Tag": ["k"]})
    columns = ColumnMap(
        user="who",
        item="what",
        time="when",
        weight="stars",
        keyword="tag",
        default_event_type="play",
    )
    assert edges(dataset_from_frame(events, columns=columns)) == [
        (4, "play", "a", "b", 2.5),
        (4, "occurs", "b", "k", 1.0),
    ]


def test_a_search_needs_no_type_column():
    events = pl.DataFrame(
        {"time_s": [1, 2], "user_id": [1, 1], "item_id": [5, None], "keyword": [None, "fun"]}
    )
    assert edges(dataset_from_frame(events))[1] == (2, "search", 1, "fun", 1.0)


def test_windows_line_ends_byte_order_marks_and_quoted_line_breaks_are_read(tmp_path):
    (tmp_path / "events.csv").write_bytes(b"\xef\xbb\xbftime_s,user_id,item_id\r\n1,2,3\r\n")
    (tmp_path / "items.csv").write_text('item_id,title,about\n3,Tea,"two\nlines"\n')
    dataset = read_dataset(tmp_path)
    assert edges(dataset) == [(1, "watch", 2, 3, 1.0)]
    assert dataset.items["about"].to_list() == ["two\nlines"]


def test_categories_and_narrow_integers_are_ids_too():
    events = pl.DataFrame(
        {
            "time_s": pl.Series([1, 2], dtype=pl.Int16),
            "user_id": pl.Series(["a", "b"], dtype=pl.Categorical),
            "item_id": pl.Series([1, 2], dtype=pl.UInt8),
            "event_type": pl.Series(["like", "dislike"], dtype=pl.Enum(["like", "dislike"])),
        }
    )
    dataset = dataset_from_frame(events)
    assert edges(dataset) == [(1, "like", "a", 1, 1.0), (2, "dislike", "b", 2, 1.0)]
    assert [kind.role for kind in dataset.log.edge_types] == ["positive", "negative"]


def test_a_few_clicks_outside_their_list_are_kept():
    n = 200
    shown = pl.DataFrame(
        {
            "user_id": [1] * n,
            "time_s": range(n),
            "shown": [[5, 6]] * n,
            "clicked": [[7], *[[5]] * (n - 1)],
        }
    )
    events = pl.DataFrame({"time_s": [1], "user_id": [1], "item_id": [5]})
    dataset = dataset_from_frame(events, impressions=shown)
    assert dataset.impressions is not None
    assert dataset.impressions["clicked"][0].to_list() == [7]


def test_reading_is_stable_under_ties_and_the_hash_follows_the_bytes(tmp_path):
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {
            "time_s": rng.integers(0, 20, 500),
            "user_id": rng.integers(0, 30, 500),
            "item_id": np.arange(500),
        }
    )
    frame.write_csv(tmp_path / "events.csv")
    dataset = read_dataset(tmp_path, name="mine")
    expected = frame.sort("time_s", maintain_order=True)["item_id"].to_list()
    assert [edge[3] for edge in edges(dataset)] == expected
    assert dataset.name == "mine"
    assert read_dataset(tmp_path).sha256 == dataset.sha256
    (tmp_path / "events.csv").write_text("time_s,user_id,item_id\n1,2,3\n")
    assert read_dataset(tmp_path).sha256 != dataset.sha256
