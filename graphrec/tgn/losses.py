"""How far the score of what happened stands below the scores of what could have happened."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from graphrec.tgn.settings import LossSettings

_NEVER: Final = -1e9
"""Logit of what is left out; an infinite one has no gradient where all of a row is left out."""


class Candidates(NamedTuple):
    """Items that a batch's positives are compared with, the same ones for every query.

    Attributes:
        item: The batch's own positives first, then uniform draws; an item may stand several times.
        log_expected: Log of how often each item is expected among the draws of others.
    """

    item: Int[Tensor, " candidates"]
    log_expected: Float[Tensor, " candidates"] | Float[Tensor, "queries candidates"]


class OwnCandidates(NamedTuple):
    """Items that one query's positive is compared with beside the shared ones.

    Attributes:
        item: What was drawn for each query.
        score: Its score.
        log_expected: Log of how often it is expected among all draws of its query, shared ones
            included; infinite where nothing was drawn.
    """

    item: Int[Tensor, "queries own"]
    score: Float[Tensor, "queries own"]
    log_expected: Float[Tensor, "queries own"]


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
    expected = expected_draws(len(target), share, settings)
    return Candidates(item, torch.log(expected.clamp(min=1e-12))[item])


def expected_draws(
    n_queries: int, share: Float[Tensor, " items"], settings: LossSettings
) -> Float[Tensor, " items"]:
    """How often each item is expected among the candidates that a query shares with all others."""
    n_in_batch = n_queries - 1 if settings.in_batch else 0
    return n_in_batch * share + settings.n_uniform / len(share)


def with_given(
    loss: Float[Tensor, " queries"],
    positive: Float[Tensor, " queries"],
    score: Float[Tensor, "queries given"],
    log_count: Float[Tensor, "queries given"],
) -> Float[Tensor, " queries"]:
    """The loss after more exponentials have joined the softmax's sum.

    Given negatives count in full beside whatever was drawn: the sum is meant to be larger there
    than the softmax over all items has it.

    Args:
        loss: Of `full_softmax` or `sampled_softmax`.
        positive: Score of each query's target.
        score: Scores of what each query is compared with besides.
        log_count: Log of how often each of those counts; -inf for not at all.
    """
    more = torch.logsumexp((score + log_count).clamp(min=_NEVER), dim=1) - positive
    return torch.logaddexp(loss, more)


def sampled_softmax(
    score: Float[Tensor, "queries candidates"],
    candidates: Candidates,
    *,
    in_batch: bool = True,
    usable: Bool[Tensor, " queries"] | None = None,
    own: OwnCandidates | None = None,
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
        own: Draws of each query alone.

    Source:
        Bengio and Senecal 2008, doi:10.1109/TNN.2007.912312; the correction of in-batch draws is
        that of Yi et al. 2019, doi:10.1145/3298689.3346996, but not applied to the positive.
    """
    n_queries = len(score)
    diagonal = torch.arange(n_queries, device=score.device)
    target = candidates.item[:n_queries]
    left_out = candidates.item[None, :] == target[:, None]
    if not in_batch:
        left_out[:, :n_queries] = True
    elif usable is not None:
        left_out[:, :n_queries] |= ~usable
    corrected = (score - candidates.log_expected).masked_fill(left_out, _NEVER)
    if own is not None:
        left_out = (own.item == target[:, None]) | torch.isinf(own.log_expected)
        more = (own.score - own.log_expected).masked_fill(left_out, _NEVER)
        corrected = torch.cat([corrected, more], dim=1)
    positive = score[diagonal, diagonal]
    return torch.logaddexp(torch.logsumexp(corrected, dim=1), positive) - positive
