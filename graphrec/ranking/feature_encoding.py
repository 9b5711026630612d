"""Features as a network reads them: standardised numbers, marks of what is missing, codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from graphrec.errors import DataError

LIMIT: Final = 8.0
"""Standard deviations beyond which a number counts as that many."""


@dataclass(frozen=True, slots=True)
class FeatureEncoding:
    """What was learned of the training's features.

    Attributes:
        feature_names: Columns it reads, in order.
        is_number: 1 for numbers, 0 for categories.
        mean: Mean of each number, missing ones aside; 0 for categories.
        scale: One over its standard deviation; 1 where it never varied.
        goes_missing: 1 where the training missed some; elsewhere a missing number is its mean.
        categories: For each category feature, its values, ascending; a value's code is 1 more than
            its place, and 0 is for missing and unknown ones.
    """

    feature_names: tuple[str, ...]
    is_number: Float32[np.ndarray, " features"]
    mean: Float32[np.ndarray, " features"]
    scale: Float32[np.ndarray, " features"]
    goes_missing: Float32[np.ndarray, " features"]
    categories: tuple[Float32[np.ndarray, " _"], ...]

    @classmethod
    def of_training(
        cls,
        features: Float32[np.ndarray, "pairs features"],
        feature_names: tuple[str, ...],
        categorical: tuple[str, ...],
    ) -> "FeatureEncoding":
        """Learn means, spreads and categories.

        Raises:
            DataError: A categorical feature is not among the features.
        """
        for name in categorical:
            if name not in feature_names:
                raise DataError(f"no feature {name!r} — there are {', '.join(feature_names)}")
        is_number = np.array([name not in categorical for name in feature_names])
        known = np.isfinite(features)
        n_known = np.maximum(known.sum(axis=0), 1)
        value = np.where(known, features, 0.0).astype(np.float64)
        mean = value.sum(axis=0) / n_known
        variance = (np.where(known, value - mean, 0.0) ** 2).sum(axis=0) / n_known
        spread = np.sqrt(variance)
        varies = spread > 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(
            feature_names,
            is_number.astype(np.float32),
            np.where(is_number, mean, 0.0).astype(np.float32),
            np.divide(1.0, spread, out=np.ones_like(spread), where=varies).astype(np.float32),
            np.isnan(features).any(axis=0).astype(np.float32),
            tuple(
                np.unique(features[known[:, at], at]) for at in np.flatnonzero(~is_number).tolist()
            ),
        )

    def numbers(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs inputs"]:
        """Standardised numbers, 0 where missing, then a mark for each missing one.

        Raises:
            DataError: The columns are not as many as `feature_names`.
        """
        self.check(features)
        used = self.is_number > 0
        own = features[:, used]
        is_missing = np.isnan(own)
        standard = np.clip((own - self.mean[used]) * self.scale[used], -LIMIT, LIMIT)
        standard[is_missing] = 0.0
        return np.concatenate([standard, is_missing * self.goes_missing[used]], axis=1)

    def codes(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Int64[np.ndarray, "pairs categoricals"]:
        """The code of each category: 0 for missing and unknown ones.

        Raises:
            DataError: The columns are not as many as `feature_names`.
        """
        self.check(features)
        columns = np.flatnonzero(self.is_number == 0)
        codes = np.zeros((len(features), len(columns)), np.int64)
        for place, (at, values) in enumerate(zip(columns, self.categories, strict=True)):
            if not len(values):
                continue
            found = np.minimum(np.searchsorted(values, features[:, at]), len(values) - 1)
            codes[:, place] = np.where(values[found] == features[:, at], found + 1, 0)
        return codes

    def check(self, features: Float32[np.ndarray, "pairs features"]) -> None:
        """Refuse features of another number of columns.

        Raises:
            DataError: The columns are not as many as `feature_names`.
        """
        if features.shape[1] != len(self.feature_names):
            raise DataError(
                f"{features.shape[1]} columns of features — the model wants "
                f"{len(self.feature_names)}, in the order of feature_names"
            )

    @property
    def n_codes(self) -> tuple[int, ...]:
        """Codes of each category feature, the unknown one included."""
        return tuple(len(values) + 1 for values in self.categories)

    @property
    def average_row(self) -> Float32[np.ndarray, " features"]:
        """A row of means, with unknown categories."""
        return np.where(self.is_number > 0, self.mean, np.nan).astype(np.float32)

    def to_arrays(self) -> dict[str, Shaped[np.ndarray, " ..."]]:
        """Everything but the names, by name."""
        arrays: dict[str, Shaped[np.ndarray, " ..."]] = {
            f"feature.{name}": getattr(self, name)
            for name in ("is_number", "mean", "scale", "goes_missing")
        }
        return arrays | {
            f"feature.categories.{place}": values for place, values in enumerate(self.categories)
        }

    @classmethod
    def of_arrays(
        cls, feature_names: tuple[str, ...], arrays: Mapping[str, Any]
    ) -> "FeatureEncoding":
        """Read what `to_arrays` gave; a missing array is a KeyError."""
        n_categorical = int((arrays["feature.is_number"] == 0).sum())
        return cls(
            feature_names,
            arrays["feature.is_number"],
            arrays["feature.mean"],
            arrays["feature.scale"],
            arrays["feature.goes_missing"],
            tuple(arrays[f"feature.categories.{place}"] for place in range(n_categorical)),
        )
