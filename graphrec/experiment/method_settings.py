"""What an experiment file may say of a method: a source, and how it is made."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.cowatch_neighbours import NeighbourSettings
from graphrec.retrieval.ease import EASESettings
from graphrec.retrieval.fresh import FreshSettings
from graphrec.retrieval.item_knn import ItemKNNSettings
from graphrec.retrieval.last_items import LastItemsSettings
from graphrec.retrieval.own_items import OwnItemsSettings
from graphrec.retrieval.popular import PopularSettings
from graphrec.retrieval.recent import RecentSettings
from graphrec.retrieval.rp3beta import RP3betaSettings
from graphrec.retrieval.trending import TrendingSettings
from graphrec.retrieval.user_knn import UserKNNSettings
from graphrec.retrieval.vector_source import VectorSourceSettings
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.tgn.settings import NetworkSettings, TrainingSettings


class _Method(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

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


class NeighboursMethod(_Method):
    """Neighbours of the last items in the co-watch graph."""

    method: Literal["neighbours"] = "neighbours"
    graph: CoWatchSettings = Field(CoWatchSettings(), description="The co-watch graph.")
    settings: NeighbourSettings = Field(NeighbourSettings(), description="Whose edges count.")


class OwnItemsMethod(_Method):
    """The user's own items by activation, and no others."""

    method: Literal["own"] = "own"
    settings: OwnItemsSettings = Field(OwnItemsSettings(), description="How past events count.")


class TrendingMethod(_Method):
    """Most events lately, from a list kept ready."""

    method: Literal["trending"] = "trending"
    settings: TrendingSettings = Field(TrendingSettings(), description="How use fades.")


class FreshMethod(_Method):
    """New items of the publishers and keywords of the last items."""

    method: Literal["fresh"] = "fresh"
    settings: FreshSettings = Field(FreshSettings(), description="What counts as new.")


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


class VectorsMethod(_Method):
    """Vector search over a temporal network: its items by inner product, through an index."""

    method: Literal["vectors"] = "vectors"
    tgn: TemporalNetworkMethod = Field(
        TemporalNetworkMethod(), description="The network whose vectors are searched."
    )
    settings: VectorSourceSettings = Field(
        VectorSourceSettings(), description="The index, and when it is read anew."
    )


SourceMethod = Annotated[
    WalkMethod
    | PropagateMethod
    | PopularMethod
    | RecentMethod
    | LastItemsMethod
    | ItemKNNMethod
    | RP3betaMethod
    | EASEMethod
    | UserKNNMethod
    | NeighboursMethod
    | OwnItemsMethod
    | TrendingMethod
    | FreshMethod
    | TemporalNetworkMethod
    | VectorsMethod,
    Field(discriminator="method"),
]
"""Everything that is one candidate source."""
