"""The protocols of the rankers' experiments: what is held out is not in the log that is known."""

import json
from pathlib import Path

import numpy as np

from experiments import trivago_ranker
from experiments.few_ratings_ranker import blocks_of, ndcg
from graphrec.evaluation.shown_figures import figures_of_scores
from graphrec.events.columns import ColumnMap
from graphrec.events.readers import read_dataset
from graphrec.events.shown_lists import shown_lists, with_shown_items
from graphrec.ranking.training_set import RankingSet
from graphrec.stages import Interactions

EXPERIMENTS = Path(trivago_ranker.__file__).parent


def ratings_of(*lengths):
    """Users of so many ratings; item n is a user's n-th from the end, rated n modulo 5 + 1."""
    user = np.concatenate([np.full(n, at) for at, n in enumerate(lengths)])
    place = np.concatenate([np.arange(n) for n in lengths])
    from_end = np.concatenate([np.arange(n, 0, -1) for n in lengths])
    order = np.argsort(place, kind="stable")
    return Interactions(
        place[order],
        user[order].astype(np.int32),
        from_end[order].astype(np.int32),
        (from_end[order] % 5 + 1).astype(np.float32),
        len(lengths),
        max(lengths) + 1,
    )


def of_lists(items, rating):
    """Lists of items without features."""
    n = items.size
    return RankingSet(
        (),
        np.empty((n, 0), np.float32),
        np.arange(len(items) + 1) * items.shape[1],
        np.zeros(len(items), np.int64),
        np.arange(len(items), dtype=np.int32),
        items.ravel().astype(np.int32),
        np.full(n, -1, np.int32),
        ("rating",),
        rating.reshape(n, 1).astype(np.float32),
        np.ones(n, np.float32),
    )


def test_blocks_are_the_last_ten_and_nothing_later_of_anybody_is_known():
    ratings = ratings_of(40, 29, 30)
    for n_after in (0, 10):
        blocks = blocks_of(ratings, n_after)
        assert blocks.user_row.tolist() == [0, 2]
        assert blocks.item_row.tolist() == [list(range(n_after + 1, n_after + 11))] * 2
        np.testing.assert_array_equal(blocks.rating, blocks.item_row % 5 + 1)
        # Also of users who have no block: items are numbered from the end.
        assert blocks.past.item_row.min() == n_after + 11
        assert len(blocks.past) == 99 - 3 * (n_after + 10)
        assert blocks.cut_s > ratings.time_s.max()


def test_lists_of_equal_ratings_have_no_order():
    rating = np.full((2, 10), 4.0)
    rating[1, 3] = 5.0
    lists = of_lists(np.arange(20).reshape(2, 10), rating)
    found = ndcg(lists.column("rating"), lists, 10)
    assert np.isnan(found[0])
    assert abs(found[1] - 1) < 1e-12


def test_chance_on_real_ratings_is_what_the_experiment_says(real_data):
    columns = ColumnMap(
        time="seq_pos", time_unit="order", rows_without_time="skip", weight="rating"
    )
    dataset = read_dataset(real_data / "ml-1m-order", columns)
    blocks = blocks_of(dataset.log.interactions(weighted=True), 0)
    lists = of_lists(blocks.item_row, blocks.rating)
    kept = json.loads((EXPERIMENTS / "few_ratings_ranker.json").read_text())
    chance = np.nanmean(ndcg(np.zeros(len(lists)), lists, 10))
    assert lists.n_lists == kept["test_lists"]
    assert abs(chance - kept["test"]["chance"]["ndcg@10"]["value"]) < 1e-5
    assert kept["provenance"]["data_sha256"] == dataset.sha256


def test_the_order_shown_is_as_good_as_the_experiment_says(real_data):
    dataset = with_shown_items(read_dataset(real_data / "trivago-100k"))
    lists = shown_lists(dataset)
    first = round(trivago_ranker.VALIDATION * len(lists))
    begin = int(lists.list_ptr[first])
    test = RankingSet(
        (),
        np.empty((len(lists.item_row) - begin, 0), np.float32),
        lists.list_ptr[first:] - begin,
        lists.time_s[first:],
        lists.user_row[first:],
        lists.item_row[begin:],
        lists.position[begin:],
        ("clicked",),
        lists.clicked[begin:, None].astype(np.float32),
        np.ones(len(lists.item_row) - begin, np.float32),
    )
    found = figures_of_scores(-test.position.astype(np.float32), test, "clicked")
    kept = json.loads((EXPERIMENTS / "trivago_ranker.json").read_text())
    assert test.n_lists == kept["lists"][2]
    assert abs(np.nanmean(found.ndcg) - kept["test"]["shown order"]["ndcg@10"]["value"]) < 1e-5
    assert kept["provenance"]["data_sha256"] == dataset.sha256
