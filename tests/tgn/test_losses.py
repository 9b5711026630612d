"""The sampled softmax estimates the full one."""

import pytest
import torch

from graphrec.tgn.losses import Candidates, draw_candidates, full_softmax, sampled_softmax
from graphrec.tgn.settings import LossSettings


def skewed_world(n_items=40):
    generator = torch.Generator().manual_seed(0)
    share = torch.rand(n_items, generator=generator) ** 4 + 0.01
    return share / share.sum(), torch.randn(n_items, generator=generator)


def mean_partition(settings, correct=lambda expected: expected, n_draws=3000):
    """Mean over draws of the estimated sum of exponentials of one query, over the true sum."""
    share, score = skewed_world()
    torch.manual_seed(1)
    sums = []
    for _ in range(n_draws):
        target = torch.multinomial(share, 16, replacement=True)
        target[0] = 7
        drawn = draw_candidates(target, share, settings)
        drawn = Candidates(drawn.item, correct(drawn.log_expected))
        loss = sampled_softmax(score[drawn.item].expand(16, -1), drawn, in_batch=settings.in_batch)[
            0
        ]
        sums.append(torch.exp(loss + score[7]))
    return float(torch.stack(sums).mean() / torch.exp(score).sum())


@pytest.mark.parametrize(
    "settings",
    [
        LossSettings(kind="sampled", n_uniform=24),
        LossSettings(kind="sampled", n_uniform=64, in_batch=False),
        LossSettings(kind="sampled", n_uniform=8),
    ],
)
def test_the_sum_of_exponentials_is_right_on_average(settings):
    assert mean_partition(settings) == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("wrong", [lambda e: -e, lambda e: 0 * e, lambda e: 2 * e])
def test_another_sign_or_strength_of_the_correction_is_off(wrong):
    settings = LossSettings(kind="sampled", n_uniform=160)
    assert abs(mean_partition(settings, wrong, 500) - 1) > 0.2


def test_draws_of_the_own_positive_are_left_out():
    drawn = Candidates(torch.tensor([3, 3, 3]), torch.zeros(3))
    assert sampled_softmax(torch.ones(2, 3), drawn).tolist() == [0.0, 0.0]


def test_full_softmax_by_hand():
    loss = full_softmax(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([2]))
    assert loss.tolist() == [pytest.approx(1.3862944)]
