"""A ranker of boosted trees: scored by our kernel, kept as text, explained by LightGBM."""

import json
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Float64

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.ranking.tree_ensemble import TreeEnsemble

FORMAT: Final = "graphrec boosted trees 1"


def require_lightgbm() -> Any:
    """The module `lightgbm`.

    Raises:
        SettingsError: It is not installed.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise SettingsError(
            "boosted trees need lightgbm, which is not installed — pip install 'graphrec[rank]'"
        ) from error
    return lightgbm


class BoosterPart:
    """One trained booster: its text, and the arrays the kernel reads where it can."""

    def __init__(self, text: str, n_threads: int = 1) -> None:
        self.text = text
        self.n_threads = n_threads
        self.ensemble = TreeEnsemble.of_text(text)

    def __getstate__(self) -> dict[str, Any]:
        """All but LightGBM's object, which is made of the text again where it is asked for."""
        return {name: value for name, value in vars(self).items() if name != "booster"}

    @cached_property
    def booster(self) -> Any:
        """The text as LightGBM's own object."""
        return require_lightgbm().Booster(model_str=self.text)

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float64[np.ndarray, " pairs"]:
        """The trees' sum for each row."""
        if self.ensemble is not None:
            return self.ensemble.score(features)
        if not len(features):
            return np.empty(0)
        score: Float64[np.ndarray, " pairs"] = self.booster.predict(
            features, raw_score=True, num_threads=self.n_threads
        )
        return score

    def contributions(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float64[np.ndarray, "pairs features"]:
        """Shapley values of each column, without the trees' average."""
        if not len(features):
            return np.empty(features.shape)
        values: Float64[np.ndarray, "pairs columns"] = self.booster.predict(
            features, pred_contrib=True, num_threads=self.n_threads
        )
        return values[:, :-1]


class LambdaMARTModel:
    """A `RankModel`: a weighted sum of boosters over the same features.

    Where positions were learned as a feature, every candidate is scored as if shown at one place.
    Contributions are then those of the other features, and add up to the score less the average
    and less what the position adds to the row.
    """

    def __init__(
        self,
        feature_names: tuple[str, ...],
        parts: tuple[BoosterPart, ...],
        weights: tuple[float, ...],
        serve_position: int | None,
    ) -> None:
        self._feature_names = feature_names
        self.parts = parts
        self.weights = weights
        self.serve_position = serve_position

    def __deepcopy__(self, memo: dict[int, Any]) -> "LambdaMARTModel":
        """Itself: nothing changes a trained model."""
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns it wants, in order."""
        return self._feature_names

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, " pairs"]:
        """Score candidates, higher is better; NaN features are missing ones.

        Raises:
            DataError: The columns are not as many as `feature_names`.
        """
        seen = self._as_trained(features)
        total = np.zeros(len(seen))
        for part, weight in zip(self.parts, self.weights, strict=True):
            total += weight * part.score(seen)
        return total.astype(np.float32)

    def contributions(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs features"]:
        """How much each feature moved each score from the average: Shapley values.

        Raises:
            DataError: The columns are not as many as `feature_names`.
            SettingsError: LightGBM is not installed.

        Source:
            Lundberg et al. 2018, arXiv:1802.03888, as LightGBM works it out.
        """
        seen = self._as_trained(features)
        total = np.zeros(seen.shape)
        for part, weight in zip(self.parts, self.weights, strict=True):
            total += weight * part.contributions(seen)
        return total[:, : len(self._feature_names)].astype(np.float32)

    def to_text(self) -> str:
        """Everything it knows, as text: a line of JSON, then LightGBM's text of each booster."""
        head = {
            "format": FORMAT,
            "feature_names": self._feature_names,
            "weights": self.weights,
            "serve_position": self.serve_position,
            "n_characters": [len(part.text) for part in self.parts],
        }
        return json.dumps(head) + "\n" + "".join(part.text for part in self.parts)

    @classmethod
    def of_text(cls, text: str, n_threads: int = 1) -> "LambdaMARTModel":
        """Read what `to_text` wrote; needs no LightGBM for scoring.

        Raises:
            SnapshotError: The text is something else, or cut off.
        """
        first, _, rest = text.partition("\n")
        try:
            head = json.loads(first)
            if head["format"] != FORMAT:
                raise SnapshotError(f"the format is {head['format']!r} — it is {FORMAT!r} here")
            if sum(head["n_characters"]) != len(rest):
                raise SnapshotError(
                    f"{len(rest)} characters of trees — {sum(head['n_characters'])} were written"
                )
            ends = np.cumsum([0, *head["n_characters"]]).tolist()
            parts = [BoosterPart(rest[begin:end], n_threads) for begin, end in pairwise(ends)]
            return cls(
                tuple(head["feature_names"]),
                tuple(parts),
                tuple(head["weights"]),
                head["serve_position"],
            )
        except (ValueError, LookupError, TypeError, DataError) as error:
            raise SnapshotError("not a model of boosted trees, or a damaged one") from error

    def save(self, path: Path) -> None:
        """Write it as text, in UTF-8."""
        path.write_text(self.to_text(), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path, n_threads: int = 1) -> "LambdaMARTModel":
        """Read what `save` wrote.

        Raises:
            SnapshotError: The file is something else, or damaged.
        """
        try:
            return cls.of_text(path.read_bytes().decode(), n_threads)
        except (SnapshotError, UnicodeDecodeError) as error:
            raise SnapshotError(f"{path.name}: {error}") from error

    def _as_trained(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs columns"]:
        if features.shape[1] != len(self._feature_names):
            raise DataError(
                f"{features.shape[1]} columns of features — the model wants "
                f"{len(self._feature_names)}, in the order of feature_names"
            )
        features = np.ascontiguousarray(features)
        if self.serve_position is None:
            return features
        place = np.full((len(features), 1), self.serve_position, np.float32)
        return np.concatenate([features, place], axis=1)
