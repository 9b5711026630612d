"""What an experiment file may say."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.evaluation.figures import FigureSettings
from graphrec.evaluation.last_out import LastOutSettings
from graphrec.evaluation.stream import StreamSettings
from graphrec.evaluation.time_split import TimeSplitSettings
from graphrec.events.columns import ColumnMap
from graphrec.events.log import Role
from graphrec.events.world.settings import WorldSettings
from graphrec.experiment.method_settings import SourceMethod
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.experiment.temporal_parts import temporal_parts


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(_Settings):
    """Where the events come from: a path, or a world to simulate."""

    path: Path | None = Field(
        None, description="Folder, file or snapshot; relative to the experiment file."
    )
    world: WorldSettings | Path | None = Field(
        None,
        union_mode="left_to_right",
        description="The world to simulate instead, or a YAML file of its settings.",
    )
    columns: ColumnMap = Field(ColumnMap(), description="Which column holds what.")
    learn_from: tuple[Role, ...] = Field(
        ("positive", "explicit"), min_length=1, description="Roles of events that count."
    )
    event_types: tuple[str, ...] | None = Field(
        None, min_length=1, description="Event types that count, instead of roles."
    )
    weighted: bool = Field(
        False,
        description="Count events by their weight instead of 1 each, also in training.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "DataSettings":
        if (self.path is None) == (self.world is None):
            raise ValueError("give exactly one of path and world")
        return self


Method = Annotated[SourceMethod | PipelineMethod, Field(discriminator="method")]


class StreamProtocol(StreamSettings):
    """Predict, then absorb."""

    protocol: Literal["stream"]
    training: float = Field(0.70, gt=0, lt=1, description="Share of events to train on.")
    validation: float = Field(0.85, gt=0, lt=1, description="Share of events before the test.")


class TimeSplitProtocol(TimeSplitSettings):
    """One global cut."""

    protocol: Literal["time_split"]
    training: float = Field(0.70, gt=0, lt=1, description="Share of events to train on.")
    validation: float = Field(0.85, gt=0, lt=1, description="Share of events before the test.")


class LastOutProtocol(LastOutSettings):
    """The last item of each user."""

    protocol: Literal["last_out"]


Protocol = Annotated[
    StreamProtocol | TimeSplitProtocol | LastOutProtocol, Field(discriminator="protocol")
]


class ExperimentSettings(FigureSettings):
    """One experiment: data, protocols, methods, figures."""

    name: str = Field(min_length=1, description="Title of the report.")
    data: DataSettings = Field(description="The events.")
    evaluate: tuple[Protocol, ...] = Field(
        min_length=1, description="Protocols; every method goes through each of them."
    )
    methods: tuple[Method, ...] = Field(min_length=1, description="What is compared.")
    catalogue: Literal["all", "published"] = Field(
        "all",
        description="Candidates: all items, or those published (by the log: with a first event) "
        "before the query.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "ExperimentSettings":
        given = [method.name for method in self.methods if method.name is not None]
        if len(set(given)) < len(given):
            raise ValueError(f"methods are named {', '.join(given)} — every name must differ")
        return self

    @model_validator(mode="after")
    def _is_told_no_future(self) -> "ExperimentSettings":
        told = any(
            part.network.is_told_more for method in self.methods for part in temporal_parts(method)
        )
        if told and any(isinstance(protocol, LastOutProtocol) for protocol in self.evaluate):
            raise ValueError(
                "last_out asks as of the log's end, after the items it holds out — side_events and "
                "context_hours must be 0 under it"
            )
        return self
