"""Several models as one."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from graphrec.errors import DataError
from graphrec.ranking.rank_model import RankModel


class AveragedModel:
    """The mean score of models that read the same features, such as those of several seeds."""

    def __init__(self, models: Sequence[RankModel]) -> None:
        """Average `models`.

        Raises:
            DataError: There is none, or two read different features.
        """
        if not models:
            raise DataError("an average of no models — at least one")
        self.models = tuple(models)
        for model in self.models:
            if model.feature_names != self.models[0].feature_names:
                raise DataError("an average of models that read different features")

    def __deepcopy__(self, memo: dict[int, object]) -> "AveragedModel":
        """Itself: nothing changes trained models."""
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns it wants, in order."""
        return self.models[0].feature_names

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, " pairs"]:
        """Mean score of each candidate."""
        scores = np.stack([model.score(features) for model in self.models])
        return np.asarray(scores.mean(axis=0), np.float32)

    def contributions(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs features"]:
        """Mean contribution of each feature."""
        parts = np.stack([model.contributions(features) for model in self.models])
        return np.asarray(parts.mean(axis=0), np.float32)
