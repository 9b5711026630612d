"""What goes with one item in a live co-watch graph: weights, newest pairs, links among them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.arrays import NEVER_S
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.timelines import Timelines
from graphrec.kernels.timelines import END, ITEM_BITS, ITEM_MASK

MOST_DATED: Final = 4_000_000
"""Events up to which pairs are dated by a look at all of them, about 10 ms a million."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The items that one item leads to, heaviest first, ties to the lower row.

    Attributes:
        item_row: The items.
        weight: Weight of the edge to each as of the graph's clock, unitless, > 0.
        newest_s: When the newest pair of each was watched, UTC seconds; `NEVER_S` where not known.
        n_out: Edges that leave the item, shown or not.
        weight_out: Their summed weight.
        link_source: Place in `item_row` that each link among the shown comes from.
        link_target: Place in `item_row` that it leads to.
        link_weight: Its weight.
    """

    item_row: Int32[np.ndarray, " k"]
    weight: Float32[np.ndarray, " k"]
    newest_s: Int64[np.ndarray, " k"]
    n_out: int
    weight_out: float
    link_source: Int32[np.ndarray, " links"]
    link_target: Int32[np.ndarray, " links"]
    link_weight: Float32[np.ndarray, " links"]


def heaviest(
    edges: WeightedEdges, k: int
) -> tuple[Int32[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    """The `k` heaviest targets of one node, ties to the lower row, and their weights.

    Args:
        edges: Edges of that node alone.
        k: At most so many, >= 1.
    """
    order = np.lexsort((edges.target_row, -edges.weight))[:k]
    return edges.target_row[order], edges.weight[order]


def links_among(
    edges: WeightedEdges, item_row: Int32[np.ndarray, " k"]
) -> tuple[Int32[np.ndarray, " links"], Int32[np.ndarray, " links"], Float32[np.ndarray, " links"]]:
    """Links between the items of `item_row`, as places there.

    Args:
        edges: Edges of those items, a row each in their order.
        item_row: The items, each once.
    """
    source = np.repeat(np.arange(len(item_row), dtype=np.int32), np.diff(edges.ptr))
    order = np.argsort(item_row, kind="stable").astype(np.int32)
    found = np.searchsorted(item_row[order], edges.target_row)
    place = order[np.minimum(found, max(len(order) - 1, 0))] if len(order) else found
    inside = item_row[place] == edges.target_row if len(order) else np.zeros(0, bool)
    return source[inside], place[inside].astype(np.int32), edges.weight[inside]


def newest_pairs_s(
    timelines: Timelines,
    item_row: int,
    targets: Int32[np.ndarray, " k"],
    settings: CoWatchSettings,
) -> Int64[np.ndarray, " k"]:
    """When somebody last watched each target after an item, near enough for a pair.

    Args:
        timelines: All events by user and time.
        item_row: The first item of the pairs.
        targets: The second ones.
        settings: Which pairs count.

    Returns:
        UTC seconds of the second event; `NEVER_S` where there is no such pair.
    """
    packed = timelines.packed
    first = np.flatnonzero((packed & ITEM_MASK) == item_row)
    first = first[packed[first] != END]
    newest = np.full(timelines.n_items, -1, np.int64)
    limit = (packed[first] >> ITEM_BITS) + settings.window_s
    for step in range(1, settings.max_successors + 1):
        # An END ends its user's part for good, and is later than any limit.
        near = packed[first + step] >> ITEM_BITS <= limit
        first, limit = first[near], limit[near]
        second = packed[first + step]
        np.maximum.at(newest, second & ITEM_MASK, second >> ITEM_BITS)
    found = newest[targets]
    return np.where(found < 0, NEVER_S, found)
