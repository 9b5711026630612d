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
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.ease import EASESettings
from graphrec.retrieval.item_knn import ItemKNNSettings
from graphrec.retrieval.last_items import LastItemsSettings
from graphrec.retrieval.popular import PopularSettings
from graphrec.retrieval.recent import RecentSettings
from graphrec.retrieval.rp3beta import RP3betaSettings
from graphrec.retrieval.user_knn import UserKNNSettings
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.tgn.settings import NetworkSettings, TrainingSettings


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


class _Method(_Settings):
    name: str | None = Field(None, min_length=1, description="Name in tables; by default its own.")


class WalkMethod(_Method):
    """Random walks on the co-watch graph."""

    method: Literal["walk"] = "walk"
    graph: CoWatchSettings = Field(CoWatchSettings(), description="The co-watch graph.")
    walk: WalkSettings = Field(WalkSettings(), description="The walks.")


class PropagateMethod(_Method):
    """What the walks estimate, computed exactly."""

    method: Literal["propagate"] = "propagate"
    graph: CoWatchSettings = Field(CoWatchSettings(), description="The co-watch graph.")
    walk: WalkSettings = Field(WalkSettings(), description="The walks.")


class PopularMethod(_Method):
    """Most events: ever, in a window, or decayed."""

    method: Literal["popular"] = "popular"
    settings: PopularSettings = Field(PopularSettings(), description="What is counted.")


class RecentMethod(_Method):
    """Published last."""

    method: Literal["recent"] = "recent"
    settings: RecentSettings = Field(RecentSettings(), description="How ties are broken.")


class LastItemsMethod(_Method):
    """The user's last items again."""

    method: Literal["last_items"] = "last_items"
    settings: LastItemsSettings = Field(LastItemsSettings(), description="How they are ordered.")


class ItemKNNMethod(_Method):
    """Items that the same users had."""

    method: Literal["item_knn"] = "item_knn"
    settings: ItemKNNSettings = Field(ItemKNNSettings(), description="The similarity.")


class RP3betaMethod(_Method):
    """Three steps on the user–item graph."""

    method: Literal["rp3beta"] = "rp3beta"
    settings: RP3betaSettings = Field(RP3betaSettings(), description="The exponents.")


class EASEMethod(_Method):
    """Linear item–item weights in closed form."""

    method: Literal["ease"] = "ease"
    settings: EASESettings = Field(EASESettings(), description="The regularisation.")


class UserKNNMethod(_Method):
    """What alike users had."""

    method: Literal["user_knn"] = "user_knn"
    settings: UserKNNSettings = Field(UserKNNSettings(), description="The similarity.")


class TemporalNetworkMethod(_Method):
    """The temporal network, trained by `graphrec train` or where it is fitted."""

    method: Literal["tgn"] = "tgn"
    network: NetworkSettings = Field(NetworkSettings(), description="Its parts.")
    training: TrainingSettings = Field(TrainingSettings(), description="How it is trained.")
    content: bool = Field(True, description="Use publishers and keywords where there are any.")
    item_features: tuple[str, ...] = Field(
        (),
        description="Columns of the items table that a network reads: numbers (standardised on the "
        "items of training), text and true/false (a vector for each value).",
    )
    side_types: tuple[str, ...] = Field(
        (),
        description="Edge types from users that `network.side_events` reads; none named: those of "
        "role search or negative, and those to publishers.",
    )
    target_weights: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        {},
        description="How much predicting an event counts, by event type; 1 for one not named. "
        "Multiplied with the event's own weight where data is `weighted`.",
    )
    learn_refusals: bool = Field(
        False,
        description="Compare each event also with what its user turned down in the day before: "
        "events of role negative, and items shown and not clicked (see training.loss.n_given).",
    )
    weights: Path | None = Field(
        None, description="Snapshot of a trained network; relative to the experiment file."
    )

    @model_validator(mode="after")
    def _weights_stand_alone(self) -> "TemporalNetworkMethod":
        trained_by = {
            "network",
            "training",
            "item_features",
            "side_types",
            "target_weights",
            "learn_refusals",
        }
        if self.weights is not None and (given := trained_by & self.model_fields_set):
            raise ValueError(f"weights hold a trained network — drop {' and '.join(sorted(given))}")
        return self

    @model_validator(mode="after")
    def _side_types_are_read(self) -> "TemporalNetworkMethod":
        if self.side_types and not self.network.side_events:
            raise ValueError(
                f"side_types {', '.join(self.side_types)} without network.side_events — 1 or more "
                "of them are to be read"
            )
        return self


Method = Annotated[
    WalkMethod
    | PropagateMethod
    | PopularMethod
    | RecentMethod
    | LastItemsMethod
    | ItemKNNMethod
    | RP3betaMethod
    | EASEMethod
    | UserKNNMethod
    | TemporalNetworkMethod,
    Field(discriminator="method"),
]


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
            isinstance(method, TemporalNetworkMethod) and method.network.is_told_more
            for method in self.methods
        )
        if told and any(isinstance(protocol, LastOutProtocol) for protocol in self.evaluate):
            raise ValueError(
                "last_out asks as of the log's end, after the items it holds out — side_events and "
                "context_hours must be 0 under it"
            )
        return self
