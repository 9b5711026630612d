"""Put cleaned tables together: ids to rows, events in order of time, items' edges among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Int8, Int32, Int64, UInt64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.edges_of_items import ItemEdges, edges_of_items, no_item_edges
from graphrec.events.event_keys import event_keys
from graphrec.events.event_types import OCCURS, with_type
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog, NodeType, Role

PUBLISHING_ROLES: Final[frozenset[Role]] = frozenset({"positive", "negative", "explicit"})
MAX_ROWS: Final = 2**31 - 1
"""Rows are int32."""

_LISTS: Final = ("publisher", "keywords")
_OCCURS_SALT: Final = np.uint64(0x6F63637572730000)


@dataclass(frozen=True, slots=True)
class CleanParts:
    """All that a data set is made of, cleaned, ids of one kind for each node type.

    Attributes:
        events: `time_s`, `user`, `item`, `keyword`, `publisher`, `context`, `kind`, `weight`,
            `event_id`, in file order.
        edge_types: What `kind` counts in.
        declared: Whether the caller declared the edge types.
        items: The table of items, or None.
        users: The table of users, or None.
        impressions: Shown lists, or None.
        first_ids: Ids of each node type that have the first rows, in order.
        with_item_edges: Whether edges are made of the items' publishers and keywords.
    """

    events: pl.DataFrame
    edge_types: tuple[EdgeType, ...]
    declared: bool
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    impressions: pl.DataFrame | None = None
    first_ids: Mapping[NodeType, pl.Series] = field(default_factory=dict)
    with_item_edges: bool = True


def assemble(parts: CleanParts, name: str) -> Dataset:
    """Make a data set.

    Rows count ids in order of first appearance in time, users that no event names behind them in
    the order of their table. Items of the items table come first, in its order: counted by first
    appearance, a low row, by which ties are broken, would say which item will be used. Items that
    no table describes still are.

    Of events that share an event id the first in file order stays. Items' edges stand before events
    of the same second; an event's own keyword edge stands behind it.

    Raises:
        DataError: There are more ids of one node type than int32 counts.
    """
    events, n_repeated = _without_repeats(parts.events)
    time_s = events["time_s"].to_numpy()
    if bool((time_s[1:] < time_s[:-1]).any()):
        events = events[np.argsort(time_s, kind="stable")]
    users = _id_map("user", parts, [events["user"], *_keys(parts.users, "user_id")])
    items = _id_map("item", parts, [*_keys(parts.items, "item_id"), events["item"]])
    item_row = items.rows(events["item"])
    item_table = _in_row_order(items, parts.items, "item_id")
    edge_types, added = _item_edges(parts, events, item_row, item_table)
    edge_types, occurs = _occurrences(events, edge_types, declared=parts.declared)
    merged = _Merged(events, added, occurs, edge_types)
    rows: dict[NodeType, Int32[np.ndarray, " edges"]] = {
        "user": merged.block(users.rows(events["user"])),
        "item": merged.block(item_row, added.item_row, item_row[occurs.at]),
    }
    ids: dict[NodeType, IdMap] = {"user": users, "item": items}
    for node in ("publisher", "keyword", "context"):
        names = merged.names(node)
        if names is None and node not in parts.first_ids:
            continue
        none = pl.Series([], dtype=pl.String)
        named = none if names is None else names[merged.order].drop_nulls()
        ids[node] = _id_map(node, parts, [named])
        if names is not None:
            rows[node] = ids[node].rows(names)
    impressions = parts.impressions
    return Dataset(
        name,
        merged.log(rows, {node: len(found) for node, found in ids.items()}),
        ids,
        item_table,
        _in_row_order(users, parts.users, "user_id"),
        None if impressions is None else impressions.sort("time_s", maintain_order=True),
        n_repeated=n_repeated,
    )


@dataclass(frozen=True, slots=True)
class _Occurrences:
    """Keywords that users gave to items: edges of item and keyword behind the events `at`."""

    at: Int64[np.ndarray, " edges"]
    kind: int


class _Merged:
    """Three blocks of edges — of items, events, occurrences — and the order that merges them."""

    def __init__(
        self,
        events: pl.DataFrame,
        added: ItemEdges,
        occurs: _Occurrences,
        edge_types: tuple[EdgeType, ...],
    ) -> None:
        self._events, self._added, self._occurs = events, added, occurs
        self._edge_types = edge_types
        n_added, n_events, n_occurs = len(added), len(events), len(occurs.at)
        self._time_s = self.block(
            events["time_s"].to_numpy(), added.time_s, events["time_s"].to_numpy()[occurs.at]
        )
        self.order: Int64[np.ndarray, " edges"] | slice = slice(None)
        if n_added or n_occurs:
            logged = np.arange(n_added, n_added + n_events)
            logged = np.insert(logged, occurs.at + 1, n_added + n_events + np.arange(n_occurs))
            at = np.searchsorted(self._time_s[logged], added.time_s, side="left")
            self.order = np.insert(logged, at, np.arange(n_added))

    def block(
        self,
        events: np.ndarray,
        added: np.ndarray | None = None,
        occurs: np.ndarray | None = None,
    ) -> np.ndarray:
        """One column over the three blocks, -1 where a block has none."""
        if not len(self._added) and not len(self._occurs.at):
            return events
        before, behind = len(self._added), len(self._occurs.at)
        first = np.full(before, NO_ROW, events.dtype) if added is None else added
        last = np.full(behind, NO_ROW, events.dtype) if occurs is None else occurs
        return np.concatenate([first, events, last])

    def names(self, node: NodeType) -> pl.Series | None:
        """Names of one node type over the three blocks, null where there is none."""
        added = np.array([kind.target == node for kind in self._edge_types])[self._added.kind]
        events = self._events[node].cast(pl.String)
        if not added.any() and not events.count():
            return None
        own = pl.select(pl.when(pl.Series(added)).then(pl.lit(self._added.name))).to_series()
        behind = events[self._occurs.at]
        if node != "keyword":
            behind = behind.clear(len(behind))
        return pl.concat([own.alias(node), events, behind])

    def log(
        self, rows: Mapping[NodeType, Int32[np.ndarray, " edges"]], n_nodes: Mapping[NodeType, int]
    ) -> EventLog:
        """The log, with the rows of each node type over the three blocks."""
        kind = self.block(
            self._events["kind"].to_numpy().astype(np.int8),
            self._added.kind,
            np.full(len(self._occurs.at), self._occurs.kind, np.int8),
        )
        ones = np.ones(max(len(self._added), len(self._occurs.at)), np.float32)
        weight = self.block(
            self._events["weight"].to_numpy(),
            ones[: len(self._added)],
            ones[: len(self._occurs.at)],
        )
        sources = [edge_type.source for edge_type in self._edge_types]
        targets = [edge_type.target for edge_type in self._edge_types]
        keys = self._event_keys(rows["item"])
        return EventLog(
            self._time_s[self.order],
            kind[self.order],
            _ends(sources, kind, rows)[self.order],
            _ends(targets, kind, rows)[self.order],
            weight[self.order],
            self._edge_types,
            n_nodes,
            None if keys is None else keys[self.order],
        )

    def _event_keys(
        self, item_row: Int32[np.ndarray, " edges"]
    ) -> UInt64[np.ndarray, " edges"] | None:
        given = self._events["event_id"]
        if given.null_count():
            return None
        texts = pl.Series(item_row[: len(self._added)]).cast(pl.String) + "\x1f" + self._added.name
        keys = given.to_numpy()
        if not len(self._added) and not len(self._occurs.at):
            return keys
        return self.block(keys, event_keys(texts), keys[self._occurs.at] ^ _OCCURS_SALT)


def _ends(
    nodes: Sequence[NodeType],
    kind: Int8[np.ndarray, " edges"],
    rows: Mapping[NodeType, Int32[np.ndarray, " edges"]],
) -> Int32[np.ndarray, " edges"]:
    """The row at one end of every edge, given the node type that stands there for each kind."""
    if len(set(nodes)) == 1:
        return rows[nodes[0]]
    end = np.empty(len(kind), np.int32)
    for node in rows.keys() & set(nodes):
        mine = np.array([other == node for other in nodes])[kind]
        end[mine] = rows[node][mine]
    return end


def _without_repeats(events: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    if events["event_id"].null_count():
        return events, 0
    first = events["event_id"].is_first_distinct()
    n_repeated = len(first) - int(first.sum())
    return (events.filter(first), n_repeated) if n_repeated else (events, 0)


def _keys(table: pl.DataFrame | None, name: str) -> list[pl.Series]:
    return [] if table is None else [table[name]]


def _id_map(node: NodeType, parts: CleanParts, found: Sequence[pl.Series]) -> IdMap:
    first = [parts.first_ids[node]] if node in parts.first_ids else []
    series = [keys.drop_nulls().alias(node) for keys in (*first, *found)]
    kind = next((keys.dtype for keys in series if len(keys)), pl.String)
    ids = IdMap(pl.concat([keys.cast(kind) for keys in series]), what=node)
    if len(ids) > MAX_ROWS:
        raise DataError(f"{len(ids):,} {node} ids — at most {MAX_ROWS:,}: rows are int32")
    return ids


def _in_row_order(ids: IdMap, table: pl.DataFrame | None, name: str) -> pl.DataFrame:
    keys = pl.DataFrame({name: ids.keys})
    if table is None:
        return keys
    table = table.with_columns(pl.col(name).cast(ids.keys.dtype))
    lists = [column for column in _LISTS if column in table.columns]
    return keys.join(table, on=name, how="left", maintain_order="left").with_columns(
        pl.col(lists).fill_null([])
    )


def _item_edges(
    parts: CleanParts,
    events: pl.DataFrame,
    item_row: Int32[np.ndarray, " events"],
    items: pl.DataFrame,
) -> tuple[tuple[EdgeType, ...], ItemEdges]:
    if not parts.with_item_edges or not set(_LISTS) & set(items.columns):
        return parts.edge_types, no_item_edges()
    kind = events["kind"].to_numpy()
    acts = [
        t.source == "user" and t.target == "item" and t.role in PUBLISHING_ROLES
        for t in parts.edge_types
    ]
    acted = np.flatnonzero(np.array(acts, dtype=bool)[kind])[::-1]
    time_s = events["time_s"].to_numpy()
    first = np.full(len(items), time_s[-1] if len(time_s) else 0, dtype=np.int64)
    # Written from the last event to the first, so that the first one stays.
    first[item_row[acted]] = time_s[acted]
    if "published_s" in items.columns:
        given = items["published_s"]
        first = np.where(given.is_null().to_numpy(), first, given.fill_null(0).to_numpy())
    return edges_of_items(
        items,
        first,
        parts.edge_types,
        declared=parts.declared,
        given=frozenset(np.unique(kind).tolist()),
    )


def _occurrences(
    events: pl.DataFrame, edge_types: tuple[EdgeType, ...], *, declared: bool
) -> tuple[tuple[EdgeType, ...], _Occurrences]:
    none = _Occurrences(np.empty(0, np.int64), 0)
    if not events["keyword"].count():
        return edge_types, none
    tags = np.array([t.source == "user" and t.target == "item" for t in edge_types])
    tagged = tags[events["kind"].to_numpy()] & events["keyword"].is_not_null().to_numpy()
    if not tagged.any():
        return edge_types, none
    edge_types, kind = with_type(edge_types, OCCURS, declared=declared)
    if kind is None:
        return edge_types, none
    return edge_types, _Occurrences(np.flatnonzero(tagged).astype(np.int64), kind)
