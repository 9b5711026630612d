"""One value out of several objectives, by weights that a product decides."""

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field, field_validator

from graphrec.errors import DataError


class ObjectiveWeights(BaseModel):
    """What each objective is worth.

    value = Σ weight · estimate [· estimate of what it is given]
    + after_weight · estimate of `after_objective` [· of what that is given] · value after

    With `{"engagement": 1}` and `after_weight` 1 it is Pr(engagement) · (1 + value after): what
    comes after an item counts only as far as the item itself is taken up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] = Field(
        {"engagement": 1.0},
        min_length=1,
        description="Worth of each objective's estimate, any sign; objectives not named count 0.",
    )
    after_weight: float = Field(
        0.0, allow_inf_nan=False, description="Worth of one unit of value after the item."
    )
    after_objective: str = Field(
        "engagement", description="Objective that has to come true for what is after it to count."
    )

    given: dict[str, str] = Field(
        {},
        description="Objectives that only come true once another one has, by name: their estimate "
        "is multiplied by that one's, such as satisfaction with a watch by its chance.",
    )

    @field_validator("weights")
    @classmethod
    def _finite(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if not np.isfinite(weight):
                raise ValueError(f"weight of {name} is {weight} — a finite number")
        return weights

    def of_heads(self, names: tuple[str, ...]) -> Float32[np.ndarray, " heads"]:
        """The weights in the order of `names`.

        Raises:
            DataError: A weight names an objective that is not among `names`.
        """
        needed = {
            *self.weights,
            *self.given,
            *self.given.values(),
            *((self.after_objective,) if self.after_weight else ()),
        }
        for name in sorted(needed):
            if name not in names:
                raise DataError(f"no objective {name!r} — there are {', '.join(names)}")
        return np.array([self.weights.get(name, 0.0) for name in names], np.float32)


def blend_value(
    heads: Float32[np.ndarray, "pairs heads"],
    names: tuple[str, ...],
    weights: ObjectiveWeights,
    value_after: Float32[np.ndarray, " pairs"] | None = None,
) -> Float32[np.ndarray, " pairs"]:
    """The value of each candidate to the product.

    Args:
        heads: Estimate of each objective: probabilities, or shares; calibrated ones, so that
            weights mean the same on each.
        names: Objective of each column.
        weights: What they are worth.
        value_after: Value of what tends to follow each item, in units of the first term; NaN, or
            None for all, where nothing is known: it counts 0.

    Raises:
        DataError: A weight names an objective that is not among `names`.
    """
    worth, each = weights.of_heads(names), heads
    if weights.given:
        each = heads.copy()
        for name, first in weights.given.items():
            each[:, names.index(name)] *= heads[:, names.index(first)]
    value: Float32[np.ndarray, " pairs"] = each @ worth
    if value_after is not None and weights.after_weight:
        taken_up = each[:, names.index(weights.after_objective)]
        value = value + np.float32(weights.after_weight) * taken_up * np.nan_to_num(value_after)
    return value
