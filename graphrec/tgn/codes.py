"""Identity vectors to start from: far apart, so that a sum of a few of them still names each."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

SPREAD_UP_TO: Final = 2000
_STEPS: Final = 200


def random_codes(n: int, dim: int, generator: torch.Generator) -> Float[Tensor, "nodes dim"]:
    """Vectors of length sqrt(dim) in random directions."""
    code = torch.randn(n, dim, generator=generator)
    return code / code.norm(dim=1, keepdim=True).clamp(min=1e-12) * dim**0.5


def spread_codes(n: int, dim: int, generator: torch.Generator) -> Float[Tensor, "nodes dim"]:
    """Vectors of length sqrt(dim) whose largest cosines are small; orthogonal where `n <= dim`.

    Starts orthogonal block by block, then lowers the sum of the fourth powers of all cosines.

    Args:
        n: How many; time and memory grow with its square.
        dim: Their length.
        generator: Where they start.
    """
    blocks = [
        torch.linalg.qr(torch.randn(dim, dim, generator=generator))[0] for _ in range(-(-n // dim))
    ]
    code = torch.cat(blocks)[:n]
    if n > dim:
        code = code.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([code], lr=0.03 / dim**0.5)
        for _ in range(_STEPS):
            unit = torch.nn.functional.normalize(code, dim=1)
            cosine = unit @ unit.T
            cosine = cosine - torch.diag_embed(torch.diagonal(cosine))
            optimizer.zero_grad()
            cosine.pow(4).sum().backward()
            optimizer.step()
        code = torch.nn.functional.normalize(code.detach(), dim=1)
    return code * dim**0.5
