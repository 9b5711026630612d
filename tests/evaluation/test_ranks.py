"""Tie-averaged ranks, drawn by hand; the kernel itself is tested beside its twin."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.evaluation import ranks
from graphrec.evaluation.ranks import Availability, ItemLists, rank_targets


def lists(*items: list[int]) -> ItemLists:
    ptr = np.cumsum([0, *map(len, items)]).astype(np.int64)
    return ItemLists.of_pointers(
        ptr, np.array([item for one in items for item in one], dtype=np.int32)
    )


def scores(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_ties_with_negatives_count_half() -> None:
    # Item 2 stands behind item 0 and level with items 1 and 3: 1 + 1 + 2/2.
    ranking = rank_targets(scores([9, 5, 5, 5, 1]), lists([2]))
    assert ranking.rank.tolist() == [3.0]
    assert ranking.n_candidates.tolist() == [5]


def test_equal_scores_everywhere_rank_in_the_middle() -> None:
    assert rank_targets(scores([0, 0, 0, 0, 0]), lists([1])).rank.tolist() == [3.0]


def test_tied_targets_take_successive_places() -> None:
    # Targets 0 and 2 are level with negative 1: one of them ahead, half the negative ahead.
    assert rank_targets(scores([7, 7, 7, 1]), lists([0, 2])).rank.tolist() == [1.5, 2.5]


def test_excluded_items_are_no_candidates_but_targets_stay() -> None:
    ranking = rank_targets(scores([9, 8, 7, 6]), lists([2]), excluded=lists([0, 2, 0]), k=3)
    assert ranking.rank.tolist() == [2.0]
    assert ranking.n_candidates.tolist() == [3]
    assert ranking.top_item.tolist() == [[1, 2, 3]]


def test_items_of_the_future_are_no_candidates() -> None:
    availability = Availability(np.array([5, 0, 0]), np.array([4, 5]))
    ranking = rank_targets(
        scores([9, 8, 7], [9, 8, 7]), lists([2], [2]), availability=availability, k=1
    )
    assert ranking.rank.tolist() == [2.0, 3.0]
    assert ranking.top_item.tolist() == [[1], [0]]


def test_scores_of_zero_are_not_recommended() -> None:
    ranking = rank_targets(scores([0, 2, -1, 2]), lists([0]), k=3)
    assert ranking.top_item.tolist() == [[1, 3, -1]]


def test_nan_is_refused_by_name_and_query() -> None:
    with pytest.raises(DataError, match="walk scored NaN for 1 of 2 items in query 1"):
        rank_targets(scores([1, 2], [np.nan, 2]), lists([0], [1]), name="walk")


def test_lists_have_to_match_the_rows_of_scores() -> None:
    with pytest.raises(DataError, match="one list per row"):
        rank_targets(scores([1, 2]), lists([0], [1]))


def test_no_queries_have_no_ranks() -> None:
    ranking = rank_targets(np.empty((0, 4), np.float32), ItemLists.empty(0), k=2)
    assert len(ranking.rank) == 0
    assert ranking.top_item.shape == (0, 2)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 20, (50, 30)).astype(np.float32)
    targets = lists(*[[item] for item in rng.integers(0, 30, 50).tolist()])
    serial = rank_targets(many, targets, k=4)
    monkeypatch.setattr(ranks, "PARALLEL_FROM", 0)
    parallel = rank_targets(many, targets, k=4)
    np.testing.assert_array_equal(serial.rank, parallel.rank)
    np.testing.assert_array_equal(serial.top_item, parallel.top_item)


def test_joined_lists_hold_both_in_order() -> None:
    first, second = lists([1, 2], [], [3]), lists([4], [5, 6], [])
    both = first.joined(second)
    assert [both.item[a:b].tolist() for a, b in zip(both.start, both.stop, strict=True)] == [
        [1, 2, 4],
        [5, 6],
        [3],
    ]


def test_joined_parts_read_the_right_entries() -> None:
    both = lists([1, 2], [7], [3]).part(1, 3).joined(lists([4], [5, 6], []).part(0, 2))
    assert [both.item[a:b].tolist() for a, b in zip(both.start, both.stop, strict=True)] == [
        [7, 4],
        [3, 5, 6],
    ]
