"""Scores of any ranker on one scale, so that they can be weighed against similarity."""

from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

Scaling = Literal["min_max", "rank", "none"]


def scale_relevance(
    score: Float32[np.ndarray, " k"], scaling: Scaling
) -> Float64[np.ndarray, " k"]:
    """Relevance of candidates from their scores.

    Args:
        score: Finite scores of one query, best first.
        scaling: `min_max` maps the scores to [0, 1] in a straight line, `rank` gives the first 1
            and the last 0 in even steps, `none` takes them as they are.

    Returns:
        Relevance; 1 throughout under `min_max` where all scores are equal.
    """
    value = score.astype(np.float64)
    n = len(value)
    if scaling == "none" or n == 0:
        return value
    if scaling == "rank":
        return 1.0 - np.arange(n) / max(n - 1, 1)
    low, high = value.min(), value.max()
    return (value - low) / (high - low) if high > low else np.ones(n)
