"""The report counts what can be counted by eye."""

import polars as pl

from graphrec.events.check import TestShares, check_dataset
from graphrec.events.columns import ColumnMap
from graphrec.events.readers import dataset_from_frame


def test_a_small_log_is_counted_by_hand():
    # time   0 1 2 3 4 5 6 7 7 9    .70 quantile 6.3, .85 quantile 7.0: 7 | 2 | 1 events
    # user   1 1 1 1 1 2 2 3 3 2
    # item   a b a b c a b a a z    repeats: a at 2, b at 3, the second 3-a at 7
    events = pl.DataFrame(
        {
            "time_s": [0, 1, 2, 3, 4, 5, 6, 7, 7, 9, 9],
            "user_id": [1, 1, 1, 1, 1, 2, 2, 3, 3, 2, 2],
            "item_id": list("ababcabaazz"),
            "event_type": [*["watch"] * 9, "skip", "skip"],
            "event_id": [*range(10), 9],
        }
    )
    items = pl.DataFrame(
        {
            "item_id": ["a", "b", "q"],
            "title": ["A", "", None],
            "publisher": ["P", None, None],
            "keywords": [["k", "l"], [], []],
        }
    )
    shown = pl.DataFrame({"user_id": [1], "time_s": [1], "shown": [["a"]], "clicked": [["a"]]})
    report = check_dataset(dataset_from_frame(events, items, impressions=shown))
    assert report.n_by_type == {"watch": 9, "skip": 1, "published_by": 1, "has_keyword": 2}
    assert report.n_nodes == {"user": 3, "item": 5, "publisher": 1, "keyword": 2}
    assert (report.first_s, report.last_s, report.n_events) == (0, 9, 13)
    assert (report.n_interactions, report.n_repeated_ids, report.n_untimed) == (10, 1, 0)
    assert report.n_duplicates == 1
    assert (report.ties, report.repeats) == (0.2, 0.3)
    assert report.test == TestShares(1, 0.0, 1.0, 0.0)
    assert report.items_without_event == 1
    assert report.items_without_title == 4
    assert (report.items_without_publisher, report.items_without_keywords) == (4, 4)
    assert (report.n_impressions, report.unshown_clicks) == (1, 0)


def test_a_log_without_item_events_has_no_test_part():
    events = pl.DataFrame(
        {
            "time_s": [3, None],
            "user_id": [1, 2],
            "item_id": pl.Series([None, None], dtype=pl.Int64),
            "keyword": ["a", "b"],
        }
    )
    columns = ColumnMap(rows_without_time="skip")
    report = check_dataset(dataset_from_frame(events, columns=columns))
    assert (report.n_events, report.n_interactions, report.test) == (1, 0, None)
    assert (report.ties, report.repeats, report.n_untimed) == (0.0, 0.0, 1)
    assert report.n_by_type == {"search": 1}
