"""Trains boosted trees that order lists: LambdaMART and its kin, by LightGBM."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float32, Float64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, SettingsError
from graphrec.ranking.boosted_trees import BoosterPart, LambdaMARTModel, require_lightgbm
from graphrec.ranking.grades import GainRule, Grading, KnownRows
from graphrec.ranking.training_set import RankingSet

SHOWN_POSITION: Final = "shown_position"


class LambdaMARTSettings(BaseModel):
    """How boosted trees learn an order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str = Field("engagement", description="Column of outcomes to order by.")
    objective: Literal["lambdarank", "rank_xendcg"] = Field(
        "lambdarank", description="Pairs weighted by what swapping them changes, or cross entropy."
    )
    n_grades: int = Field(5, ge=2, le=31, description="Most grades a real outcome is cut into.")
    gain: GainRule = Field("exponential", description="Worth of a grade: 2^grade - 1, or itself.")
    max_trees: int = Field(400, ge=1, le=10_000, description="Trees, before stopping early.")
    n_leaves: int = Field(
        31, ge=2, le=1024, description="Leaves of a tree; over 64 LightGBM has to do the scoring."
    )
    learning_rate: float = Field(0.05, gt=0, le=1, description="Share of each tree that is added.")
    min_rows_per_leaf: int = Field(20, ge=1, description="Rows a leaf needs.")
    l2: float = Field(1.0, ge=0, allow_inf_nan=False, description="Pull of leaves towards 0.")
    feature_share: float = Field(0.9, gt=0, le=1, description="Features drawn for each tree.")
    row_share: float = Field(1.0, gt=0, le=1, description="Rows drawn for each tree.")
    random_splits: bool = Field(
        False, description="Try one threshold, drawn at random, for each feature of a split."
    )
    early_stopping: int = Field(
        30, ge=0, description="Trees without a better validation before stopping; 0 never stops."
    )
    ndcg_at: int = Field(10, ge=1, le=1000, description="Places the validation's NDCG looks at.")
    truncation: int = Field(
        30, ge=1, le=10_000, description="Pairs count that have one item among so many first."
    )
    debias: Literal["none", "feature", "unbiased"] = Field(
        "none",
        description="Positions unused; a feature, fixed when serving; or LightGBM's own additive "
        "bias of each position, learned beside the trees and left out of the score.",
    )
    serve_position: int = Field(
        0, ge=0, description="Place every candidate is scored at where position is a feature."
    )
    position_l2: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="Pull of the positions' biases towards 0."
    )
    categorical: tuple[str, ...] = Field((), description="Features that are categories, >= 0.")
    increasing: tuple[str, ...] = Field((), description="Features that never lower the score.")
    decreasing: tuple[str, ...] = Field((), description="Features that never raise the score.")
    pointwise_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the score that comes from trees that estimate the outcome itself; "
        "both kinds of score are brought to unit spread on the training first.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Equal seeds give equal trees.")
    n_threads: int = Field(1, ge=1, le=1024, description="Threads of training and explaining.")

    @classmethod
    def for_few_ratings(cls, **changes: Any) -> "LambdaMARTSettings":
        """Small, slow, strongly regularised trees for some thousand rows, half of them pointwise.

        A pointwise estimate also learns from lists whose outcomes are all alike.
        """
        few = {
            "max_trees": 200,
            "n_leaves": 7,
            "learning_rate": 0.05,
            "min_rows_per_leaf": 20,
            "l2": 10.0,
            "feature_share": 0.7,
            "row_share": 0.8,
            "pointwise_share": 0.5,
        }
        return cls.model_validate(few | changes)


