"""The protocol of models that score candidates by their features."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32


@runtime_checkable
class RankModel(Protocol):
    """Scores candidates by their features alone; trained models never change."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns it wants, in order."""
        ...

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, " pairs"]:
        """Score candidates: higher is better, all finite; NaN features are missing ones."""
        ...

    def contributions(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs features"]:
        """How much each feature moved each score from the average, in units of the score."""
        ...
