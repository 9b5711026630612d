"""Means of units that were observed rarely, drawn toward what they belong to (credibility)."""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

_FEW: Final = 4096
_ROUNDS: Final = 50
_CLOSE: Final = 1e-6


def credibility_count(
    count: Float64[np.ndarray, " units"],
    total: Float64[np.ndarray, " units"],
    squares: Float64[np.ndarray, " units"],
    group: Int64[np.ndarray, " units"],
) -> float:
    """How many observations the mean of its group is worth beside a unit's own: σ²/τ².

    σ² is the variance within a unit, τ² that of units' true means within a group, both by moments.

    Args:
        count: Observations of each unit.
        total: Their sums.
        squares: Sums of their squares.
        group: Group of each unit, >= 0.

    Returns:
        At least 0; infinite where units differ no more than chance makes them, or cannot be told.

    Source:
        Bühlmann and Straub 1970, by the estimators of Bühlmann and Gisler 2005, section 4.8, with
        means taken within groups.
    """
    known = count > 0
    count, total, squares, group = count[known], total[known], squares[known], group[known]
    mean = total / count
    spare = float((count - 1).sum())
    group_count = np.bincount(group, count)
    used = group_count > 0
    group_mean = np.divide(
        np.bincount(group, total), group_count, out=np.zeros(len(group_count)), where=used
    )
    own_share = np.bincount(group, count**2)[used] / group_count[used]
    scale = float(count.sum() - own_share.sum())
    if spare <= 0 or scale <= 0:
        return float("inf")
    within = max(float((squares - count * mean**2).sum()) / spare, 0.0)
    n_spare_units = len(count) - int(used.sum())
    between = float((count * (mean - group_mean[group]) ** 2).sum()) - n_spare_units * within
    between /= scale
    return within / between if between > 0 else float("inf")


def shrunk(
    total: Float64[np.ndarray, " units"],
    count: Float64[np.ndarray, " units"],
    prior_mean: Float64[np.ndarray, " units"],
    prior_count: float,
) -> Float64[np.ndarray, " units"]:
    """Means, each drawn toward its prior as if that rested on `prior_count` observations."""
    if np.isinf(prior_count):
        return prior_mean.copy()
    weight = count + prior_count
    known = weight > 0
    value = prior_mean.copy()
    np.divide(total + prior_count * prior_mean, weight, out=value, where=known)
    return value


