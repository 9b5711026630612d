"""Identity vectors to start from."""

import pytest
import torch

from graphrec.tgn.codes import random_codes, spread_codes


def worst_cosine(code):
    unit = torch.nn.functional.normalize(code, dim=1)
    return float((unit @ unit.T - torch.eye(len(code))).abs().max())


@pytest.mark.parametrize(("n", "dim"), [(5, 16), (16, 16)])
def test_few_codes_are_orthogonal(n, dim):
    assert worst_cosine(spread_codes(n, dim, torch.Generator().manual_seed(0))) < 1e-5


def test_many_codes_are_farther_apart_than_random_ones():
    spread = spread_codes(100, 16, torch.Generator().manual_seed(0))
    drawn = random_codes(100, 16, torch.Generator().manual_seed(0))
    assert worst_cosine(spread) < 0.75 * worst_cosine(drawn)


@pytest.mark.parametrize("make", [random_codes, spread_codes])
def test_codes_have_length_root_dim_and_depend_on_the_seed_alone(make):
    one, same, other = (make(40, 16, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    torch.testing.assert_close(one.norm(dim=1), torch.full((40,), 4.0))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
