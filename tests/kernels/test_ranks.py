"""Ranks and best candidates agree with the slow twin, serial and parallel."""

import numpy as np
import pytest

from graphrec.kernels.ranks import rank_rows, rank_rows_parallel
from tests.reference.ranks import best_items, rank_one_target

N_ITEMS = 12
K = 5


@pytest.fixture(params=[rank_rows, rank_rows_parallel], ids=["serial", "parallel"])
def kernel(request):
    return request.param


def random_lists(rng, n_queries, sizes):
    lists = [
        sorted(rng.choice(N_ITEMS, size=rng.integers(*sizes), replace=False).tolist())
        for _ in range(n_queries)
    ]
    ptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return lists, ptr, np.array([item for one in lists for item in one], dtype=np.int32)


@pytest.mark.parametrize("seed", range(8))
def test_kernel_agrees_with_its_twin_on_tied_scores(kernel, seed):
    rng = np.random.default_rng(seed)
    n_queries = 25
    # Few distinct values, so that most ranks hold ties; -1 and 0 must not be kept on top.
    scores = rng.integers(-1, 4, size=(n_queries, N_ITEMS)).astype(np.float32)
    targets, target_ptr, target_item = random_lists(rng, n_queries, (1, 4))
    excluded, exclude_ptr, exclude_item = random_lists(rng, n_queries, (0, 6))
    available_from_s = rng.integers(0, 10, N_ITEMS)
    time_s = rng.integers(4, 10, n_queries)
    rank = np.empty(len(target_item))
    n_candidates = np.empty(n_queries, np.int32)
    n_nan = np.empty(n_queries, np.int32)
    top_item = np.empty((n_queries, K), np.int32)
    kernel(
        scores,
        target_ptr[:-1],
        target_ptr[1:],
        target_item,
        exclude_ptr[:-1],
        exclude_ptr[1:],
        exclude_item,
        available_from_s,
        time_s,
        rank,
        n_candidates,
        n_nan,
        top_item,
    )
    for query in range(n_queries):
        late = {item for item in range(N_ITEMS) if available_from_s[item] > time_s[query]}
        mine = targets[query]
        out = (late | set(excluded[query])) - set(mine)
        expected = [
            rank_one_target(scores[query], item, [other for other in mine if other != item], out)
            for item in mine
        ]
        np.testing.assert_array_equal(rank[target_ptr[query] : target_ptr[query + 1]], expected)
        assert n_candidates[query] == N_ITEMS - len(out)
        assert top_item[query].tolist() == best_items(scores[query], mine, out, K)
    assert not n_nan.any()


def test_kernel_counts_scores_that_are_not_numbers(kernel):
    scores = np.array([[1, np.nan, np.nan], [1, 2, 3]], dtype=np.float32)
    one = np.array([0, 1]), np.array([1, 2]), np.array([0, 2], dtype=np.int32)
    none = np.zeros(2, np.int64), np.zeros(2, np.int64), np.empty(0, np.int32)
    n_nan = np.empty(2, np.int32)
    kernel(
        scores,
        *one,
        *none,
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty(2),
        np.empty(2, np.int32),
        n_nan,
        np.empty((2, 0), np.int32),
    )
    assert n_nan.tolist() == [2, 0]
