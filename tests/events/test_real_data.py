"""The real sets are read without settings and hold what their sources say."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.events.check import check_dataset
from graphrec.events.columns import ColumnMap
from graphrec.events.readers import read_dataset
from graphrec.events.splits import time_split


def test_movies_have_ratings_tags_publishers_and_keywords(real_data):
    dataset = read_dataset(real_data / "movies-tmdb-small")
    report = check_dataset(dataset)
    assert report.n_by_type == {
        "rate": 100_004,
        "tag": 1_296,
        "published_by": 16_016,
        "has_keyword": 63_517,
        "occurs": 1_296,
    }
    assert (dataset.n_users, dataset.n_items) == (671, 9_125)
    assert dataset.log.n_nodes["publisher"] == 5_326
    rated = dataset.log.interactions(names={"rate"})
    assert len(np.unique(rated.item_row)) == 9_066
    assert dataset.title(dataset.ids["item"].row(1)) == "Toy Story (1995)"
    assert set(np.unique(dataset.log.weight[dataset.log.edge_type == 0])) <= set(
        np.arange(0.5, 5.5, 0.5)
    )
    assert report.test is not None
    assert round(report.test.new_users, 3) == 0.928
    assert round(report.test.new_items, 3) == 0.345


def test_wiki_is_split_as_tgb_splits_it(real_data):
    dataset = read_dataset(real_data / "tgbl-wiki")
    edits = dataset.log.interactions()
    assert (dataset.n_users, dataset.n_items, len(edits)) == (8_227, 1_000, 157_474)
    split = time_split(edits)
    assert (split.validation_cut_s, split.test_cut_s) == (1_862_653, 2_218_289)
    assert [len(p) for p in (split.train, split.validation, split.test)] == [
        110_232,
        23_621,
        23_621,
    ]
    report = check_dataset(dataset)
    assert report.n_duplicates == 0
    assert report.test is not None
    assert round(report.test.new_users, 3) == 0.165
    assert round(report.test.new_items, 3) == 0.130
    assert round(report.test.repeated_pairs, 3) == 0.892


def test_ordered_ratings_need_to_be_told_their_order(real_data):
    with pytest.raises(DataError, match="time='seq_pos', time_unit='order'"):
        read_dataset(real_data / "ml-1m-order")
    by_order = ColumnMap(time="seq_pos", time_unit="order", rows_without_time="skip")
    dataset = read_dataset(real_data / "ml-1m-order", by_order)
    ratings = dataset.log.interactions()
    assert (len(ratings), dataset.n_users, dataset.n_untimed) == (999_611, 6_040, 598)
    assert len(np.unique(ratings.item_row)) == 3_416
    first = ratings.item_row[ratings.user_row == dataset.ids["user"].row(1)][0]
    assert dataset.title(int(first)) == "Girl, Interrupted (1999)"


def test_trivago_keeps_its_shown_lists(real_data):
    dataset = read_dataset(real_data / "trivago-100k")
    report = check_dataset(dataset)
    assert report.n_interactions == 87_608
    assert (dataset.n_users, dataset.n_items) == (6_593, 13_949)
    assert dataset.impressions is not None
    assert (report.n_impressions, report.unshown_clicks) == (13_597, 1)
    assert dataset.impressions["shown"].list.len().sum() == 312_539
    assert dataset.impressions["clicked"].list.len().sum() == 13_597
