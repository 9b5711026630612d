"""A pipeline's settings and a data set become its stages."""

from dataclasses import dataclass
from typing import Final

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.experiment.named_items import column_of_names
from graphrec.experiment.staged_settings import (
    LambdaMARTRanker,
    MultiObjectiveRanker,
    PipelineMethod,
    RankerSettings,
)
from graphrec.pipeline.staged import StagedSource
from graphrec.ranking.averaged import AveragedModel
from graphrec.ranking.boosted_trees import require_lightgbm
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.declared import EVENTS
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.stream_features import Rate
from graphrec.ranking.lambdamart import train_lambdamart
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.ranking.rank_model import RankModel
from graphrec.ranking.training_set import RankingSet
from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import CandidateSource, Interactions

NEEDS_TORCH: Final = (
    "a ranker of several objectives needs PyTorch to be trained — pip install 'graphrec[tgn]'"
)
_RATING_PRIOR: Final = 3.0
_ANSWER_PRIOR: Final = 0.05
"""Rate of an answer, such as a like or a report, to an item that nothing is known of."""


@dataclass(frozen=True, slots=True)
class RankerTraining:
    """`train_ranker` with its settings, kept for the next fit."""

    ranker: RankerSettings
    weights: ObjectiveWeights
    n_models: int = 1

    def __call__(self, early: RankingSet, late: RankingSet) -> RankModel:
        """Train on `early` lists, stopping by `late` ones."""
        return train_ranker(early, late, self.ranker, self.weights, self.n_models)


def build_staged(
    method: PipelineMethod, dataset: Dataset, sources: list[CandidateSource]
) -> StagedSource:
    """The pipeline that `method` describes, not yet fitted.

    Args:
        method: Its settings.
        dataset: The log and its tables.
        sources: Its sources, in order.
    """
    if isinstance(method.ranker, LambdaMARTRanker):
        # Before the log is lived through again, not after.
        require_lightgbm()
    blend = BlendedSource(sources, [part.quota for part in method.sources], method.blend)
    builder = FeatureBuilder(
        feature_inputs(dataset, tuple(source.name for source in sources)), method.features
    )
    train = RankerTraining(method.ranker, method.weights, method.n_models)
    return StagedSource(blend, builder, train, method.staged, name=method.name or "pipeline")


def train_ranker(
    early: RankingSet,
    late: RankingSet,
    ranker: RankerSettings,
    weights: ObjectiveWeights,
    n_models: int = 1,
) -> RankModel:
    """A trained ranker, or the average of several of seeds counted up.

    Raises:
        SettingsError: The ranker's library is not installed.
        DataError: The lists teach no order.
    """
    models: list[RankModel] = []
    for number in range(n_models):
        seeded = ranker.model_copy(update={"seed": ranker.seed + number})
        match seeded:
            case LambdaMARTRanker():
                models.append(train_lambdamart(early, late, seeded))
            case MultiObjectiveRanker():
                models.append(_train_network(early, late, seeded, weights))
    return models[0] if n_models == 1 else AveragedModel(models)


def feature_inputs(dataset: Dataset, source_names: tuple[str, ...]) -> FeatureInputs:
    """What features can be made of in a data set: names, publication, answers.

    Every kind of user–item event that is an answer — negative or explicit — becomes a stream.
    """
    streams = _streams(dataset.log)
    rates = []
    for name in streams:
        rates.append(Rate(name, name, EVENTS, _ANSWER_PRIOR))
        if _role_of(dataset.log, name) == "explicit":
            rates.append(Rate(f"{name}_value", name, name, _RATING_PRIOR))
    return FeatureInputs(
        source_names,
        names_of_items(dataset),
        dataset.given_published_s(),
        streams,
        tuple(rates),
    )


def names_of_items(dataset: Dataset) -> dict[str, NamesOfItems]:
    """Publishers and keywords of items, as far as the items table names any."""
    columns = {
        kind: column_of_names(dataset, column)
        for column, kind in (("publisher", "publisher"), ("keywords", "keyword"))
    }
    return {kind: column.of_items() for kind, column in columns.items() if column.names}


def _streams(log: EventLog) -> dict[str, Interactions]:
    return {
        edge_type.name: _with_values(log, edge_type.name)
        for edge_type in log.edge_types
        if edge_type.source == "user"
        and edge_type.target == "item"
        and edge_type.role in ("negative", "explicit")
        and bool((log.edge_type == log.type_index(edge_type.name)).any())
    }


def _with_values(log: EventLog, name: str) -> Interactions:
    """The events of one type, each with its own value, such as the rating."""
    chosen = log.take(log.edge_type == log.type_index(name))
    return Interactions(
        chosen.time_s,
        chosen.source_row,
        chosen.target_row,
        chosen.weight,
        log.n_nodes.get("user", 0),
        log.n_nodes.get("item", 0),
    )


def _role_of(log: EventLog, name: str) -> str:
    return log.edge_types[log.type_index(name)].role


def _train_network(
    early: RankingSet, late: RankingSet, settings: MultiObjectiveRanker, weights: ObjectiveWeights
) -> RankModel:
    # Importing torch takes seconds, and an installation without the extra has none.
    try:
        from graphrec.ranking.multi_objective import train_multi_objective
    except ModuleNotFoundError as error:
        raise SettingsError(NEEDS_TORCH) from error
    return train_multi_objective(early, late, settings, weights)
