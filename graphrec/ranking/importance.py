"""Which features a trained ranker leans on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.ranking.boosted_trees import LambdaMARTModel
from graphrec.ranking.grades import GainRule, Grading, KnownRows
from graphrec.ranking.list_ndcg import ndcg_of_lists
from graphrec.ranking.rank_model import RankModel
from graphrec.ranking.training_set import RankingSet


class PermutationSettings(BaseModel):
    """How the loss of a feature is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str = Field("engagement", description="Column of outcomes that lists are judged by.")
    n_grades: int = Field(5, ge=2, le=31, description="Most grades a real outcome is cut into.")
    gain: GainRule = Field("exponential", description="Worth of a grade: 2^grade - 1, or itself.")
    ndcg_at: int = Field(10, ge=1, le=1000, description="Places that count.")
    n_repeats: int = Field(5, ge=1, le=1000, description="Shuffles of each feature.")
    seed: int = Field(0, ge=0, description="Equal seeds give equal shuffles.")


@dataclass(frozen=True, slots=True)
class PermutationImportance:
    """What NDCG is lost where a feature is shuffled.

    Attributes:
        feature_names: The features, in the model's order.
        ndcg: Mean NDCG of the lists as they are.
        drop: Mean loss of NDCG over the shuffles; below 0 where shuffling helped.
        drop_spread: Standard deviation of the loss over the shuffles.
    """

    feature_names: tuple[str, ...]
    ndcg: float
    drop: Float64[np.ndarray, " features"]
    drop_spread: Float64[np.ndarray, " features"]


def gain_importance(model: LambdaMARTModel) -> Float64[np.ndarray, " features"]:
    """Share of all splits' gain in loss that each feature brought, by `model.feature_names`.

    The position, where it was a feature, counts towards the whole but has no share listed.
    """
    total = np.zeros(len(model.feature_names))
    for part, weight in zip(model.parts, model.weights, strict=True):
        gain = part.booster.feature_importance("gain").astype(np.float64)
        share = gain / gain.sum() if gain.sum() > 0 else gain
        total += abs(weight) / sum(map(abs, model.weights)) * share[: len(total)]
    return total


def permutation_importance(
    model: RankModel, lists: RankingSet, settings: PermutationSettings
) -> PermutationImportance:
    """Shuffle one feature after another over all rows, and see what the order loses.

    Args:
        model: A trained model.
        lists: Lists it was not trained on, with the model's features.
        settings: Outcome, cut-off, shuffles.

    Source:
        Breiman 2001 with NDCG for accuracy; features that say the same hide each other's loss.
    """
    outcome = lists.column(settings.outcome)
    known = KnownRows.of_outcome(lists, outcome, differing=True)
    grading = Grading.of_outcome(outcome, settings.n_grades)
    gain = grading.gains(settings.gain)[grading.grades(outcome[known.row])]
    features = lists.features[known.row]

    def mean_ndcg() -> float:
        score = model.score(features)
        return float(np.nanmean(ndcg_of_lists(score, gain, known.list_ptr, settings.ndcg_at)))

    whole = mean_ndcg()
    rng = np.random.default_rng(settings.seed)
    drop = np.empty((settings.n_repeats, features.shape[1]))
    for column in range(features.shape[1]):
        kept = features[:, column].copy()
        for repeat in range(settings.n_repeats):
            features[:, column] = rng.permutation(kept)
            drop[repeat, column] = whole - mean_ndcg()
        features[:, column] = kept
    return PermutationImportance(model.feature_names, whole, drop.mean(axis=0), drop.std(axis=0))
