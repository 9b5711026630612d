"""The trained ranker of several objectives, in NumPy: serving it needs no torch."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Shaped
from pydantic import ValidationError

from graphrec.errors import DataError, SnapshotError
from graphrec.ranking.calibration import Calibration, calibration_of_json
from graphrec.ranking.feature_encoding import FeatureEncoding
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights, blend_value

FORMAT: Final = "graphrec multi-objective ranker 1"
_ORDERS: Final = 4
"""Orders, and their reverses, that contributions are averaged over."""


@dataclass(frozen=True, slots=True)
class MultiObjectiveModel:
    """A `RankModel`: several estimates of each candidate, blended by product weights.

    Attributes:
        settings: What it was trained with.
        encoding: How it reads features.
        arrays: Weights of the network, by name.
        weights: What each objective is worth in `score`.
        calibrations: By objective; those without one are taken as the network says.
        center: Mean of each regression's outcome in training, 0 for logistic heads.
        spread: Its standard deviation, 1 for logistic heads.
    """

    settings: MultiObjectiveSettings
    encoding: FeatureEncoding
    arrays: Mapping[str, Float32[np.ndarray, " ..."]]
    weights: ObjectiveWeights
    calibrations: Mapping[str, Calibration]
    center: Float32[np.ndarray, " heads"]
    spread: Float32[np.ndarray, " heads"]

    def __post_init__(self) -> None:
        self.weights.of_heads(self.objective_names)
        for name in self.calibrations:
            if name not in self.objective_names:
                raise DataError(f"a calibration of {name!r} — there is no such objective")

    def __deepcopy__(self, memo: dict[int, Any]) -> "MultiObjectiveModel":
        """Itself: nothing changes a trained model."""
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns it wants, in order."""
        return self.encoding.feature_names

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Columns of `estimates`."""
        return tuple(objective.name for objective in self.settings.objectives)

    def with_weights(self, weights: ObjectiveWeights) -> "MultiObjectiveModel":
        """The same estimates, blended otherwise.

        Raises:
            DataError: A weight names an objective that it does not estimate.
        """
        return replace(self, weights=weights)

    def with_calibrations(self, calibrations: Mapping[str, Calibration]) -> "MultiObjectiveModel":
        """The same network, its estimates of the named objectives passed through calibrations.

        Calibrations are fitted to estimates of a model without any.

        Raises:
            DataError: It has no such objective.
        """
        return replace(self, calibrations=dict(calibrations))

    def estimates(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs heads"]:
        """Each objective's probability, or amount in the outcome's unit.

        Raises:
            DataError: The columns are not as many as `feature_names`.
        """
        said = self.outputs(features)
        for head, objective in enumerate(self.settings.objectives):
            if objective.kind == "logistic":
                said[:, head] = 0.5 + 0.5 * np.tanh(0.5 * said[:, head])
            else:
                said[:, head] = self.center[head] + self.spread[head] * said[:, head]
            if objective.name in self.calibrations:
                said[:, head] = self.calibrations[objective.name].apply(said[:, head])
        return said

    def value(
        self,
        features: Float32[np.ndarray, "pairs features"],
        value_after: Float32[np.ndarray, " pairs"] | None = None,
    ) -> Float32[np.ndarray, " pairs"]:
        """What each candidate is worth, with what tends to come after it; see `blend_value`."""
        said = self.estimates(features)
        return blend_value(said, self.objective_names, self.weights, value_after)

    def score(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, " pairs"]:
        """What each candidate is worth in itself; NaN features are missing ones."""
        return self.value(features)

    def contributions(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs features"]:
        """How much each feature moved each score, from the score of the training's average row.

        Features take their values one after another, in a few fixed orders and their reverses; a
        feature's contribution is its mean step. They add up to the score less the average row's.

        Raises:
            DataError: The columns are not as many as `feature_names`.

        Source:
            Strumbelj and Kononenko 2014 (sampled Shapley values), with reversed orders as in
            Mitchell et al. 2022, arXiv:2104.12199, and one row to start from.
        """
        self.encoding.check(features)
        n_pairs, n_features = features.shape
        total = np.zeros((n_pairs, n_features))
        rng = np.random.default_rng(0)
        start = np.broadcast_to(self.encoding.average_row, features.shape)
        for _ in range(_ORDERS):
            order = rng.permutation(n_features)
            for one in (order, order[::-1]):
                row = start.copy()
                before = self.score(row)
                for feature in one:
                    row[:, feature] = features[:, feature]
                    after = self.score(row)
                    total[:, feature] += after.astype(np.float64) - before
                    before = after
        return (total / (2 * _ORDERS)).astype(np.float32)

    def outputs(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs heads"]:
        """The network's own outputs: log odds, or standardised amounts."""
        inputs = self.inputs(features)
        x, arrays = inputs[None], self.arrays
        for layer in range(len(self.settings.hidden)):
            x = x @ arrays[f"trunk.weight.{layer}"] + arrays[f"trunk.bias.{layer}"][:, None]
            np.maximum(x, 0.0, out=x)
        if self.settings.experts > 1:
            gate = inputs[None] @ arrays["gate.weight"] + arrays["gate.bias"][:, None]
            gate = np.exp(gate - gate.max(axis=-1, keepdims=True))
            gate /= gate.sum(axis=-1, keepdims=True)
            mixed = gate.transpose(1, 0, 2) @ x.transpose(1, 0, 2)
            x = np.ascontiguousarray(mixed.transpose(1, 0, 2))
        x = x @ arrays["head.weight"] + arrays["head.bias"][:, None]
        np.maximum(x, 0.0, out=x)
        said = x @ arrays["out.weight"][..., None] + arrays["out.bias"][:, None, None]
        return np.ascontiguousarray(said[..., 0].T)

    def inputs(
        self, features: Float32[np.ndarray, "pairs features"]
    ) -> Float32[np.ndarray, "pairs inputs"]:
        """What the first layers read: numbers, marks of missing ones, vectors of categories."""
        codes = self.encoding.codes(features)
        vectors = [
            self.arrays[f"category.{place}"][codes[:, place]] for place in range(codes.shape[1])
        ]
        return np.concatenate([self.encoding.numbers(features), *vectors], axis=1)

    def to_arrays(self) -> tuple[dict[str, Shaped[np.ndarray, " ..."]], dict[str, Any]]:
        """Arrays by name, and the rest as JSON values."""
        arrays = {f"network.{name}": array for name, array in self.arrays.items()}
        arrays |= self.encoding.to_arrays()
        arrays |= {"head.center": self.center, "head.spread": self.spread}
        rest = {
            "format": FORMAT,
            "settings": self.settings.model_dump(mode="json"),
            "feature_names": list(self.feature_names),
            "weights": self.weights.model_dump(mode="json"),
            "calibrations": {name: one.to_json() for name, one in self.calibrations.items()},
        }
        return arrays, rest

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, Shaped[np.ndarray, " ..."]], rest: Mapping[str, Any]
    ) -> "MultiObjectiveModel":
        """Read what `to_arrays` gave.

        Raises:
            SnapshotError: Something is missing, damaged, or of another format.
        """
        try:
            if rest["format"] != FORMAT:
                raise SnapshotError(f"the format is {rest['format']!r} — it is {FORMAT!r} here")
            own = "network."
            return cls(
                MultiObjectiveSettings.model_validate(rest["settings"]),
                FeatureEncoding.of_arrays(tuple(rest["feature_names"]), arrays),
                {name.removeprefix(own): x for name, x in arrays.items() if name.startswith(own)},
                ObjectiveWeights.model_validate(rest["weights"]),
                {name: calibration_of_json(x) for name, x in rest["calibrations"].items()},
                arrays["head.center"],
                arrays["head.spread"],
            )
        except (KeyError, TypeError, ValueError, ValidationError, DataError) as error:
            raise SnapshotError("not a ranker of several objectives, or a damaged one") from error

    def save(self, path: Path) -> None:
        """Write it as one `.npz` file, without pickle."""
        arrays, rest = self.to_arrays()
        said = np.frombuffer(json.dumps(rest).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez(file, json=said, **arrays)  # type: ignore[arg-type]  # names, not options

    @classmethod
    def load(cls, path: Path) -> "MultiObjectiveModel":
        """Read what `save` wrote.

        Raises:
            SnapshotError: The file is something else, or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            rest = json.loads(arrays.pop("json").tobytes())
            return cls.of_arrays(arrays, rest)
        except (SnapshotError, zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            raise SnapshotError(f"{path.name} is damaged, or no ranker: {error}") from error
