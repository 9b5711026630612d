"""Beyond-accuracy figures, each worked out by hand on lists small enough to count."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.evaluation.beyond_accuracy import (
    co_watch_vectors,
    coverage,
    exposure_gini,
    intra_list_diversity,
    list_means,
    popularity_lift,
    self_information,
    serendipity,
)
from tests.worlds import watched

LISTS = np.array([[0, 1], [0, 2], [0, -1]], np.int32)
NOTHING = np.full((2, 3), -1, np.int32)


def test_coverage_counts_items_in_any_list() -> None:
    assert coverage(LISTS, 4) == 0.75
    assert coverage(NOTHING, 4) == 0.0
    assert coverage(NOTHING, 0) == 0.0


def test_gini_of_exposure_worked_by_hand() -> None:
    # Shown 0, 1, 1, 3 times in ascending order: (−3·0 − 1·1 + 1·1 + 3·3) / (4·5)
    assert exposure_gini(LISTS, 4) == pytest.approx(9 / 20)
    assert math.isnan(exposure_gini(NOTHING, 4))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_over_twice_the_mean(shown: list[int]) -> None:
    counts = np.bincount(shown, minlength=10).astype(float)
    expected = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    lists = np.array(shown, np.int32)[:, None]
    assert exposure_gini(lists, 10) == pytest.approx(expected)


def test_novelty_is_the_self_information_of_what_is_shown() -> None:
    bits = self_information(np.array([6, 2, 0]))
    # Raised by one: 7, 3 and 1 of 11.
    np.testing.assert_allclose(bits, np.log2([11 / 7, 11 / 3, 11]))
    lists = np.array([[0, 2], [1, -1], [-1, -1]], np.int32)
    np.testing.assert_allclose(
        list_means(lists, bits), [(np.log2(11 / 7) + np.log2(11)) / 2, np.log2(11 / 3), np.nan]
    )


def test_popularity_lift_compares_lists_with_histories() -> None:
    popularity = np.array([8, 4, 0])
    # Lists hold 6, 4 and 8 events on average; the second query has no history.
    lists = np.array([[0, 1], [0, 2], [0, -1]], np.int32)
    assert popularity_lift(lists, popularity, np.array([2.0, np.nan, 3.0])) == pytest.approx(
        (6 + 8) / (2 + 3) - 1
    )
    assert math.isnan(popularity_lift(lists, popularity, np.full(3, np.nan)))
    assert math.isnan(popularity_lift(lists, popularity, np.zeros(3)))


def test_diversity_worked_by_hand() -> None:
    # Publisher/keyword ones: items 0 and 1 share one of two each, item 2 nothing, item 3 is empty.
    vectors = sp.csr_array(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]))
    lists = np.array([[0, 1, -1], [0, 1, 2], [0, 3, -1], [0, -1, -1], [-1, -1, -1]], np.int32)
    np.testing.assert_allclose(
        intra_list_diversity(lists, vectors), [0.5, 1 - 0.5 / 3, 1.0, np.nan, np.nan]
    )
    assert len(intra_list_diversity(np.empty((0, 3), np.int32), vectors)) == 0


def test_diversity_agrees_with_pairwise_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphrec.evaluation.beyond_accuracy._LISTS_AT_ONCE", 2)
    rng = np.random.default_rng(0)
    dense = (rng.random((12, 6)) < 0.4) * rng.random((12, 6))
    dense[:, 0] = 1.0
    lists = np.array([rng.choice(12, 4, replace=False) for _ in range(5)], np.int32)
    expected = []
    for items in lists:
        cosines = [
            dense[a] @ dense[b] / np.linalg.norm(dense[a]) / np.linalg.norm(dense[b])
            for a in items
            for b in items
            if a != b
        ]
        expected.append(1 - np.mean(cosines))
    np.testing.assert_allclose(intra_list_diversity(lists, sp.csr_array(dense)), expected)


def test_items_without_a_vector_are_refused() -> None:
    with pytest.raises(DataError, match="item row 2 is recommended and there are 2 item vectors"):
        intra_list_diversity(LISTS, sp.csr_array(np.eye(2)))


def test_co_watch_vectors_say_who_had_an_item() -> None:
    vectors = co_watch_vectors(watched([(1, 0, 1), (2, 0, 1), (3, 1, 0)], n_items=3))
    assert vectors.toarray().tolist() == [[0, 1], [1, 0], [0, 0]]


def test_serendipity_is_what_came_true_and_popularity_does_not_say() -> None:
    lists = np.array([[5, 1, 2, -1], [1, 2, 3, 4], [-1, -1, -1, -1]], np.int32)
    obvious = np.array([[1, 0], [0, 9], [1, 2]], np.int32)
    # Query 0: 5 and 1 came true, 1 is obvious. Query 1: nothing listed came true.
    ptr, item = np.array([0, 2, 3, 4]), np.array([1, 5, 7, 1], np.int32)
    np.testing.assert_allclose(serendipity(lists, obvious, ptr, item), [0.25, 0.0, 0.0])
