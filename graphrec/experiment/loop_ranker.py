"""The ranker of a pipeline in a simulated world: trained on pages that were shown."""

from dataclasses import dataclass

import numpy as np

from graphrec.errors import SettingsError
from graphrec.experiment.loop_settings import LoopLearning
from graphrec.experiment.staging import NEEDS_TORCH
from graphrec.pipeline.loop_outcomes import OUTCOMES
from graphrec.ranking.calibration import Calibration, fit_calibration
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.ranking.training_set import RankingSet


@dataclass(frozen=True, slots=True)
class TrainedHeads:
    """What was learnt from pages.

    Attributes:
        lists: The pages, with features and outcomes.
        model: The calibrated network; None where the pages teach too little.
        notes: What a reader should know, such as why there is no model.
    """

    lists: RankingSet
    model: MultiObjectiveModel | None
    notes: tuple[str, ...]


Shelf = dict[str, TrainedHeads]
"""What was learnt from one log, by the settings it was learnt with."""


def train_heads(lists: RankingSet, settings: LoopLearning) -> TrainedHeads:
    """Train and calibrate the heads, or say why not.

    Positions have a bias of their own in training, which is left out in serving: engagement is
    estimated as at an average place. Training stops by the last lists, and these calibrate.

    Args:
        lists: Pages by time.
        settings: How.

    Raises:
        SettingsError: PyTorch or scikit-learn is not installed.
    """
    early, late = lists.split_by_time(1.0 - settings.held_out)
    n_clicks = min(int(np.nansum(part.column(OUTCOMES[0]))) for part in (early, late))
    n_judged = min(int((~np.isnan(part.outcome)).all(axis=1).sum()) for part in (early, late))
    if min(n_clicks, n_judged) < settings.least_clicks:
        note = (
            f"{lists.n_lists} shown pages with too few watches to learn from: candidates are shown "
            "as they were retrieved"
        )
        return TrainedHeads(lists, None, (note,))
    # Importing torch takes seconds, and an installation without the extra has none.
    try:
        from graphrec.ranking.multi_objective import train_multi_objective
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_TORCH) from error
    plain = ObjectiveWeights(weights={settings.heads.objectives[0].name: 1.0})
    model = train_multi_objective(early, late, settings.heads, plain)
    calibrations, notes = _calibrate(model, late, settings)
    return TrainedHeads(lists, model.with_calibrations(calibrations), notes)


def _calibrate(
    model: MultiObjectiveModel, late: RankingSet, settings: LoopLearning
) -> tuple[dict[str, Calibration], tuple[str, ...]]:
    if settings.calibration is None:
        return {}, ()
    said = model.estimates(late.features)
    found: dict[str, Calibration] = {}
    notes = []
    for head, objective in enumerate(settings.heads.objectives):
        outcome = late.column(objective.name)
        known = outcome[~np.isnan(outcome)]
        if objective.kind != "logistic":
            continue
        if len(np.unique(known)) < 2:
            notes.append(f"{objective.name} came out alike in all held-out pages: not calibrated")
            continue
        score = np.ascontiguousarray(said[:, head])
        found[objective.name] = fit_calibration(score, outcome, settings.calibration)
    return found, tuple(notes)
