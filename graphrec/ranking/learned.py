"""The ranker that joins features and a trained model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped

from graphrec.arrays import NO_ROW
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.features.declared import Feature
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.rank_model import RankModel
from graphrec.stages import Candidates, Evidence, Queries

ValueAfter = Callable[[Int32[np.ndarray, " pairs"]], Float32[np.ndarray, " pairs"]]
"""Value of what tends to follow each item; NaN where nothing is known."""


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """How a feature moved one candidate's score.

    Attributes:
        feature: Its declaration.
        value: What it was; NaN is missing.
        effect: How far it moved the score from the average, in units of the score.
    """

    feature: Feature
    value: float
    effect: float


class LearnedRanker:
    """Orders candidates by a trained model of their features as of the query."""

    def __init__(
        self,
        builder: FeatureBuilder,
        model: RankModel,
        *,
        value_after: ValueAfter | None = None,
        given: Mapping[str, float] | None = None,
    ) -> None:
        """Join features and model.

        Args:
            builder: Builds the features; whoever owns it lets it absorb.
            model: Scores them. A feature that it wants and that is not built is a missing one.
            value_after: Adds the value of what comes after an item, for a model of objectives.
            given: What columns of shown lists are fixed at, since nothing has been shown yet.
        """
        self._builder = builder
        self.model = model
        self._value_after = value_after
        self._given = dict(given or {})
        names = builder.names
        self._column = np.array(
            [names.index(name) if name in names else -1 for name in model.feature_names], np.int64
        )
        self.missing = tuple(name for name in model.feature_names if name not in names)

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same candidates with the model's scores, best first, ties to the lower item row.

        Raises:
            DataError: A candidate or a past item has no row.
        """
        is_real = candidates.item_row != NO_ROW
        score = np.full(is_real.shape, -np.inf, np.float32)
        if is_real.any():
            score[is_real] = self._scores(
                self._wanted(queries, candidates)[is_real], candidates.item_row[is_real]
            )
        return ordered_by(candidates, score)

    def explain(
        self, queries: Queries, candidates: Candidates, query: int, place: int, n: int = 5
    ) -> list[FeatureEffect]:
        """The features that moved one candidate most, those that moved it furthest first.

        Args:
            queries: As they were ranked.
            candidates: What was ranked or shown, for the same queries.
            query: Which query.
            place: Which of its candidates; not padding.
            n: At most this many.
        """
        wanted = self._wanted(queries, candidates)[query, place][None]
        effect = self.model.contributions(wanted)[0]
        furthest = np.argsort(-np.abs(effect), kind="stable")[:n]
        declared = {feature.name: feature for feature in self._builder.features}
        names = self.model.feature_names
        return [
            FeatureEffect(declared[names[at]], float(wanted[0, at]), float(effect[at]))
            for at in furthest
            if names[at] in declared and effect[at] != 0
        ]

    def _wanted(
        self, queries: Queries, candidates: Candidates
    ) -> Float32[np.ndarray, "users k wanted"]:
        shape = candidates.item_row.shape
        given = {name: np.full(shape, value, np.float32) for name, value in self._given.items()}
        built = self._builder.build(queries, candidates, given)
        if self._column.shape == (built.shape[2],) and (np.diff(self._column) == 1).all():
            return built
        wanted = np.full((*shape, len(self._column)), np.nan, np.float32)
        known = self._column >= 0
        wanted[..., known] = built[..., self._column[known]]
        return wanted

    def _scores(
        self,
        features: Float32[np.ndarray, "pairs features"],
        item_row: Int32[np.ndarray, " pairs"],
    ) -> Float32[np.ndarray, " pairs"]:
        if self._value_after is not None and isinstance(self.model, MultiObjectiveModel):
            return self.model.value(features, self._value_after(item_row))
        return self.model.score(features)


def ordered_by(candidates: Candidates, score: Float32[np.ndarray, "users k"]) -> Candidates:
    """The same candidates in the order of new scores, ties to the lower item row, padding last."""
    order: Int64[np.ndarray, "users k"] = np.lexsort(
        (candidates.item_row, -score, candidates.item_row == NO_ROW), axis=-1
    )

    def moved(column: Shaped[np.ndarray, "users k"]) -> Shaped[np.ndarray, "users k"]:
        return np.take_along_axis(column, order, axis=1)

    evidence = candidates.evidence
    if evidence is not None:
        deep = order[..., None]
        evidence = Evidence(
            np.take_along_axis(evidence.score, deep, axis=1),
            np.take_along_axis(evidence.place, deep, axis=1),
        )
    return replace(
        candidates,
        item_row=moved(candidates.item_row),
        score=moved(score),
        source=moved(candidates.source),
        reason_item=moved(candidates.reason_item),
        reason_share=moved(candidates.reason_share),
        evidence=evidence,
    )