def train_lambdamart(
    train: RankingSet, validation: RankingSet | None, settings: LambdaMARTSettings
) -> LambdaMARTModel:
    """Learn to order candidates from lists whose outcomes are known.

    Rows without an outcome or with weight 0 are left out; so are, from what learns an order, lists
    in which all grades are equal.

    Args:
        train: Lists to learn from.
        validation: Later lists, by which training stops; None trains `max_trees`.
        settings: Which outcome, and how.

    Returns:
        The same model for the same data and settings, on any number of threads.

    Raises:
        DataError: No list tells two outcomes apart, there is no such feature or outcome, or a
            position that is needed is unknown.
        SettingsError: LightGBM is not installed, or two settings do not fit together.

    Source:
        Burges 2010, MSR-TR-2010-82; Bruch 2021, arXiv:1911.09798 (`rank_xendcg`); position as a
        feature as in Haldar et al. 2020, arXiv:2002.05515, without dropping it at random;
        `unbiased` is LightGBM's generalised additive model of positions.
    """
    _check(train, settings)
    if validation is not None and validation.feature_names != train.feature_names:
        raise DataError(
            "the validation's features are not the training's — the same names in the same order"
        )
    grading = Grading.of_outcome(train.column(settings.outcome), settings.n_grades)
    tasks: list[tuple[Grading | None, float]] = [
        (grading, 1.0 - settings.pointwise_share),
        (None, settings.pointwise_share),
    ]
    parts, weights = [], []
    for own, share in tasks:
        if share > 0.0:
            part = _boost(train, validation, settings, own)
            parts.append(part)
            weights.append(share if share == 1.0 else share / _spread(part, train, settings))
    at = settings.serve_position if settings.debias == "feature" else None
    return LambdaMARTModel(train.feature_names, tuple(parts), tuple(weights), at)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What LightGBM is given."""

    features: Float32[np.ndarray, "known features"]
    label: Float32[np.ndarray, " known"]
    weight: Float32[np.ndarray, " known"] | None
    lengths: list[int] | None
    position: list[int] | None


def _boost(
    train: RankingSet,
    validation: RankingSet | None,
    settings: LambdaMARTSettings,
    grading: Grading | None,
) -> BoosterPart:
    lightgbm = require_lightgbm()
    names = [*train.feature_names, SHOWN_POSITION]
    rows = _rows(train, settings, grading)

    def data_of(rows: _Rows, reference: Any) -> Any:
        return lightgbm.Dataset(
            rows.features,
            rows.label,
            weight=rows.weight,
            group=rows.lengths,
            position=rows.position if reference is None else None,
            reference=reference,
            categorical_feature=[names.index(name) for name in settings.categorical],
            params={"verbose": -1},
        )

    data = data_of(rows, None)
    watched, callbacks = [], []
    if validation is not None and settings.early_stopping:
        watched = [data_of(_rows(validation, settings, grading), data)]
        callbacks = [lightgbm.early_stopping(settings.early_stopping, verbose=False)]
    booster = lightgbm.train(
        _parameters(settings, grading, rows.features.shape[1], train.feature_names),
        data,
        settings.max_trees,
        valid_sets=watched,
        callbacks=callbacks,
    )
    n_trees = booster.best_iteration if watched else -1
    return BoosterPart(booster.model_to_string(num_iteration=n_trees), settings.n_threads)


def _parameters(
    settings: LambdaMARTSettings,
    grading: Grading | None,
    n_columns: int,
    feature_names: tuple[str, ...],
) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "verbose": -1,
        "num_leaves": settings.n_leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_rows_per_leaf,
        "lambda_l2": settings.l2,
        "feature_fraction": settings.feature_share,
        "bagging_fraction": settings.row_share,
        "extra_trees": settings.random_splits,
        "bagging_freq": 1 if settings.row_share < 1.0 else 0,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.n_threads,
    }
    slopes = [
        int(name in settings.increasing) - int(name in settings.decreasing)
        for name in feature_names
    ]
    if any(slopes):
        parameters["monotone_constraints"] = slopes + [0] * (n_columns - len(slopes))
    if grading is None:
        return parameters | {"objective": "regression", "metric": "l2"}
    return parameters | {
        "objective": settings.objective,
        "metric": "ndcg",
        "ndcg_eval_at": [settings.ndcg_at],
        "label_gain": grading.gains(settings.gain).tolist(),
        "lambdarank_truncation_level": settings.truncation,
        "lambdarank_position_bias_regularization": settings.position_l2,
    }


def _rows(lists: RankingSet, settings: LambdaMARTSettings, grading: Grading | None) -> _Rows:
    outcome = lists.column(settings.outcome)
    label = outcome
    if grading is not None:
        label = np.where(np.isnan(outcome), np.nan, grading.grades(outcome)).astype(np.float32)
    known = KnownRows.of_outcome(lists, label, differing=grading is not None)
    if not len(known.row):
        raise DataError(
            f"no list of {lists.n_lists} has two candidates of different {settings.outcome} — an "
            "order is learned from lists in which outcomes differ"
        )
    weight = lists.weight[known.row]
    features = _with_position(lists, settings)[known.row]
    by_list = grading is not None
    unbiased = by_list and settings.debias == "unbiased"
    return _Rows(
        features,
        label[known.row],
        None if (weight == 1.0).all() else weight,
        known.lengths.tolist() if by_list else None,
        lists.position[known.row].tolist() if unbiased else None,
    )


def _with_position(
    lists: RankingSet, settings: LambdaMARTSettings
) -> Float32[np.ndarray, "pairs columns"]:
    if settings.debias != "feature":
        return lists.features
    place = np.where(lists.position < 0, np.nan, lists.position).astype(np.float32)
    return np.concatenate([lists.features, place[:, None]], axis=1)


def _spread(part: BoosterPart, train: RankingSet, settings: LambdaMARTSettings) -> float:
    spread: Float64[np.ndarray, ""] = part.score(_with_position(train, settings)).std()
    return float(spread) or 1.0


def _check(train: RankingSet, settings: LambdaMARTSettings) -> None:
    named = (*settings.categorical, *settings.increasing, *settings.decreasing)
    for name in named:
        if name not in train.feature_names:
            raise DataError(f"no feature {name!r} — there are {', '.join(train.feature_names)}")
    for name in settings.increasing:
        if name in settings.decreasing or name in settings.categorical:
            raise SettingsError(
                f"feature {name!r} is increasing and something else — one of increasing, "
                "decreasing, categorical"
            )
    if settings.debias == "unbiased" and settings.objective != "lambdarank":
        raise SettingsError(
            f"debias is unbiased with objective {settings.objective} — only lambdarank can"
        )
    if settings.debias == "unbiased" and (train.position < 0).any():
        raise DataError(
            f"position is -1 for {int((train.position < 0).sum())} candidates — debias unbiased "
            "needs to know where each was shown"
        )
    if settings.debias == "feature" and (train.position < 0).all():
        raise DataError("no position is known — debias feature has nothing to learn from")
