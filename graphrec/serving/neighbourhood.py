"""The part of a pipeline's live co-watch graph around one item, in the caller's words."""

from typing import Final, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, Field

from graphrec.arrays import DAY_S, NEVER_S
from graphrec.events.ids import Key
from graphrec.graph.neighbours import Neighbours
from graphrec.pipeline import Pipeline
from graphrec.serving.state import LiveState

MAX_NEIGHBOURS: Final = 100


@runtime_checkable
class CoWatching(Protocol):
    """A source that holds a co-watch graph."""

    @property
    def n_items(self) -> int:
        """Items that have a row in it."""
        ...

    @property
    def n_edges(self) -> int | None:
        """Edges that are held; None where the graph cannot tell."""
        ...

    def neighbours_of(self, item_row: int, k: int) -> Neighbours:
        """The `k` heaviest edges of an item, and the links among their ends."""
        ...


class NodeOut(BaseModel):
    """An item of a neighbourhood."""

    item_id: Key
    title: str
    n_events: int = Field(description="How often it was watched so far.")


class NeighbourOut(NodeOut):
    """An item that is watched after the one asked about."""

    weight: float = Field(description="Weight of the edge that leads to it, unitless, > 0.")
    share: float = Field(description="That weight over the weight of all edges, in (0, 1].")
    age_days: float | None = Field(
        description="Days from the newest pair to the newest event the graph knows; null where "
        "that is not known."
    )


class LinkOut(BaseModel):
    """An edge between two of the neighbours."""

    source: int = Field(description="Place in `neighbours` that it comes from, counted from 0.")
    target: int = Field(description="Place in `neighbours` that it leads to.")
    weight: float


class NeighboursOut(BaseModel):
    """What people watch after an item, heaviest edge first, without items that were deleted."""

    item: NodeOut
    neighbours: list[NeighbourOut]
    links: list[LinkOut]
    n_edges: int = Field(description="Edges that leave the item, shown or not.")
    seq: int = Field(description="All entries of the log up to this number are known here.")


def neighbours_of(state: LiveState, item_id: Key, k: int) -> NeighboursOut | None:
    """The neighbourhood of an item; None where no source of the pipeline holds such a graph.

    Args:
        state: What is known; the caller holds it still.
        item_id: The item.
        k: Neighbours at most, >= 1.

    Raises:
        UnknownIdError: The item is not known.
    """
    pipeline = state.pipeline
    row = pipeline.dataset.ids["item"].row(item_id)
    source = _co_watching(pipeline)
    if source is None:
        return None
    item = _node(pipeline, row)
    if row >= source.n_items:
        return NeighboursOut(item=item, neighbours=[], links=[], n_edges=0, seq=state.seq)
    found = source.neighbours_of(row, k)
    deleted = [pipeline.catalogue.is_deleted(one) for one in found.item_row.tolist()]
    kept = [place for place, is_gone in enumerate(deleted) if not is_gone]
    place_of = {place: n for n, place in enumerate(kept)}
    links = zip(found.link_source, found.link_target, found.link_weight, strict=True)
    return NeighboursOut(
        item=item,
        neighbours=[_neighbour(pipeline, found, place) for place in kept],
        links=[
            LinkOut(source=place_of[start], target=place_of[end], weight=float(weight))
            for start, end, weight in links
            if start in place_of and end in place_of
        ],
        n_edges=found.n_out,
        seq=state.seq,
    )


def n_edges_of(pipeline: Pipeline) -> int | None:
    """Edges of the pipeline's co-watch graph; None where there is none, or it cannot tell."""
    source = _co_watching(pipeline)
    return None if source is None else source.n_edges


def _co_watching(pipeline: Pipeline) -> CoWatching | None:
    return next((one for one in pipeline.parts.sources if isinstance(one, CoWatching)), None)


def _node(pipeline: Pipeline, row: int) -> NodeOut:
    catalogue, key = pipeline.catalogue, pipeline.dataset.ids["item"].key(row)
    return NodeOut(
        item_id=key,
        title=catalogue.title(row) or str(key),
        n_events=int(catalogue.n_events[row]) if row < catalogue.n_items else 0,
    )


def _neighbour(pipeline: Pipeline, found: Neighbours, place: int) -> NeighbourOut:
    node = _node(pipeline, int(found.item_row[place]))
    newest_s, weight = int(found.newest_s[place]), float(found.weight[place])
    age_s = None if newest_s == NEVER_S else max(0, pipeline.cut_s - 1 - newest_s)
    return NeighbourOut(
        **node.model_dump(),
        weight=weight,
        share=weight / found.weight_out,
        age_days=None if age_s is None else float(np.round(age_s / DAY_S, 3)),
    )
