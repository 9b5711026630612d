"""What a policy would have earned on pages that another one showed.

Three views of a page, each exact under what it assumes of rewards r, items a and weights w = target
over logging probability, place by place:

- `independent`: a place is judged with the items above it as logged; its weight is its own w. The
  value is that of handing one place after the other to the target.
- `cascade`: the reward of a place depends on the items at it and above it; its weight is the
  product of w down to it.
- `page`: nothing is assumed; every place has the product over the whole page.

All take the length of pages as given.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import t as student

from graphrec.errors import DataError
from graphrec.evaluation.intervals import Interval
from graphrec.evaluation.logged_pages import LoggedPages, TargetPolicy

# 32 MiB of draws at a time.
_MAX_DRAWN: Final = 1 << 22


class OffPolicySettings(BaseModel):
    """What is estimated, and how surely."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: Literal["items", "pages"] = Field(
        "items",
        description="`items`: rewards of a page added up; `pages`: 1 if any is above 0, else 0.",
    )
    view: Literal["independent", "cascade", "page"] = Field(
        "independent", description="What places depend on; `pages` rewards are seen as `page`."
    )
    clip: float | None = Field(
        None, gt=0, le=1e9, description="Weights are cut at this, at a bias; null: they are not."
    )
    most_unsupported: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Most of the target's mass that logging could not show, share.",
    )
    interval: Literal["normal", "bootstrap"] = Field(
        "normal", description="Student's t with the jackknife over users, or percentiles of draws."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Share of intervals that cover.")
    resamples: int = Field(1000, ge=100, le=100_000, description="Bootstrap draws of users.")
    seed: int = Field(0, ge=0, description="Equal seeds give equal bootstraps.")


@dataclass(frozen=True, slots=True)
class RewardModel:
    """Predicted rewards, learned from other pages than those reweighted.

    Columns are places; for `pages` rewards a single one.

    Attributes:
        logged: Prediction for the logged item at its place.
        target: Mean prediction over the target's items at the place, given the logged ones above.
    """

    logged: Float64[np.ndarray, "pages columns"]
    target: Float64[np.ndarray, "pages columns"]


@dataclass(frozen=True, slots=True)
class OffPolicyValue:
    """Estimates of the target's value a page, and how far to trust them.

    Attributes:
        ips: Inverse propensity score.
        snips: The same, self-normalised place by place.
        dr: Doubly robust; None without a reward model.
        sndr: The same, self-normalised.
        logged: What the logging policy earned.
        effective_size: Evenly weighted observations that carry as much: (Σ w)² / Σ w².
        n_weighed: Observations: places with an item, or pages for `pages` rewards.
        mean_weight: Mean weight; far from 1, propensities or probabilities are wrong.
        max_weight: Largest weight.
        clipped: Share of weights that were cut.
        unsupported: Share of the target's mass that the logging policy could not have shown.
        n_pages: Pages.
        n_users: Users.
    """

    ips: Interval
    snips: Interval
    dr: Interval | None
    sndr: Interval | None
    logged: Interval
    effective_size: float
    n_weighed: int
    mean_weight: float
    max_weight: float
    clipped: float
    unsupported: float
    n_pages: int
    n_users: int


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Pages by columns: places, or the page as one. `before` weighs what stands above."""

    shown: Bool[np.ndarray, "pages columns"]
    reward: Float64[np.ndarray, "pages columns"]
    weight: Float64[np.ndarray, "pages columns"]
    before: Float64[np.ndarray, "pages columns"]
    clipped: float


def estimate_value(
    pages: LoggedPages,
    target: TargetPolicy,
    settings: OffPolicySettings,
    model: RewardModel | None = None,
) -> OffPolicyValue:
    """Estimate what a target policy would earn a page, from pages that another policy showed.

    Args:
        pages: The logged pages.
        target: Probabilities of the logged items under the target.
        settings: What is estimated.
        model: Predicted rewards, for the doubly robust estimates.

    Returns:
        Means over pages, with intervals from whole users. IPS and DR are unbiased if propensities
        are right and no weight is clipped; the self-normalised ones are consistent.

    Raises:
        DataError: A record breaks its rules, the target has more mass than allowed where logging
            has none, or it shows nothing that was logged.

    Source:
        Horvitz and Thompson 1952 (IPS); Swaminathan and Joachims 2015 (SNIPS); Dudík, Langford and
        Li 2011, arXiv:1103.4601 (DR); Li et al. 2018, arXiv:1804.10488 (`independent`); McInerney
        et al. 2020, arXiv:2007.12986, and Kiyohara et al. 2022, arXiv:2202.01562 (`cascade`, here
        with rewards of one place instead of rewards to come).
    """
    pages.refuse_bad()
    target.refuse_bad(pages)
    unsupported = _unsupported(pages, target)
    if unsupported > settings.most_unsupported:
        raise DataError(
            f"{unsupported:.2%} of the target's mass lies on items that logging could not show — "
            f"at most {settings.most_unsupported:.2%}"
        )
    weighed = _weigh(pages, target, settings)
    weight = weighed.weight[weighed.shown]
    if not weight.sum() > 0:
        raise DataError("the target shows nothing that was logged — all weights are 0")
    sums = _sum_users(weighed, pages, _checked(model, weighed))
    intervals = {
        name: _interval(sums, name, settings) for name in ("ips", "snips", "dr", "sndr", "logged")
    }
    return OffPolicyValue(
        intervals["ips"],
        intervals["snips"],
        None if model is None else intervals["dr"],
        None if model is None else intervals["sndr"],
        intervals["logged"],
        float(weight.sum() ** 2 / (weight**2).sum()),
        len(weight),
        float(weight.mean()),
        float(weight.max()),
        weighed.clipped,
        unsupported,
        len(pages),
        len(sums.pages),
    )


def _unsupported(pages: LoggedPages, target: TargetPolicy) -> float:
    if target.unsupported is None:
        return 0.0
    return float(target.unsupported[pages.shown].mean())


def _weigh(pages: LoggedPages, target: TargetPolicy, settings: OffPolicySettings) -> _Weighed:
    shown = pages.shown
    n_places = pages.item.shape[1]
    ratio = np.ones(pages.item.shape)
    ratio[shown] = target.probability[shown] / pages.propensity[shown]
    reward = np.where(shown, pages.reward, 0.0)
    if settings.reward == "pages":
        shown = np.asarray(shown.any(axis=1, keepdims=True))
        reward = np.asarray((reward > 0).any(axis=1, keepdims=True), np.float64)
        weight, before = ratio.prod(axis=1, keepdims=True), np.ones(shown.shape)
    elif settings.view == "independent":
        weight, before = ratio, np.ones(shown.shape)
    elif settings.view == "cascade":
        weight = np.cumprod(ratio, axis=1)
        before = np.concatenate([np.ones((len(ratio), 1)), weight[:, :-1]], axis=1)
    else:
        weight = np.repeat(ratio.prod(axis=1, keepdims=True), n_places, axis=1)
        before = np.concatenate(
            [np.ones((len(ratio), 1)), np.cumprod(ratio, axis=1)[:, :-1]], axis=1
        )
    clipped = 0.0
    if settings.clip is not None:
        clipped = float((weight[shown] > settings.clip).mean())
        weight, before = np.minimum(weight, settings.clip), np.minimum(before, settings.clip)
    return _Weighed(shown, reward, weight * shown, before * shown, clipped)


def _checked(model: RewardModel | None, weighed: _Weighed) -> RewardModel:
    if model is None:
        return RewardModel(np.zeros(weighed.shown.shape), np.zeros(weighed.shown.shape))
    for name in ("logged", "target"):
        found = getattr(model, name)
        if found.shape != weighed.shown.shape:
            raise DataError(
                f"predictions of {name} items are of shape {found.shape} — must be "
                f"{weighed.shown.shape}"
            )
        if not np.isfinite(found[weighed.shown]).all():
            raise DataError(f"predictions of {name} items must be finite where one was shown")
    shown = weighed.shown
    return RewardModel(np.where(shown, model.logged, 0.0), np.where(shown, model.target, 0.0))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the pages of each user, or of each draw of users, column by column."""

    pages: Float64[np.ndarray, " users"]
    shown: Float64[np.ndarray, "users columns"]
    reward: Float64[np.ndarray, "users columns"]
    weight: Float64[np.ndarray, "users columns"]
    weighted: Float64[np.ndarray, "users columns"]
    before: Float64[np.ndarray, "users columns"]
    predicted: Float64[np.ndarray, "users columns"]
    surprise: Float64[np.ndarray, "users columns"]

    def mixed(self, share: Float64[np.ndarray, "draws users"]) -> "_Sums":
        """Sums of draws, each a number of times every user is in."""
        return _Sums(*(share @ getattr(self, name) for name in self.__slots__))

    def without_each(self) -> "_Sums":
        """All users but one, for each."""
        columns = (getattr(self, name) for name in self.__slots__)
        return _Sums(*(column.sum(axis=0, keepdims=True) - column for column in columns))

    def value(self, name: str) -> Float64[np.ndarray, " users"]:
        """The estimate of that name for each row of sums."""
        pages = self.pages[:, None]
        shown = self.shown / pages
        match name:
            case "ips":
                parts = self.weighted / pages
            case "snips":
                parts = shown * _ratio(self.weighted, self.weight)
            case "dr":
                parts = (self.predicted + self.surprise) / pages
            case "sndr":
                parts = _ratio(self.predicted, self.before) + _ratio(self.surprise, self.weight)
                parts = shown * parts
            case _:
                parts = self.reward / pages
        total: Float64[np.ndarray, " users"] = parts.sum(axis=1)
        return total


def _sum_users(weighed: _Weighed, pages: LoggedPages, model: RewardModel) -> _Sums:
    users, user = np.unique(pages.user_row, return_inverse=True)

    def summed(values: Float64[np.ndarray, "pages columns"]) -> Float64[np.ndarray, "users cols"]:
        out = np.zeros((len(users), values.shape[1]))
        np.add.at(out, user, values)
        return out

    w, shown = weighed.weight, weighed.shown
    return _Sums(
        np.bincount(user).astype(np.float64),
        summed(shown.astype(np.float64)),
        summed(weighed.reward),
        summed(w),
        summed(w * weighed.reward),
        summed(weighed.before),
        summed(weighed.before * model.target),
        summed(w * (weighed.reward - model.logged)),
    )


def _interval(sums: _Sums, name: str, settings: OffPolicySettings) -> Interval:
    n = len(sums.pages)
    value = float(sums.mixed(np.ones((1, n))).value(name)[0])
    if n < 2:
        return Interval(value, float("nan"), float("nan"))
    tail = (1.0 - settings.confidence) / 2.0
    if settings.interval == "bootstrap":
        rng = np.random.default_rng(settings.seed)
        step = max(1, _MAX_DRAWN // n)
        drawn = np.concatenate(
            [
                sums.mixed(_draws(rng, n, min(step, settings.resamples - start))).value(name)
                for start in range(0, settings.resamples, step)
            ]
        )
        low, high = np.percentile(drawn, [100.0 * tail, 100.0 - 100.0 * tail])
        return Interval(value, float(low), float(high))
    others = sums.without_each().value(name)
    error = np.sqrt((n - 1) / n * ((others - others.mean()) ** 2).sum())
    reach = float(student.ppf(1.0 - tail, n - 1) * error)
    return Interval(value, value - reach, value + reach)


def _draws(
    rng: np.random.Generator, n_users: int, n_draws: int
) -> Float64[np.ndarray, "draws users"]:
    """How often each user is in each draw of as many users as there are."""
    even = np.full(n_users, 1.0 / n_users)
    return rng.multinomial(n_users, even, size=n_draws).astype(np.float64)


def _ratio(
    above: Float64[np.ndarray, "users columns"], below: Float64[np.ndarray, "users columns"]
) -> Float64[np.ndarray, "users columns"]:
    """Quotients, 0 where nothing is weighed."""
    found: Float64[np.ndarray, "users columns"]
    found = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return found
