"""Slates by a determinantal point process: the set whose vectors span the largest volume."""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.kernels.slate import Likeness, choose_by_determinant
from graphrec.slate.mmr import with_rest

_LEAST: Final = 1e-9


class DppSettings(BaseModel):
    """How much spread counts against relevance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diversity: float = Field(
        0.5,
        ge=0.01,
        le=1,
        description="β: weight of log det of the similarities; 1 - β of the sum of relevance.",
    )
    places: int = Field(10, ge=1, le=1000, description="First places that are diversified.")


def order_by_dpp(
    relevance: Float64[np.ndarray, " k"], likeness: Likeness, settings: DppSettings
) -> Int64[np.ndarray, " k"]:
    """Order candidates by greedy maximisation of a determinant.

    Each place takes the candidate that adds most to (1 - β) Σ relevance + β log det S, S the
    similarities of those chosen; that is the greedy mode of the process with kernel
    L = diag(q) S diag(q), q = exp((1 - β) / 2β relevance). Time O(places² k).

    Args:
        relevance: Relevance of the candidates, best first.
        likeness: What makes them alike; its matrix must be positive semi-definite, as every
            mix of `ItemSimilarity` is.
        settings: Trade-off and places.

    Returns:
        Positions of the candidates: the first `places` by the process, or fewer where only copies
        of those chosen are left; the others keep their order.

    Source:
        Chen, Zhang and Zhou 2018, arXiv:1709.05135, algorithm 1 and section 4.3.
    """
    n = len(relevance)
    if n == 0:
        return np.empty(0, np.int64)
    places = min(settings.places, n)
    # A common factor of all qualities changes no choice, and this one keeps exp() in range.
    below_best = relevance - relevance.max()
    quality = np.exp((1.0 - settings.diversity) / (2.0 * settings.diversity) * below_best)
    chosen = np.empty(places, np.int64)
    n_chosen = choose_by_determinant(quality, likeness, places, _LEAST, chosen)
    return with_rest(chosen[:n_chosen], n)
