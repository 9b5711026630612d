"""Ranks on the device are those of the evaluation."""

import numpy as np
import pytest
import torch

from graphrec.evaluation.ranks import ItemLists, rank_targets
from graphrec.tgn.ranking import hit_rate, mean_ndcg, mean_reciprocal_rank, target_ranks


@pytest.mark.parametrize("seed", range(6))
def test_ranks_agree_with_the_evaluation_ties_and_exclusions_included(seed):
    rng = np.random.default_rng(seed)
    n, n_items = 12, 15
    score = rng.integers(0, 5, (n, n_items)).astype(np.float32)
    target = rng.integers(0, n_items, n)
    excluded = np.where(rng.random((n, 6)) < 0.3, -1, rng.integers(0, n_items, (n, 6)))
    lists = [row[row >= 0].astype(np.int32) for row in excluded]
    ptr = np.cumsum([0, *(len(row) for row in lists)]).astype(np.int64)
    expected = rank_targets(
        score,
        ItemLists.of_pointers(np.arange(n + 1, dtype=np.int64), target.astype(np.int32)),
        excluded=ItemLists.of_pointers(ptr, np.concatenate(lists)),
    ).rank
    found = target_ranks(torch.tensor(score), torch.tensor(target), torch.tensor(excluded))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_figures_by_hand():
    rank = torch.tensor([1.0, 2.0, 20.0, 1.5], dtype=torch.float64)
    assert mean_reciprocal_rank(rank) == pytest.approx((1 + 0.5 + 0.05 + 1 / 1.5) / 4)
    assert mean_ndcg(rank) == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(2.5)) / 4)
    assert hit_rate(rank) == 0.75
