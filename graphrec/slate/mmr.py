"""Maximal marginal relevance: each place takes what is relevant and unlike those above it."""

import numpy as np
from jaxtyping import Float64, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.kernels.slate import Likeness, choose_by_marginal_relevance


class MmrSettings(BaseModel):
    """How much an item's likeness to those above it counts against it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diversity: float = Field(
        0.3, ge=0, le=1, description="β: weight of the largest similarity; 1 - β of relevance."
    )
    places: int = Field(10, ge=1, le=1000, description="First places that are diversified.")


def order_by_mmr(
    relevance: Float64[np.ndarray, " k"], likeness: Likeness, settings: MmrSettings
) -> Int64[np.ndarray, " k"]:
    """Order candidates by maximal marginal relevance.

    Args:
        relevance: Relevance of the candidates, best first, on the scale of similarities.
        likeness: What makes them alike.
        settings: Trade-off and places.

    Returns:
        Positions of the candidates: the first `places` have the largest
        (1 - β) relevance - β max similarity to those chosen before, the others keep their order.
        Ties go to the better candidate.

    Source:
        Carbonell and Goldstein 1998, doi:10.1145/290941.291025.
    """
    places = min(settings.places, len(relevance))
    chosen = np.empty(places, np.int64)
    choose_by_marginal_relevance(relevance, likeness, settings.diversity, places, chosen)
    return with_rest(chosen, len(relevance))


def with_rest(chosen: Int64[np.ndarray, " places"], n: int) -> Int64[np.ndarray, " k"]:
    """`chosen`, then the other positions below `n` in order."""
    left = np.ones(n, np.bool_)
    left[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(left)])
