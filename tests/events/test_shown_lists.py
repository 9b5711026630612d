"""Shown lists become rows without telling what will happen with an item."""

import numpy as np
import polars as pl
import pytest

from graphrec.errors import DataError
from graphrec.events.readers import dataset_from_frame, read_dataset
from graphrec.events.shown_lists import shown_lists, with_shown_items

EVENTS = pl.DataFrame({"user_id": ["u", "v"], "item_id": [30, 10], "timestamp": [5, 9]})
SHOWN = pl.DataFrame(
    {
        "user_id": ["v", "u"],
        "timestamp": [9, 7],
        "shown": [[10, 20, 10], [40, 30]],
        "clicked": [[20], []],
        "prices": [[1, 2, 3], [None, 5]],
    }
)


def opened():
    return with_shown_items(dataset_from_frame(EVENTS, impressions=SHOWN))


def test_shown_items_get_rows_in_the_order_of_ids_and_the_log_follows_them():
    before = dataset_from_frame(EVENTS, impressions=SHOWN)
    dataset = with_shown_items(before)
    assert dataset.ids["item"].keys.to_list() == [10, 20, 30, 40]
    assert dataset.items["item_id"].to_list() == [10, 20, 30, 40]
    assert dataset.n_items == 4
    events = dataset.log.interactions()
    assert dataset.ids["item"].keys.gather(events.item_row).to_list() == [30, 10]
    assert before.ids["item"].keys.to_list() == [30, 10]


def test_edges_that_start_at_an_item_follow_it_too():
    items = pl.DataFrame({"item_id": [10, 30], "publisher": [["ten"], ["thirty"]]})
    dataset = with_shown_items(dataset_from_frame(EVENTS, items, impressions=SHOWN))
    log = dataset.log
    at = log.edge_type == log.type_index("published_by")
    item = dataset.ids["item"].keys.gather(log.source_row[at]).to_list()
    publisher = dataset.ids["publisher"].keys.gather(log.target_row[at]).to_list()
    assert sorted(zip(item, publisher, strict=True)) == [(10, "ten"), (30, "thirty")]
    assert dataset.items["publisher"].to_list() == [["ten"], None, ["thirty"], None]


def test_lists_come_in_order_of_time_with_places_clicks_and_columns():
    lists = shown_lists(opened(), {"price": "prices"})
    assert lists.time_s.tolist() == [7, 9]
    # The second 10 of its list is left out.
    assert lists.item_row.tolist() == [3, 2, 0, 1]
    assert lists.position.tolist() == [0, 1, 0, 1]
    assert lists.clicked.tolist() == [False, False, False, True]
    np.testing.assert_array_equal(lists.columns["price"], np.float32([np.nan, 5, 1, 2]))
    assert lists.of_list(1) == slice(2, 4)


def test_streams_are_dated_by_the_list():
    streams = shown_lists(opened()).streams()
    assert streams["shown"].time_s.tolist() == [7, 7, 9, 9]
    assert streams["clicked"].item_row.tolist() == [1]
    assert streams["clicked"].user_row.tolist() == [1]
    assert streams["clicked"].n_items == 4


def test_what_has_no_row_or_no_column_is_refused():
    dataset = dataset_from_frame(EVENTS, impressions=SHOWN)
    with pytest.raises(DataError, match="2 shown items and 0 users of shown lists have no row"):
        shown_lists(dataset)
    with pytest.raises(DataError, match="no column 'cost' of shown lists"):
        shown_lists(opened(), {"price": "cost"})
    with pytest.raises(DataError, match="prices is not as long as shown"):
        short = SHOWN.with_columns(pl.Series("prices", [[1, 2], [4, 5]]))
        shown_lists(
            with_shown_items(dataset_from_frame(EVENTS, impressions=short)), {"p": "prices"}
        )
    with pytest.raises(DataError, match="has no shown lists"):
        with_shown_items(dataset_from_frame(EVENTS))


def test_real_lists_have_a_row_for_every_shown_item(real_data):
    dataset = with_shown_items(read_dataset(real_data / "trivago-100k"))
    lists = shown_lists(dataset, {"price": "prices"})
    assert dataset.n_items == 107_603
    assert len(lists) == 13_597
    # One click in 13,597 stands outside its list, as SOURCE.md says.
    assert int(lists.clicked.sum()) == 13_596
    assert not np.isnan(lists.columns["price"]).any()
