"""Every model that ranks, as the contract suite meets it: add a new model to `MODELS`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from graphrec.ranking.boosted_trees import LambdaMARTModel
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.ranking.multi_objective import train_multi_objective
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings, Objective
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.ranking.rank_model import RankModel
from graphrec.ranking.training_set import RankingSet
from tests.ranking.ranking_sets import drawn_lists

CATEGORY = "f4"


def lists_with_a_category() -> RankingSet:
    """Lists with missing features, of which the last is a category."""
    lists = drawn_lists(0, n_lists=80)
    features = lists.features.copy()
    features[:, 4] = np.round(np.abs(features[:, 4]) * 4)
    return replace(lists, features=features)


@dataclass(frozen=True, slots=True)
class ModelCase:
    """A model under the suite.

    Attributes:
        label: Test id.
        make: A trained model of the features of `lists_with_a_category`.
        load: Reads what the model's `save` wrote.
        adds_up: Whether contributions and one number for all rows give the score.
        rounding: How far equal rows may differ by what else is in the call.
    """

    label: str
    make: Callable[[], RankModel]
    load: Callable[[Path], RankModel]
    adds_up: bool = True
    rounding: float = 0.0


def boosted(**changes: object) -> Callable[[], RankModel]:
    settings = LambdaMARTSettings.model_validate(
        {"max_trees": 20, "n_leaves": 7, "categorical": (CATEGORY,), **changes}
    )
    return lambda: train_lambdamart(lists_with_a_category(), None, settings)


def network(**changes: object) -> Callable[[], RankModel]:
    objectives = (
        Objective(name="engagement"),
        Objective(name="satisfaction"),
        Objective(name="responsibility", kind="regression"),
    )
    settings = MultiObjectiveSettings.model_validate(
        {
            "objectives": objectives,
            "hidden": (16, 8),
            "max_epochs": 12,
            "batch_rows": 128,
            "learning_rate": 0.01,
            "categorical": (CATEGORY,),
            **changes,
        }
    )
    weights = ObjectiveWeights(weights={"engagement": 1.0, "responsibility": -0.1})
    return lambda: train_multi_objective(lists_with_a_category(), None, settings, weights)


MODELS = (
    ModelCase("lambdamart", boosted(), LambdaMARTModel.load),
    ModelCase("cross entropy", boosted(objective="rank_xendcg"), LambdaMARTModel.load),
    ModelCase("half pointwise", boosted(pointwise_share=0.5), LambdaMARTModel.load),
    ModelCase("unbiased", boosted(debias="unbiased"), LambdaMARTModel.load),
    ModelCase("position fixed", boosted(debias="feature"), LambdaMARTModel.load, adds_up=False),
    ModelCase(
        "too large for the kernel",
        boosted(n_leaves=90, min_rows_per_leaf=1, max_trees=5),
        LambdaMARTModel.load,
    ),
    ModelCase("one trunk", network(), MultiObjectiveModel.load, rounding=1e-5),
    ModelCase("experts", network(experts=3), MultiObjectiveModel.load, rounding=1e-5),
    ModelCase(
        "position bias", network(position_bias=True), MultiObjectiveModel.load, rounding=1e-5
    ),
)
