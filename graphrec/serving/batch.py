"""A log becomes part of a data set, as if it had been read from files."""

import copy
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int8, Int32, Int64

from graphrec.errors import GraphrecError
from graphrec.events.catalogue import Catalogue
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription
from graphrec.events.edges_of_items import edges_of_items
from graphrec.events.ids import IdMap, Key
from graphrec.events.log import EdgeType, EventLog, NodeType
from graphrec.events.user_properties import properties_of, with_properties
from graphrec.serving.changes import (
    ItemDeleted,
    ItemPut,
    LiveEvent,
    LoggedEntry,
    UserPut,
    change_of,
    kinds_of,
    refuse_change,
)

_LOG = logging.getLogger(__name__)
_DESCRIBING = ("publisher", "keyword")


@dataclass(slots=True)
class _Told:
    """What entries told, by rows.

    Attributes:
        ids: Ids so far.
        events: `time_s`, edge type, user row, item row and weight of each event.
        said: Descriptions of items.
        deleted: Items that are not to be shown.
        properties: Properties of users.
        forgotten: Users that were known at first and are no more.
    """

    ids: dict[NodeType, IdMap]
    properties: dict[Key, Mapping[str, Any]]
    events: list[tuple[int, int, int, int, float]] = field(default_factory=list)
    said: dict[int, ItemDescription] = field(default_factory=dict)
    deleted: dict[int, bool] = field(default_factory=dict)
    forgotten: set[Key] = field(default_factory=set)


def dataset_of_log(dataset: Dataset, entries: Iterable[LoggedEntry]) -> Dataset:
    """A data set with what a log told since: what a live state knows after the same entries.

    Args:
        dataset: What the log starts from; it stays as it is.
        entries: The log, in its order; entries that a live state skips are left out. Impressions
            are not taken over.

    Returns:
        Ids of `dataset` keep their rows, those of the log follow in its order; the id of a user who
        was forgotten is null. Events of equal time stand in the order of the log, behind those of
        `dataset`, and have no ids. Deleted items have `is_deleted` in the items table; properties
        of users stand as JSON in the column `properties` of the users table. An item that was
        described has the edges to publishers and keywords that its description says, at its
        publication, which may lie behind the last event: fit with `at_s` where that matters.
    """
    told = _told(dataset, entries)
    items = _items(dataset, told)
    users = _users(dataset, told)
    log = _log(dataset, told, items)
    impressions = dataset.impressions
    if impressions is not None and told.forgotten:
        gone = pl.Series(list(told.forgotten), dtype=impressions.schema["user_id"])
        impressions = impressions.filter(~pl.col("user_id").is_in(gone.implode()))
    return replace(
        dataset,
        log=log,
        ids=told.ids,
        items=items,
        users=users,
        impressions=impressions,
        sha256="",
    )


