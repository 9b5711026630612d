"""The ranker that joins features and a trained model."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.features.declared import Feature
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.rank_model import RankModel
from graphrec.stages import Candidates, DescribedItems, Interactions, Queries

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
        self._is_built = self._column.tolist() == list(range(len(names)))
        self.missing = tuple(name for name in model.feature_names if name not in names)
        wanted = set(model.feature_names)
        self._sources = tuple(
            feature.name.removesuffix(".score")
            for feature in builder.features
            if feature.sees == "sources" and feature.name.endswith(".score")
            if feature.name in wanted
        )

    def absorb(self, events: Interactions) -> None:
        """Let the features learn from events that arrived since."""
        self._builder.absorb(events)

    def learn_items(self, items: DescribedItems) -> None:
        """Let the features learn descriptions of items."""
        self._builder.learn_items(items)

    def absorb_stream(self, name: str, events: Interactions) -> None:
        """Let the features know events of another stream, such as likes.

        Raises:
            DataError: There is no such stream.
        """
        self._builder.absorb_stream(name, events)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that features read."""
        return self._builder.streams

    def tell_streams(self, time_s: int) -> None:
        """Let features know what streams hold before `time_s`, as a question of that time does.

        Raises:
            LeakageError: Something later was told already.
        """
        self._builder.tell_streams(time_s)

    @property
    def objectives(self) -> Mapping[str, float]:
        """Weights of the objectives that the model estimates; empty where it has just a score."""
        if not isinstance(self.model, MultiObjectiveModel):
            return {}
        own = self.model.weights.weights
        return {name: own.get(name, 0.0) for name in self.model.objective_names}

    def weighing(self, weights: Mapping[str, float]) -> "LearnedRanker":
        """The same with other weights of some objectives; features and network are shared.

        Raises:
            DataError: The model estimates no such objective.
        """
        if not isinstance(self.model, MultiObjectiveModel):
            raise DataError(f"no objective {', '.join(weights)!r} — this model has one score")
        own = self.model.weights
        changed = own.model_copy(update={"weights": {**own.weights, **weights}})
        other = copy.copy(self)
        other.model = self.model.with_weights(changed)
        return other

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same candidates with the model's scores, best first, ties to the lower item row.

        What the model wants and nobody gives is a missing value, and noted.

        Raises:
            DataError: A candidate or a past item has no row.
        """
        is_real = candidates.item_row != NO_ROW
        score = np.full(is_real.shape, -np.inf, np.float32)
        if is_real.any():
            score[is_real] = self._scores(
                self._wanted(queries, candidates)[is_real], candidates.item_row[is_real]
            )
        ranked = ordered_by(candidates, score)
        notes = self._notes(candidates)
        return replace(ranked, notes=ranked.notes + notes) if notes else ranked

    def explain(
        self, queries: Queries, candidates: Candidates, query: int, place: int, n: int = 5
    ) -> list[FeatureEffect]:
        """The features that moved one candidate most, those that moved it furthest first.

        Args:
            queries: As they were ranked.
            candidates: What was ranked, for the same queries.
            query: Which query.
            place: Which of its candidates; not padding.
            n: At most this many.
        """
        places = np.array([place], np.int64)
        return self.explain_places(queries, candidates, query, places, n)[0]

    def explain_places(
        self,
        queries: Queries,
        candidates: Candidates,
        query: int,
        places: Int64[np.ndarray, " places"],
        n: int = 5,
    ) -> list[list[FeatureEffect]]:
        """The same for several candidates of one query, whose features are built once."""
        alone, own = one_query(queries, query), candidates.of_query(query)
        wanted = self._wanted(alone, own)[0, places]
        effect = self.model.contributions(wanted)
        furthest = np.argsort(-np.abs(effect), axis=1, kind="stable")[:, :n]
        declared = {feature.name: feature for feature in self._builder.features}
        names = self.model.feature_names
        return [
            [
                FeatureEffect(declared[names[at]], float(wanted[row, at]), float(effect[row, at]))
                for at in furthest[row]
                if names[at] in declared and effect[row, at] != 0
            ]
            for row in range(len(places))
        ]

    def _notes(self, candidates: Candidates) -> tuple[str, ...]:
        notes = []
        if self.missing:
            notes.append(f"not known to the ranker and taken as missing: {', '.join(self.missing)}")
        silent = [name for name in self._sources if name not in candidates.source_names]
        if silent:
            notes.append(f"without the scores and places of {', '.join(silent)}")
        return tuple(notes)

    def _wanted(
        self, queries: Queries, candidates: Candidates
    ) -> Float32[np.ndarray, "users k wanted"]:
        shape = candidates.item_row.shape
        given = {name: np.full(shape, value, np.float32) for name, value in self._given.items()}
        built = self._builder.build(queries, candidates, given)
        if self._is_built:
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


def one_query(queries: Queries, query: int) -> Queries:
    """One of the queries, alone."""
    past = queries.history(query)
    return Queries(
        queries.user_row[query : query + 1],
        queries.time_s[query : query + 1],
        np.array([0, past.stop - past.start], np.int64),
        queries.history_item[past],
        queries.history_time_s[past],
        queries.history_weight[past],
    )


def ordered_by(candidates: Candidates, score: Float32[np.ndarray, "users k"]) -> Candidates:
    """The same candidates in the order of new scores, ties to the lower item row, padding last."""
    # Padding has the lowest item row but also the lowest score, and real scores are finite.
    order: Int64[np.ndarray, "users k"] = np.lexsort((candidates.item_row, -score), axis=-1)
    moved = candidates.at_columns(order)
    return replace(moved, score=np.take_along_axis(score, order, axis=-1))
