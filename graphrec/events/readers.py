"""Read a data set from files or frames; every fault of every table is refused at once."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from graphrec.errors import BadRowsError, DataError, Fault
from graphrec.events.assembly import CleanParts, assemble
from graphrec.events.columns import ColumnMap, known_names, resolve_columns
from graphrec.events.dataset import Dataset
from graphrec.events.event_rows import EventTable, clean_events, settle_kinds
from graphrec.events.id_kinds import KeyedTable, agree_on_kinds
from graphrec.events.layout import Layout, TableFile, find_layout
from graphrec.events.log import EdgeType, NodeType
from graphrec.events.mind import split_behaviors
from graphrec.events.side_tables import clean_impressions, clean_items, clean_users
from graphrec.events.tables import RawTable, frame_of_arrow, read_table
from graphrec.events.validation import FaultList
from graphrec.events.written_folder import read_mark

_EVENT_COLUMNS: Final = (
    "time_s",
    "user",
    "item",
    "keyword",
    "publisher",
    "context",
    "kind",
    "weight",
    "event_id",
)
_EVENT_KEYS: Final[Mapping[str, NodeType]] = {"user": "user", "item": "item"}
_ITEM_KEYS: Final[Mapping[str, NodeType]] = {"item_id": "item"}
_USER_KEYS: Final[Mapping[str, NodeType]] = {"user_id": "user"}
_SHOWN_KEYS: Final[Mapping[str, NodeType]] = {"user_id": "user", "shown": "item", "clicked": "item"}


def read_dataset(
    path: Path,
    columns: ColumnMap | None = None,
    edge_types: Sequence[EdgeType] | None = None,
    name: str | None = None,
) -> Dataset:
    """Read a folder or a single file of events.

    Args:
        path: A folder (events, and where there are any items, users and impressions, as Parquet,
            CSV or JSON Lines; or a MovieLens, RecBole, Personalize, TGB or MIND folder), or one
            file (.parquet, .csv, .tsv, .jsonl, .ndjson, .dat, .inter).
        columns: Which column holds what; by default told from the header.
        edge_types: The event types that may occur, others are faults. By default each is told from
            its name: rate is explicit; skip, dislike, report and the like are negative; search is
            search; all others are positive. Declared types without an item→publisher or
            item→keyword one leave items' edges out.
        name: Name for reports; by default the folder's or file's.

    Returns:
        The data set, events sorted by time, ties in file order.

    Raises:
        DataError: The path, the layout or a file is not readable as events.
        BadRowsError: Values break rules; carries all that were found.
    """
    layout = find_layout(path)
    faults = FaultList()
    tables = _read_all(layout, columns or ColumnMap(), faults)
    faults.raise_if_any()
    if layout.written is not None and edge_types is None:
        edge_types = read_mark(layout.written)
    if layout.is_mind:
        clicks, lists = split_behaviors(tables.events[0], faults)
        faults.raise_if_any()
        tables = replace(tables, events=[clicks], impressions=lists)
    dataset = _build(
        tables,
        columns or ColumnMap(),
        edge_types,
        layout,
        path.stem if path.is_file() else path.resolve().name,
    )
    dataset = dataset if name is None else replace(dataset, name=name)
    return replace(dataset, sha256=_sha256(layout.paths))


def dataset_from_frame(
    events: pl.DataFrame | pa.Table,
    items: pl.DataFrame | pa.Table | None = None,
    users: pl.DataFrame | pa.Table | None = None,
    impressions: pl.DataFrame | pa.Table | None = None,
    columns: ColumnMap | None = None,
    edge_types: Sequence[EdgeType] | None = None,
) -> Dataset:
    """A data set of Polars frames or Arrow tables, by the same rules as `read_dataset`.

    Args:
        events: One row per event.
        items: One row per item: `item_id`, and any of `title`, `publisher`, `keywords`,
            `published_s` and features of the caller's own.
        users: One row per user: `user_id` and features.
        impressions: Shown lists: `user_id`, `time_s`, `shown`, `clicked`.
        columns: Which column of `events` holds what; by default told from its header.
        edge_types: The event types that may occur; by default each is told from its name.

    Raises:
        DataError: A frame is no table of events, items, users or shown lists.
        BadRowsError: Values break rules; carries all that were found.
    """
    tables = _Tables(
        [_raw(events, "events")],
        None if items is None else _raw(items, "items"),
        None if users is None else _raw(users, "users"),
        None if impressions is None else _raw(impressions, "impressions"),
    )
    layout = Layout((TableFile(Path("events")),))
    return _build(tables, columns or ColumnMap(), edge_types, layout, "frame")


@dataclass(frozen=True, slots=True)
class _Tables:
    events: list[RawTable]
    items: RawTable | None = None
    users: RawTable | None = None
    impressions: RawTable | None = None
    names: RawTable | None = None


def _raw(table: pl.DataFrame | pa.Table, file: str) -> RawTable:
    frame = table if isinstance(table, pl.DataFrame) else frame_of_arrow(table, file)
    if not len(frame):
        raise BadRowsError([Fault(file, 0, "", "0 rows", "a table has at least one row")])
    return RawTable(file, frame, tuple(frame.columns), typed=True)


def _read_all(layout: Layout, columns: ColumnMap, faults: FaultList) -> _Tables:
    wanted = known_names(columns)

    def read(table: TableFile | None, *, is_log: bool = False) -> RawTable | None:
        if table is None:
            return None
        try:
            return read_table(table.path, form=table.form, only=wanted if is_log else None)
        except BadRowsError as error:
            faults.absorb(error)
            return None

    events = [read(table, is_log=True) for table in layout.events]
    return _Tables(
        [table for table in events if table is not None],
        read(layout.items),
        read(layout.users),
        read(layout.impressions),
        read(layout.names),
    )


def _build(
    tables: _Tables,
    columns: ColumnMap,
    edge_types: Sequence[EdgeType] | None,
    layout: Layout,
    name: str,
) -> Dataset:
    faults = FaultList()
    logs = []
    for place, (raw, file) in enumerate(zip(tables.events, layout.events, strict=True)):
        mapped = columns if place == 0 else ColumnMap()
        if mapped.default_event_type is None and file.event_type is not None:
            mapped = mapped.model_copy(update={"default_event_type": file.event_type})
        resolved = resolve_columns(raw.header, mapped, raw.file)
        logs.append(clean_events(raw, resolved, faults))
    raw_items, raw_users, raw_shown = tables.items, tables.users, tables.impressions
    genres = layout.genres_are_keywords
    items = (
        None if raw_items is None else clean_items(raw_items, faults, genres_are_keywords=genres)
    )
    users = None if raw_users is None else clean_users(raw_users, faults)
    shown = None if raw_shown is None else clean_impressions(raw_shown, faults)
    faults.raise_if_whole_files()
    known, logs = settle_kinds(logs, edge_types, faults)
    keyed = [_keyed_events(log) for log in logs]
    for side, frame, keys in (
        (raw_items, items, _ITEM_KEYS),
        (raw_users, users, _USER_KEYS),
        (raw_shown, shown, _SHOWN_KEYS),
    ):
        if side is not None and frame is not None:
            keyed.append(KeyedTable(side.file, frame, keys, side.typed, {}))
    frames = iter(agree_on_kinds(keyed, faults))
    faults.raise_if_any()
    events = pl.concat([next(frames).select(_EVENT_COLUMNS) for _ in logs], how="vertical_relaxed")
    parts = CleanParts(
        events,
        known,
        edge_types is not None,
        None if items is None else next(frames),
        None if users is None else next(frames),
        None if shown is None else next(frames),
    )
    if layout.written is not None:
        parts = replace(parts, with_item_edges=False, first_ids=_first_ids(parts, tables.names))
    return replace(assemble(parts, name), n_untimed=sum(log.n_untimed for log in logs))


def _keyed_events(log: EventTable) -> KeyedTable:
    rows = log.frame["row"].to_numpy()
    return KeyedTable(log.file, log.frame, _EVENT_KEYS, log.typed, log.columns.names, rows)


def _first_ids(parts: CleanParts, names: RawTable | None) -> Mapping[NodeType, pl.Series]:
    """Ids of a written folder in the order of their rows."""
    first: dict[NodeType, pl.Series] = {}
    if parts.users is not None:
        first["user"] = parts.users["user_id"]
    if parts.items is not None:
        first["item"] = parts.items["item_id"]
    if names is not None:
        if not {"node_type", "id"} <= set(names.header):
            raise DataError(f"{names.file}: has columns {', '.join(names.header)} — node_type, id")
        for node in ("publisher", "keyword", "context"):
            keys = names.frame.filter(pl.col("node_type") == node)["id"].cast(pl.String)
            if len(keys):
                first[node] = keys
    return first


def _sha256(paths: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name} {digest}\n".encode())
    return whole.hexdigest()
