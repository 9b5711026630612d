"""How far the score of what happened stands below the scores of what could have happened."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from graphrec.tgn.settings import LossSettings


class Candidates(NamedTuple):
    """Items that a batch's positives are compared with, the same ones for every query.

    Attributes:
        item: The batch's own positives first, then uniform draws; an item may stand several times.
        log_expected: Log of how often each item is expected among the draws of others.
    """

    item: Int[Tensor, " candidates"]
    log_expected: Float[Tensor, " candidates"]


def full_softmax(
    score: Float[Tensor, "queries items"], target: Int[Tensor, " queries"]
) -> Float[Tensor, " queries"]:
    """Negative log of the share that the softmax over all items gives to the target."""
    return functional.cross_entropy(score, target, reduction="none")


def draw_candidates(
    target: Int[Tensor, " queries"],
    share: Float[Tensor, " items"],
    settings: LossSettings,
) -> Candidates:
    """The batch's positives and uniform items.

    Args:
        target: Positive item of each query.
        share: Share of the training events that each item has, summing to 1.
        settings: How many of which.

    Source:
        Yang et al. 2020, doi:10.1145/3366424.3386195 (mixed negative sampling).
    """
    n_items, device = len(share), share.device
    uniform = torch.randint(n_items, (settings.n_uniform,), device=device)
    item = torch.cat([target, uniform])
    n_in_batch = len(target) - 1 if settings.in_batch else 0
    expected = n_in_batch * share + settings.n_uniform / n_items
    return Candidates(item, torch.log(expected.clamp(min=1e-12))[item])


def sampled_softmax(
    score: Float[Tensor, "queries candidates"],
    candidates: Candidates,
    *,
    in_batch: bool = True,
    usable: Bool[Tensor, " queries"] | None = None,
) -> Float[Tensor, " queries"]:
    """An estimate of `full_softmax` from the scores of drawn candidates.

    Every negative counts 1 / (its expected number of draws), so that the sum of exponentials is
    right on average, whatever is drawn how often; the positive counts once. Other draws of a
    query's own positive are left out.

    Args:
        score: Scores; query q's own positive is candidate q.
        candidates: What was drawn.
        in_batch: Whether other queries' positives are negatives.
        usable: Whose positives may be; None: everybody's.

    Source:
        Bengio and Senecal 2008, doi:10.1109/TNN.2007.912312; the correction of in-batch draws is
        that of Yi et al. 2019, doi:10.1145/3298689.3346996, but not applied to the positive.
    """
    n_queries = len(score)
    own = torch.arange(n_queries, device=score.device)
    target = candidates.item[:n_queries]
    left_out = candidates.item[None, :] == target[:, None]
    if not in_batch:
        left_out[:, :n_queries] = True
    elif usable is not None:
        left_out[:, :n_queries] |= ~usable
    corrected = (score - candidates.log_expected).masked_fill(left_out, float("-inf"))
    positive = score[own, own]
    return torch.logaddexp(torch.logsumexp(corrected, dim=1), positive) - positive
