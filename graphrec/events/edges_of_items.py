"""What is known of items — publishers, keywords — as edges at the time they were published."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Int8, Int32, Int64

from graphrec.events.event_types import HAS_KEYWORD, PUBLISHED_BY, with_type
from graphrec.events.log import EdgeType

_COLUMNS: Final = (("publisher", PUBLISHED_BY), ("keywords", HAS_KEYWORD))


@dataclass(frozen=True, slots=True)
class ItemEdges:
    """Edges from items to names, sorted by time.

    Attributes:
        time_s: When the item was published, UTC seconds.
        kind: Position among the edge types.
        item_row: The item.
        name: The publisher or keyword.
    """

    time_s: Int64[np.ndarray, " edges"]
    kind: Int8[np.ndarray, " edges"]
    item_row: Int32[np.ndarray, " edges"]
    name: pl.Series

    def __len__(self) -> int:
        return len(self.time_s)


def edges_of_items(
    items: pl.DataFrame,
    published_s: Int64[np.ndarray, " items"],
    edge_types: tuple[EdgeType, ...],
    *,
    declared: bool,
    given: frozenset[int],
) -> tuple[tuple[EdgeType, ...], ItemEdges]:
    """Edges from items to their publishers and keywords, each at the item's publication.

    Args:
        items: One row per item row, with lists `publisher` and `keywords` where they are known.
        published_s: Publication of each item, UTC seconds.
        edge_types: The log's types so far.
        declared: Whether the caller declared them; then an item→publisher or item→keyword type of
            role `describes` has to be among them, or its edges are left out.
        given: Edge types of which the log itself holds events; those are not made twice.

    Returns:
        The edge types, with those that were needed appended, and the edges; of one item publishers
        come first, each in the table's order.
    """
    parts = []
    for column, wanted in _COLUMNS:
        if column not in items.columns or not (items[column].list.len() > 0).any():
            continue
        edge_types, kind = with_type(edge_types, wanted, declared=declared)
        if kind is None or kind in given:
            continue
        lists = items.select(pl.int_range(pl.len(), dtype=pl.Int32).alias("row"), column)
        pairs = lists.explode(column).drop_nulls(column)
        parts.append((pairs["row"].to_numpy(), kind, pairs[column]))
    rows = np.concatenate([np.empty(0, np.int32), *(row for row, _, _ in parts)])
    kinds = np.concatenate(
        [np.empty(0, np.int8), *(np.full(len(row), kind, np.int8) for row, kind, _ in parts)]
    )
    names = pl.concat([pl.Series("name", [], pl.String), *(n.alias("name") for _, _, n in parts)])
    times = published_s[rows]
    order = np.lexsort((kinds, rows, times))
    return edge_types, ItemEdges(times[order], kinds[order], rows[order], names[order])


def no_item_edges() -> ItemEdges:
    """Of items of which nothing is known."""
    return ItemEdges(
        np.empty(0, np.int64),
        np.empty(0, np.int8),
        np.empty(0, np.int32),
        pl.Series("name", [], pl.String),
    )