def _told(dataset: Dataset, entries: Iterable[LoggedEntry]) -> _Told:
    told = _Told(copy.deepcopy(dict(dataset.ids)), properties_of(dataset.users))
    users, items = told.ids["user"], told.ids["item"]
    kinds = kinds_of(dataset)
    number = {kind.name: index for index, kind in enumerate(dataset.log.edge_types)}
    for entry in entries:
        if entry.kind == "user_deleted":
            _forget(dataset, told, entry.key)
            continue
        try:
            change = change_of(entry)
            if change is not None:
                refuse_change(change, kinds, told.ids)
        except (GraphrecError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("entry %d is left out: %s", entry.seq, error)
            continue
        match change:
            case LiveEvent():
                user, item = users.add(change.user_id), items.add(change.item_id)
                told.events.append((change.time_s, number[change.kind], user, item, change.weight))
            case ItemPut():
                row = items.add(change.item_id)
                told.said[row], told.deleted[row] = change.said, False
            case ItemDeleted():
                told.deleted[items.add(change.item_id)] = True
            case UserPut():
                key = users.key(users.add(change.user_id))
                told.properties[key] = change.properties
    return told


def _forget(dataset: Dataset, told: _Told, user_id: Key) -> None:
    users = told.ids["user"]
    if user_id not in users:
        user_id = users.key_of(str(user_id))
    told.properties.pop(user_id, None)
    if users.forget(user_id) and user_id in dataset.ids["user"]:
        told.forgotten.add(user_id)


def _items(dataset: Dataset, told: _Told) -> pl.DataFrame:
    keys = told.ids["item"].keys
    later = pl.DataFrame({"item_id": keys[len(dataset.items) :]})
    items = pl.concat([dataset.items, later], how="diagonal_relaxed")
    catalogue = Catalogue(dataset, dataset.log.interactions().take(slice(0, 0)))
    catalogue.put(told.said)
    catalogue.delete([row for row, gone in told.deleted.items() if gone])
    return catalogue.table(items)


def _users(dataset: Dataset, told: _Told) -> pl.DataFrame:
    keys = told.ids["user"].keys.alias("user_id")
    later = pl.DataFrame({"user_id": keys[len(dataset.users) :]})
    users = pl.concat([dataset.users, later], how="diagonal_relaxed")
    is_known = keys.is_not_null()
    blank = [pl.when(is_known).then(pl.col(name)).alias(name) for name in users.columns]
    return with_properties(users.with_columns(blank).with_columns(keys), told.properties)


@dataclass(frozen=True, slots=True)
class _Edges:
    """Columns of a log.

    Attributes:
        time_s: UTC seconds.
        kind: Edge types.
        source: Rows of sources.
        target: Rows of targets.
        weight: Weights.
    """

    time_s: Int64[np.ndarray, " edges"]
    kind: Int8[np.ndarray, " edges"]
    source: Int32[np.ndarray, " edges"]
    target: Int32[np.ndarray, " edges"]
    weight: Float32[np.ndarray, " edges"]


def _log(dataset: Dataset, told: _Told, items: pl.DataFrame) -> EventLog:
    log = dataset.log
    known = log.take(~_describes_one_of(log, told.said))
    told_of = list(zip(*told.events, strict=True)) if told.events else [()] * 5
    events = _Edges(
        np.array(told_of[0], np.int64),
        np.array(told_of[1], np.int8),
        np.array(told_of[2], np.int32),
        np.array(told_of[3], np.int32),
        np.array(told_of[4], np.float32),
    )
    n_nodes = {node: len(ids) for node, ids in told.ids.items()}
    merged = _merged(known, events, log.edge_types, n_nodes)
    if not told.said:
        return merged
    published_s = replace(dataset, log=merged, ids=told.ids, items=items).published_s()
    edge_types, edges = _descriptions(told, items, published_s, log.edge_types)
    n_nodes = {node: len(ids) for node, ids in told.ids.items()}
    return _merged(merged, edges, edge_types, n_nodes)


def _describes_one_of(
    log: EventLog, said: Mapping[int, ItemDescription]
) -> Bool[np.ndarray, " events"]:
    describing = [
        index
        for index, kind in enumerate(log.edge_types)
        if kind.source == "item" and kind.role == "describes" and kind.target in _DESCRIBING
    ]
    rows = np.array(list(said), np.int32)
    return np.isin(log.edge_type, np.array(describing, np.int8)) & np.isin(log.source_row, rows)


def _descriptions(
    told: _Told,
    items: pl.DataFrame,
    published_s: Int64[np.ndarray, " items"],
    edge_types: tuple[EdgeType, ...],
) -> tuple[tuple[EdgeType, ...], _Edges]:
    """Edges of the items that were described; ids of names grow."""
    rows = np.array(sorted(told.said), np.int32)
    edge_types, found = edges_of_items(
        items[rows], published_s[rows], edge_types, declared=False, given=frozenset()
    )
    target = np.empty(len(found), np.int32)
    for at, (kind, name) in enumerate(zip(found.kind.tolist(), found.name.to_list(), strict=True)):
        node = edge_types[kind].target
        if node not in told.ids:
            told.ids[node] = IdMap(pl.Series([], dtype=pl.String), what=node)
        target[at] = told.ids[node].add(name)
    ones = np.ones(len(found), np.float32)
    return edge_types, _Edges(found.time_s, found.kind, rows[found.item_row], target, ones)


def _merged(
    log: EventLog, more: _Edges, edge_types: tuple[EdgeType, ...], n_nodes: Mapping[NodeType, int]
) -> EventLog:
    """Edges behind those of a log that are of the same time."""
    time_s = np.concatenate([log.time_s, more.time_s])
    order = np.argsort(time_s, kind="stable")
    return EventLog(
        time_s[order],
        np.concatenate([log.edge_type, more.kind])[order],
        np.concatenate([log.source_row, more.source])[order],
        np.concatenate([log.target_row, more.target])[order],
        np.concatenate([log.weight, more.weight])[order],
        edge_types,
        n_nodes,
    )
