"""How many of a request's steps and walks each seed gets."""

from functools import cache

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt64

from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval.seeds import SeedSets
from graphrec.retrieval.walk_settings import WalkSettings


def step_shares(
    seeds: SeedSets, table: WalkTable, settings: WalkSettings
) -> Float64[np.ndarray, " seeds"]:
    """Share of a request's steps that each seed gets.

    Args:
        seeds: The seeds, with their weights w.
        table: Tells each seed's degree d, and the largest one, D.
        settings: Whether degrees count.

    Returns:
        Shares in [0, 1] that sum to 1 within each query.

    Source:
        Eksombatchai et al. 2018, arXiv:1711.07601: s = d·(C − log d), C = log D, N_q = N·w·s / Σ s.
        Here shares are w·s / Σ w·s, so that the weights do not change the number of steps, and
        where that leaves nothing (every seed has the largest degree, or every other's weight has
        faded) w / Σ w, or equal parts.
    """
    share = seeds.weight.copy()
    if settings.degree_budgets:
        degree = table.degree(seeds.node).astype(np.float64)
        log_largest = np.log(max(table.max_degree, 1))
        log_degree = np.log(np.maximum(degree, 1.0))
        share = share * degree * np.maximum(log_largest - log_degree, 0.0)
    query = np.repeat(np.arange(len(seeds)), np.diff(seeds.ptr))
    for fallback in (seeds.weight, np.ones(len(query))):
        total = np.bincount(query, weights=share, minlength=len(seeds))
        share = np.where(total[query] > 0, share, fallback)
    total = np.bincount(query, weights=share, minlength=len(seeds))
    share /= total[query]
    return np.asarray(share, dtype=np.float64)


def walks_per_seed(
    share: Float64[np.ndarray, " seeds"], n_steps: Int64[np.ndarray, " seeds"] | int, length: float
) -> Int32[np.ndarray, " seeds"]:
    """Walks that take a seed's steps, rounded, at least one.

    Args:
        share: Share of the request's steps.
        n_steps: Steps of the request.
        length: Mean steps of a walk that meets no dead end.
    """
    return np.maximum(np.floor(share * n_steps / length + 0.5), 1).astype(np.int32)


def mean_length(settings: WalkSettings) -> float:
    """Mean steps of a walk that meets no dead end."""
    return _mean_length(settings.restart, settings.max_depth)


@cache
def _mean_length(restart: float, max_depth: int) -> float:
    return float(((1.0 - restart) ** np.arange(max_depth)).sum())


def survival_thresholds(settings: WalkSettings) -> UInt64[np.ndarray, " depths"]:
    """A walk goes on after d steps where a 32-bit coin is below entry d; entry 0 is not read."""
    return _survival_thresholds(settings.restart, settings.max_depth)


@cache
def _survival_thresholds(restart: float, max_depth: int) -> UInt64[np.ndarray, " depths"]:
    chance = (1.0 - restart) ** np.arange(max_depth)
    thresholds = np.asarray(np.floor(chance * 2.0**32 + 0.5), dtype=np.uint64)
    thresholds.flags.writeable = False
    return thresholds
