"""How much of an edge is left at a time: ageing as a property of the graph, not a rewrite of it."""

from typing import Final, Literal

import numpy as np
from jaxtyping import Float64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S

HALF_LIVES_PER_COHORT: Final = 20
"""Strengths of one cohort grow by at most 2^20, so that sums keep 33 bits below the newest."""


class AgeingSettings(BaseModel):
    """What time takes away from the edges of the co-watch graph.

    Pairs of one edge are held by cohort, the span in which their second event fell: a UTC day, or
    20 half-lives, or all of time where nothing ages. A cohort that starts after the moment of a
    question has age 0. By default nothing ages: on the validation parts of the experiments ageing
    made no difference, and it needs a log whose length suits the rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["none", "half_life", "expected", "thinning"] = Field(
        default="none",
        description="none: nothing ages; half_life: weight times 2^(-age / half_life_days); "
        "thinning: whenever a day's pairs have aged another period, each is removed with chance "
        "1 - survival, drawn from the seed; expected: the mean of thinning.",
    )
    half_life_days: float = Field(
        default=30.0, ge=0.01, le=36_500, description="Days in which a weight halves (half_life)."
    )
    period_days: int = Field(
        default=30, ge=1, le=36_500, description="Days between removals (expected, thinning)."
    )
    survival: float = Field(
        default=0.9, gt=0, le=1, description="Share left by one removal (expected, thinning)."
    )
    seed: int = Field(
        default=0, ge=0, lt=1 << 63, description="Decides which pairs are removed (thinning)."
    )

    @property
    def cohort_s(self) -> int:
        """Length of a cohort, seconds; 0 where edges bear no date."""
        match self.mode:
            case "none":
                return 0
            case "half_life":
                return round(HALF_LIVES_PER_COHORT * self.half_life_s)
        return DAY_S

    @property
    def half_life_s(self) -> float:
        """Half-life, seconds; 0 where weights do not halve."""
        return self.half_life_days * DAY_S if self.mode == "half_life" else 0.0

    def left_by_cohort(self, first: int, last: int, at_s: int) -> Float64[np.ndarray, " cohorts"]:
        """Factor that is left of the pairs of each cohort; for thinning, their chance to be left.

        Args:
            first: First cohort asked for.
            last: Last cohort asked for.
            at_s: The moment, UTC seconds.

        Returns:
            Factors in [0, 1] of cohorts `first` to `last`, by which sums as of each cohort's start
            are multiplied.

        Source:
            Removal of 10 % of what is left each 30 days as in the published rule; `expected` is its
            mean, 0.9^floor(age / 30 d) with ages counted in whole UTC days.
        """
        cohorts = np.arange(first, last + 1, dtype=np.int64)
        match self.mode:
            case "none":
                return np.ones(len(cohorts))
            case "half_life":
                age_s = np.maximum(at_s - cohorts * self.cohort_s, 0)
                return np.asarray(np.exp2(-age_s / self.half_life_s))
        periods = np.maximum(at_s // DAY_S - cohorts, 0) // self.period_days
        return np.asarray(self.survival**periods)
