"""Where what happened came out among all items, on the device that scored them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def target_ranks(
    score: Float[Tensor, "queries items"],
    target: Int[Tensor, " queries"],
    excluded: Int[Tensor, "queries excluded"],
) -> Float[Tensor, " queries"]:
    """Tie-averaged rank of each query's target: 1 + half of (#higher + #higher or equal).

    Args:
        score: Score of every item.
        target: What happened; always a candidate.
        excluded: Items that are no candidates, -1 for none.

    Source:
        Huang et al. 2023, arXiv:2307.01026; the same ranks as the evaluation's.
    """
    n_items = score.shape[1]
    own = score.gather(1, target[:, None])
    open_score = torch.cat([score, score.new_full((len(score), 1), float("-inf"))], dim=1)
    hidden = torch.where(excluded < 0, n_items, excluded)
    open_score = open_score.scatter(1, hidden, float("-inf")).scatter(1, target[:, None], own)
    higher = (open_score > own).sum(1)
    as_high = (open_score >= own).sum(1) - 1
    return 1 + (higher + as_high).double() / 2


def mean_reciprocal_rank(rank: Float[Tensor, " queries"]) -> float:
    """Mean of 1 / rank, in (0, 1]."""
    return float((1 / rank).mean())


def mean_ndcg(rank: Float[Tensor, " queries"], k: int = 10) -> float:
    """Mean of 1 / log2(1 + rank) where the rank is at most `k`, in [0, 1]."""
    gain = torch.where(rank <= k, 1 / torch.log2(1 + rank), 0.0)
    return float(gain.mean())


def hit_rate(rank: Float[Tensor, " queries"], k: int = 10) -> float:
    """Share of ranks of at most `k`, in [0, 1]."""
    return float((rank <= k).double().mean())