class CrossedSums:
    """Observations of pairs, such as of a user with an item: their number, sum and squares.

    After any batches it holds exactly what one batch of all of them gives, where values are whole
    numbers whose squares add up to less than 2^53. Batches are put together when their observations
    are as many as the pairs known.
    """

    def __init__(self) -> None:
        """Start without an observation."""
        none = np.empty(0, np.int64)
        self._first, self._second, self._count = none, none, none
        self._total, self._squares = np.empty(0), np.empty(0)
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._n_waiting = 0

    def __len__(self) -> int:
        """Distinct pairs."""
        self._put_together()
        return len(self._count)

    def add(
        self,
        first: Int64[np.ndarray, " observations"],
        second: Int64[np.ndarray, " observations"],
        value: Float64[np.ndarray, " observations"],
    ) -> None:
        """Count observations of pairs; rows are >= 0."""
        if not len(value):
            return
        self._waiting.append((first.copy(), second.copy(), value.copy()))
        self._n_waiting += len(value)
        if self._n_waiting > max(len(self._count), _FEW):
            self._put_together()

    def _put_together(self) -> None:
        if not self._n_waiting:
            return
        columns = zip((self._first, self._second, self._total[:0]), *self._waiting, strict=True)
        first, second, value = (np.concatenate(parts) for parts in columns)
        self._waiting, self._n_waiting = [], 0
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        begins = np.ones(len(order), bool)
        begins[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        at = np.flatnonzero(begins)

        def summed(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.add.reduceat(np.concatenate([old, new])[order], at)

        self._count = summed(self._count, np.ones(len(value), np.int64))
        self._total = summed(self._total, value)
        self._squares = summed(self._squares, value**2)
        self._first, self._second = first[at], second[at]

    def means_of_second(
        self,
        n_second: int,
        group: Int64[np.ndarray, " units"],
        prior_count: float | None,
    ) -> tuple[Float64[np.ndarray, " units"], float]:
        """What the second of a pair brings, whoever the first is.

        An observation is the mean of its second plus what its first has more than others; both
        are estimated in turn, each by what the other leaves, until they stay or for 50 rounds:
        where most firsts have met a single second, the two can hardly be told apart.

        Args:
            n_second: Number of seconds.
            group: Group of each, >= 0, whose mean rare ones lean on.
            prior_count: See `shrunk`; None: estimated.

        Returns:
            The mean of each second with an average first, and what its group's mean is worth
            beside its own observations.

        Source:
            Dannenburg 1995, "Crossed classification credibility models", by its iterative
            estimators, with groups of the seconds beside.
        """
        self._put_together()
        if not len(self._count):
            return np.zeros(n_second), float("inf") if prior_count is None else prior_count
        n_first = int(self._first.max(initial=-1)) + 1
        count = self._count.astype(np.float64)
        count_of_first = np.bincount(self._first, count, minlength=n_first)
        count_of_second = np.bincount(self._second, count, minlength=n_second)
        everyone = np.zeros(n_first, np.int64)
        more = np.zeros(n_first)
        mean, prior = np.zeros(n_second), float("inf")
        for _ in range(_ROUNDS):
            before = mean
            total, squares = self._less(more[self._first])
            mean, prior = means_within(
                count_of_second,
                np.bincount(self._second, total, minlength=n_second),
                np.bincount(self._second, squares, minlength=n_second),
                group,
                prior_count,
            )
            if np.abs(mean - before).max(initial=0.0) <= _CLOSE * np.abs(mean).max(initial=0.0):
                break
            total, squares = self._less(mean[self._second])
            total = np.bincount(self._first, total, minlength=n_first)
            squares = np.bincount(self._first, squares, minlength=n_first)
            own_prior = credibility_count(count_of_first, total, squares, everyone)
            more = shrunk(total, count_of_first, np.zeros(n_first), own_prior)
            more -= np.average(more, weights=count_of_first)
        return mean, prior

    def _less(
        self, value: Float64[np.ndarray, " pairs"]
    ) -> tuple[Float64[np.ndarray, " pairs"], Float64[np.ndarray, " pairs"]]:
        """Sums and squares of observations less a value of each pair."""
        total = self._total - self._count * value
        return total, self._squares - 2 * value * self._total + self._count * value**2


def means_within(
    count: Float64[np.ndarray, " units"],
    total: Float64[np.ndarray, " units"],
    squares: Float64[np.ndarray, " units"],
    group: Int64[np.ndarray, " units"],
    prior_count: float | None,
) -> tuple[Float64[np.ndarray, " units"], float]:
    """The mean of each unit, drawn toward that of its group, and that toward the mean of all.

    Args:
        count: Observations of each unit.
        total: Their sums.
        squares: Sums of their squares.
        group: Group of each unit, >= 0.
        prior_count: Observations that a group's mean is worth beside a unit's own; None: as
            `credibility_count` estimates it.

    Returns:
        The means, and the prior count.
    """
    n_groups = int(group.max(initial=0)) + 1
    group_count = np.bincount(group, count, minlength=n_groups)
    group_sum = np.bincount(group, total, minlength=n_groups)
    group_squares = np.bincount(group, squares, minlength=n_groups)
    mean = np.full(n_groups, total.sum() / max(count.sum(), 1.0))
    everyone = np.zeros(n_groups, np.int64)
    group_prior = credibility_count(group_count, group_sum, group_squares, everyone)
    group_mean = shrunk(group_sum, group_count, mean, group_prior)
    prior = credibility_count(count, total, squares, group) if prior_count is None else prior_count
    return shrunk(total, count, group_mean[group], prior), prior
