"""How sure a figure is: bootstrap intervals over users, and paired tests between two sources.

Queries of one user are not independent, so users are drawn, with all of their queries.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32
from pydantic import BaseModel, ConfigDict, Field

# 32 MiB of weights at a time.
_MAX_DRAWN: Final = 1 << 22


class IntervalSettings(BaseModel):
    """How intervals and tests are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(1000, ge=100, le=100_000, description="Bootstrap and permutation draws.")
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="Share of draws inside.")
    seed: int = Field(0, ge=0, description="Equal seeds give equal intervals.")


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it may lie.

    Attributes:
        value: Mean over the queries.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sources on the same queries.

    Attributes:
        difference: Mean of the second less the mean of the first, with its interval.
        p_value: Chance of a difference this large if the two were alike, two-sided.
        p_holm: The same, corrected by Holm for the number of comparisons made together.
    """

    difference: Interval
    p_value: float
    p_holm: float


def bootstrap_means(
    values: Mapping[str, Float64[np.ndarray, " queries"]],
    user_row: Int32[np.ndarray, " queries"],
    settings: IntervalSettings,
) -> dict[str, Interval]:
    """Mean of each of `values`, with a percentile interval from users drawn with replacement.

    All values are read off the same draws. Queries whose value is NaN are left out of that value,
    and draws without any; a value without any query is NaN three times.

    Args:
        values: Figures for each query, by name.
        user_row: Who asked; all queries of a user are drawn together.
        settings: Draws, confidence, seed.

    Source:
        Efron and Tibshirani 1993, chapter 13; clusters as in Davison and Hinkley 1997, 3.8.
    """
    if not values or not len(user_row):
        return {name: Interval(float("nan"), float("nan"), float("nan")) for name in values}
    sums = [_per_user(value, user_row) for value in values.values()]
    total = np.stack([one for one, _ in sums], axis=1)
    count = np.stack([one for _, one in sums], axis=1)
    rng = np.random.default_rng(settings.seed)
    drawn = np.concatenate(
        [share_of(w @ total, w @ count) for w in draw_users(rng, len(total), settings.resamples)]
    )
    tail = 50.0 * (1.0 - settings.confidence)
    means = share_of(total.sum(axis=0), count.sum(axis=0))
    intervals = {}
    for name, mean, column in zip(values, means.tolist(), drawn.T, strict=True):
        given = column[~np.isnan(column)]
        low, high = np.percentile(given, [tail, 100.0 - tail]) if len(given) else (mean, mean)
        intervals[name] = Interval(mean, float(low), float(high))
    return intervals


def compare_with(
    first: Float64[np.ndarray, " queries"],
    others: Mapping[str, Float64[np.ndarray, " queries"]],
    user_row: Int32[np.ndarray, " queries"],
    settings: IntervalSettings,
) -> dict[str, Comparison]:
    """Compare each of `others` with `first`, query by query.

    The interval is a paired bootstrap over users. The p-value comes from swapping the two sources
    for whole users at random; it is at least 1 / (resamples + 1).

    Args:
        first: A metric of the source compared with, for each query.
        others: The same metric of other sources, by name, for the same queries.
        user_row: Who asked.
        settings: Draws, confidence, seed.

    Source:
        Smucker, Allan and Carterette 2007, doi:10.1145/1321440.1321528 (randomisation test),
        by user; Holm 1979.
    """
    paired = {name: value - first for name, value in others.items()}
    differences = bootstrap_means(paired, user_row, settings)
    p_values = {name: _swap_test(value, user_row, settings) for name, value in paired.items()}
    corrected = holm(list(p_values.values()))
    return {
        name: Comparison(differences[name], p_values[name], p_holm)
        for name, p_holm in zip(others, corrected, strict=True)
    }


def holm(p_values: list[float]) -> list[float]:
    """Correct p-values for being several: step-down by Holm, in the order given."""
    n = len(p_values)
    order = sorted(range(n), key=lambda at: p_values[at])
    corrected = [0.0] * n
    so_far = 0.0
    for place, at in enumerate(order):
        so_far = max(so_far, min(1.0, (n - place) * p_values[at]))
        corrected[at] = so_far
    return corrected


def _swap_test(
    difference: Float64[np.ndarray, " queries"],
    user_row: Int32[np.ndarray, " queries"],
    settings: IntervalSettings,
) -> float:
    total, _ = _per_user(difference, user_row)
    rng = np.random.default_rng(settings.seed)
    observed = abs(float(total.sum()))
    n_as_large = 0
    for n_rows in in_parts(len(total), settings.resamples):
        sign = rng.integers(0, 2, size=(n_rows, len(total)), dtype=np.int8) * 2.0 - 1.0
        # The slack keeps a swap that changes nothing from counting as smaller through rounding.
        n_as_large += int((np.abs(sign @ total) >= observed * (1.0 - 1e-12)).sum())
    return (n_as_large + 1) / (settings.resamples + 1)


def _per_user(
    value: Float64[np.ndarray, " queries"], user_row: Int32[np.ndarray, " queries"]
) -> tuple[Float64[np.ndarray, " users"], Float64[np.ndarray, " users"]]:
    """Sum and number of the values of each user."""
    _, user = np.unique(user_row, return_inverse=True)
    given = ~np.isnan(value)
    total = np.bincount(user, np.where(given, value, 0.0))
    return total, np.bincount(user, given.astype(np.float64))


def share_of(
    total: Float64[np.ndarray, " ..."], count: Float64[np.ndarray, " ..."]
) -> Float64[np.ndarray, " ..."]:
    """`total` over `count`; NaN where the count is 0."""
    out = np.full(total.shape, np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out


def draw_users(
    rng: np.random.Generator, n_users: int, resamples: int
) -> Iterator[Float64[np.ndarray, "draws users"]]:
    """How often each user is drawn when as many are drawn as there are."""
    for n_rows in in_parts(n_users, resamples):
        drawn = rng.integers(0, n_users, size=(n_rows, n_users))
        drawn += np.arange(n_rows)[:, None] * n_users
        counts = np.bincount(drawn.ravel(), minlength=n_rows * n_users)
        yield counts.reshape(n_rows, n_users).astype(np.float64)


def in_parts(n_users: int, resamples: int) -> Iterator[int]:
    """Sizes of parts of all draws, each small enough to hold a number for each user."""
    step = max(1, _MAX_DRAWN // max(1, n_users))
    for start in range(0, resamples, step):
        yield min(step, resamples - start)
