"""What a simulation file may say: a world, policies, and how long they run it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.evaluation.closed_loop import OutcomeSettings
from graphrec.evaluation.intervals import IntervalSettings
from graphrec.events.world.closed_loop import LoopSettings
from graphrec.events.world.settings import WorldSettings
from graphrec.experiment.loop_settings import PipelineChoice
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.popular import PopularSettings
from graphrec.retrieval.walk_settings import WalkSettings


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Choice(_Settings):
    name: str | None = Field(None, min_length=1, description="Name in tables; by default its own.")


class LoggingChoice(_Choice):
    """The mixture of the world's own settings, under which the warm-up is lived."""

    policy: Literal["logging"] = "logging"


class RandomChoice(_Choice):
    """Items that are out and not among the user's last watches, evenly."""

    policy: Literal["random"] = "random"


class PopularChoice(_Choice):
    """Most watches: ever, in a window, or decayed."""

    policy: Literal["popular"] = "popular"
    settings: PopularSettings = Field(
        PopularSettings(half_life_days=7), description="What is counted."
    )
    hide_seen: bool = Field(True, description="Leave out the user's last watches.")


class WalkChoice(_Choice):
    """Random walks on the co-watch graph, topped up by what is popular."""

    policy: Literal["walk"] = "walk"
    graph: CoWatchSettings = Field(CoWatchSettings(), description="The co-watch graph.")
    walk: WalkSettings = Field(WalkSettings(), description="The walks.")
    fallback: PopularSettings = Field(
        PopularSettings(half_life_days=7), description="What fills pages that walks leave short."
    )
    hide_seen: bool = Field(True, description="Leave out the user's last watches.")


PolicyChoice = Annotated[
    LoggingChoice | RandomChoice | PopularChoice | WalkChoice | PipelineChoice,
    Field(discriminator="policy"),
]


class SimulationSettings(_Settings):
    """Policies that each live on in the same worlds."""

    name: str = Field(min_length=1, description="Title of the report.")
    world: WorldSettings | Path = Field(
        union_mode="left_to_right",
        description="The world, or a YAML file of its settings, relative to this one; `seeds` "
        "stand in for its seed.",
    )
    warm_up_days: int = Field(
        ge=1, le=1000, description="Days lived under the world's mixture: what policies learn from."
    )
    days: int = Field(ge=1, le=1000, description="Days lived under each policy.")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = Field(
        min_length=1, max_length=100, description="A world for each seed."
    )
    policies: tuple[PolicyChoice, ...] = Field(
        min_length=1, description="What is compared; differences are to the first."
    )
    loop: LoopSettings = Field(LoopSettings(), description="How time passes.")
    outcomes: OutcomeSettings = Field(OutcomeSettings(), description="How outcomes are counted.")
    intervals: IntervalSettings = Field(
        IntervalSettings(), description="Intervals and paired tests."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "SimulationSettings":
        names = [choice.name or choice.policy for choice in self.policies]
        if len(set(names)) < len(names):
            raise ValueError(f"policies are named {', '.join(names)} — every name must differ")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are {', '.join(map(str, self.seeds))} — each must differ")
        if isinstance(self.world, WorldSettings):
            lived = self.warm_up_days + self.days
            if lived > self.world.days:
                raise ValueError(
                    f"warm_up_days + days = {lived} — at most the world's days, {self.world.days}"
                )
        return self
