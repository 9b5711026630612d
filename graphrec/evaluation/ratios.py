"""Ratios of sums over users: bootstrap intervals, and paired tests between policies.

A policy's rate (watches that satisfied over watches) divides two sums that both depend on it, so
a mean of users' own rates would weigh a user of one watch like one of a hundred.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graphrec.errors import DataError
from graphrec.evaluation.intervals import (
    Comparison,
    Interval,
    IntervalSettings,
    draw_users,
    holm,
    in_parts,
    share_of,
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measure by user; its value is the sum of `total` over the sum of `count`.

    Attributes:
        total: What is measured.
        count: What it is divided by, >= 0; a user of 0 has no say.
    """

    total: Float64[np.ndarray, " users"]
    count: Float64[np.ndarray, " users"]

    @property
    def value(self) -> float:
        """The ratio of the sums; NaN where nothing is counted."""
        return float(share_of(self.total.sum(keepdims=True), self.count.sum(keepdims=True))[0])

    @classmethod
    def join(cls, parts: "list[Ratio]") -> "Ratio":
        """The users of all parts, as different users."""
        return cls(
            np.concatenate([part.total for part in parts]),
            np.concatenate([part.count for part in parts]),
        )


def bootstrap_ratios(
    measures: Mapping[str, Ratio], settings: IntervalSettings
) -> dict[str, Interval]:
    """Each ratio with a percentile interval from users drawn with replacement.

    All are read off the same draws.

    Args:
        measures: Measures by name, of the same users.
        settings: Draws, confidence, seed.

    Raises:
        DataError: Two measures have different numbers of users.

    Source:
        Efron and Tibshirani 1993, chapter 13.
    """
    total, count = _columns(measures)
    drawn = _draw(total, count, settings)
    values = share_of(total.sum(axis=0), count.sum(axis=0))
    return dict(zip(measures, _intervals(values, drawn, settings), strict=True))


def compare_ratios(
    first: Mapping[str, Ratio],
    others: Mapping[str, Mapping[str, Ratio]],
    settings: IntervalSettings,
) -> dict[str, dict[str, Comparison]]:
    """Compare policies with the first one, measure by measure, on the same users.

    The interval is a paired bootstrap over users. The p-value comes from swapping the two policies
    for whole users at random; it is at least 1 / (resamples + 1). Holm's correction is for the
    policies compared in one measure.

    Args:
        first: Measures of the policy compared with.
        others: The same measures of other policies, by policy.
        settings: Draws, confidence, seed.

    Raises:
        DataError: Two measures have different numbers of users.

    Source:
        Efron and Tibshirani 1993, chapters 13 and 15 (ratios, two samples, permutation); Holm 1979.
    """
    base = _columns(first)
    differences: dict[str, list[Interval]] = {}
    p_values: dict[str, list[float]] = {}
    for name, measures in others.items():
        mine = _columns({key: measures[key] for key in first})
        if len(mine[0]) != len(base[0]):
            raise DataError(
                f"{len(mine[0])} users of {name} and {len(base[0])} of the first — must be the same"
            )
        drawn = _draw(*mine, settings) - _draw(*base, settings)
        value = share_of(mine[0].sum(axis=0), mine[1].sum(axis=0))
        value -= share_of(base[0].sum(axis=0), base[1].sum(axis=0))
        differences[name] = _intervals(value, drawn, settings)
        p_values[name] = _swap_test(base, mine, settings).tolist()
    found: dict[str, dict[str, Comparison]] = {name: {} for name in others}
    for place, measure in enumerate(first):
        raw = [p_values[name][place] for name in others]
        for name, p_value, p_holm in zip(others, raw, holm(raw), strict=True):
            found[name][measure] = Comparison(differences[name][place], p_value, p_holm)
    return found


_Columns = tuple[Float64[np.ndarray, "users measures"], Float64[np.ndarray, "users measures"]]


def _columns(measures: Mapping[str, Ratio]) -> _Columns:
    sizes = {len(ratio.total) for ratio in measures.values()}
    if len(sizes) > 1:
        raise DataError(f"measures of {sorted(sizes)} users — must be of the same users")
    ratios = list(measures.values())
    total = np.stack([ratio.total for ratio in ratios], axis=1)
    return total, np.stack([ratio.count for ratio in ratios], axis=1)


def _draw(
    total: Float64[np.ndarray, "users measures"],
    count: Float64[np.ndarray, "users measures"],
    settings: IntervalSettings,
) -> Float64[np.ndarray, "draws measures"]:
    rng = np.random.default_rng(settings.seed)
    return np.concatenate(
        [share_of(w @ total, w @ count) for w in draw_users(rng, len(total), settings.resamples)]
    )


def _intervals(
    values: Float64[np.ndarray, " measures"],
    drawn: Float64[np.ndarray, "draws measures"],
    settings: IntervalSettings,
) -> list[Interval]:
    tail = 50.0 * (1.0 - settings.confidence)
    found = []
    for value, column in zip(values.tolist(), drawn.T, strict=True):
        given = column[~np.isnan(column)]
        low, high = np.percentile(given, [tail, 100.0 - tail]) if len(given) else (value, value)
        found.append(Interval(value, float(low), float(high)))
    return found


def _swap_test(
    first: _Columns, second: _Columns, settings: IntervalSettings
) -> Float64[np.ndarray, " measures"]:
    rng = np.random.default_rng(settings.seed)
    sums = [column.sum(axis=0) for column in (*first, *second)]
    moved_total, moved_count = second[0] - first[0], second[1] - first[1]
    observed = np.abs(share_of(sums[2], sums[3]) - share_of(sums[0], sums[1]))
    n_as_large = np.zeros(len(observed))
    n_users = len(moved_total)
    for n_rows in in_parts(n_users, settings.resamples):
        swapped = rng.integers(0, 2, size=(n_rows, n_users), dtype=np.int8).astype(np.float64)
        total, count = swapped @ moved_total, swapped @ moved_count
        difference = share_of(sums[2] - total, sums[3] - count)
        difference -= share_of(sums[0] + total, sums[1] + count)
        # The slack keeps a swap that changes nothing from counting as smaller through rounding;
        # what cannot be computed counts as large.
        n_as_large += (~(np.abs(difference) < observed * (1.0 - 1e-9) - 1e-15)).sum(axis=0)
    return np.asarray((n_as_large + 1) / (settings.resamples + 1))
