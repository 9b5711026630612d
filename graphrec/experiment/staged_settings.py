"""What an experiment file may say of a pipeline: its sources, its features and its ranker."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.experiment.method_settings import SourceMethod
from graphrec.pipeline.staged import StagedSettings
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.lambdamart import LambdaMARTSettings
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.retrieval.blend import BlendSettings, Quota


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BlendedMethod(_Settings):
    """One of the sources of a pipeline."""

    source: SourceMethod = Field(description="The source.")
    quota: Quota = Field(Quota(), description="How much it brings.")


class LambdaMARTRanker(LambdaMARTSettings):
    """Boosted trees."""

    ranker: Literal["lambdamart"] = "lambdamart"


class MultiObjectiveRanker(MultiObjectiveSettings):
    """A network with a head for each objective."""

    ranker: Literal["multi_objective"] = "multi_objective"


RankerSettings = Annotated[LambdaMARTRanker | MultiObjectiveRanker, Field(discriminator="ranker")]


class PipelineMethod(_Settings):
    """Several sources, their candidates ranked by a learned model."""

    method: Literal["pipeline"] = "pipeline"
    name: str | None = Field(None, min_length=1, description="Name in tables; by default its own.")
    sources: tuple[BlendedMethod, ...] = Field(
        min_length=1, max_length=20, description="Where candidates come from."
    )
    blend: BlendSettings = Field(BlendSettings(), description="How lists are merged.")
    features: FeatureSettings = Field(FeatureSettings(), description="Scales of the features.")
    ranker: RankerSettings = Field(LambdaMARTRanker(), description="The ranker.")
    weights: ObjectiveWeights = Field(
        ObjectiveWeights(), description="What each objective is worth, with `multi_objective`."
    )
    n_models: int = Field(
        1, ge=1, le=20, description="Rankers of different seeds whose scores are averaged."
    )
    staged: StagedSettings = Field(StagedSettings(), description="How it is trained.")

    @model_validator(mode="after")
    def _sources_differ(self) -> "PipelineMethod":
        names = [part.source.name or part.source.method for part in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources called {name} — give one of them a name of its own")
        return self
