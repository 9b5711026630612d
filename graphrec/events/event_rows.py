"""Event tables as one clean frame: every value of its type, every row of the shape of its event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Bool

from graphrec.errors import Fault
from graphrec.events.columns import EventColumns
from graphrec.events.event_keys import event_keys
from graphrec.events.event_types import MAX_TYPES, NODE_TYPES, SEARCH, default_edge_type
from graphrec.events.log import EdgeType, NodeType
from graphrec.events.tables import RawTable
from graphrec.events.times import clean_times
from graphrec.events.validation import FaultList, clean_ids, clean_texts, clean_weights

_NAMED: Final = ("keyword", "publisher", "context")


@dataclass(frozen=True, slots=True)
class EventTable:
    """One file of events, cleaned.

    Attributes:
        file: Name for messages.
        columns: Names of its columns.
        typed: Whether the file declares types.
        frame: `row` (1-based, in the file), `time_s`, `user`, `item`, `keyword`, `publisher`,
            `context`, `kind` (position in `kinds`), `weight`, `event_id`; in file order.
        kinds: Event type names.
        n_untimed: Rows that were left out because they have no time.
    """

    file: str
    columns: EventColumns
    typed: bool
    frame: pl.DataFrame
    kinds: tuple[str, ...]
    n_untimed: int


def clean_events(table: RawTable, columns: EventColumns, faults: FaultList) -> EventTable:
    """Clean the values of one file; faults go to `faults`, their values to null."""
    file, names, raw = table.file, columns.names, table.frame
    n = len(raw)
    frame = pl.DataFrame({"row": np.arange(1, n + 1, dtype=np.uint32)}).with_columns(
        clean_times(
            raw[names["time"]], columns.time_unit, file, faults, skip_null=columns.skip_untimed
        ).alias("time_s"),
        clean_ids(raw[names["user"]], file, faults, typed=table.typed).alias("user"),
        clean_ids(raw[names["item"]], file, faults, typed=table.typed).alias("item"),
        *(
            clean_texts(raw[names[name]], file, faults).alias(name)
            if name in names
            else pl.repeat(None, n, dtype=pl.Null).alias(name)
            for name in _NAMED
        ),
        clean_weights(raw[names["weight"]], file, faults).alias("weight")
        if "weight" in names
        else pl.lit(None, pl.Float32).alias("weight"),
        _clean_event_ids(table, names, faults),
    )
    kinds, frame = _with_kinds(frame, table, columns, faults)
    n_untimed = 0
    if columns.skip_untimed:
        frame = frame.filter(pl.col("time_s").is_not_null())
        n_untimed = n - len(frame)
        if not len(frame):
            faults.add(Fault(file, 0, names["time"], f"{n} rows", "at least one row has a time"))
    return EventTable(file, columns, table.typed, frame, kinds, n_untimed)


def _clean_event_ids(table: RawTable, names: Mapping[str, str], faults: FaultList) -> pl.Series:
    none = pl.repeat(None, len(table.frame), dtype=pl.Null, eager=True).alias("event_id")
    if "event_id" not in names:
        return none
    raw = table.frame[names["event_id"]]
    before = faults.n_faults
    ids = clean_ids(raw, table.file, faults, typed=True)
    if not ids.null_count():
        return pl.Series("event_id", event_keys(ids), pl.UInt64)
    if ids.count() and faults.n_faults == before:
        faults.add_rows(table.file, ids.is_null(), raw, "every event has an id where any has")
    return none


def _with_kinds(
    frame: pl.DataFrame, table: RawTable, columns: EventColumns, faults: FaultList
) -> tuple[tuple[str, ...], pl.DataFrame]:
    if "event_type" not in columns.names:
        searched = pl.col("item").is_null() & pl.col("keyword").is_not_null()
        searched &= pl.col("user").is_not_null() & pl.col("context").is_null()
        code = searched.cast(pl.Int16).alias("kind")
        return (columns.event_type, SEARCH), frame.with_columns(code)
    raw = table.frame[columns.names["event_type"]]
    if not (isinstance(raw.dtype, pl.Categorical | pl.Enum | pl.Null) or raw.dtype == pl.String):
        rule = "event types are names"
        faults.add(Fault(table.file, 0, raw.name, f"type {raw.dtype}", rule))
        return ("",), frame.with_columns(pl.lit(0, pl.Int16).alias("kind"))
    names = clean_texts(raw, table.file, faults)
    faults.add_rows(table.file, names.is_null(), raw, "every row names its event type")
    found = names.drop_nulls().unique(maintain_order=True)
    if len(found) > MAX_TYPES:
        rule = f"a log has at most {MAX_TYPES} event types; is this the column of event types?"
        faults.add(Fault(table.file, 0, raw.name, f"{len(found):,} different names", rule))
        return ("",), frame.with_columns(pl.lit(0, pl.Int16).alias("kind"))
    codes = names.cast(pl.Enum(found)).to_physical().cast(pl.Int16).fill_null(-1)
    return tuple(found.to_list()), frame.with_columns(codes.alias("kind"))


def settle_kinds(
    tables: Sequence[EventTable], declared: Sequence[EdgeType] | None, faults: FaultList
) -> tuple[tuple[EdgeType, ...], list[EventTable]]:
    """Give every event an edge type, and check that its row is of that type's shape.

    Args:
        tables: Cleaned files.
        declared: Edge types that may occur; None: each is told from its name and its rows.
        faults: Receives unknown types, missing and superfluous ids, and weights out of range.

    Returns:
        The edge types, and the tables with `kind` counting in them.
    """
    known = {kind.name: kind for kind in declared or ()}
    for table in tables:
        filled = _filled(table.frame)
        for i, name in enumerate(table.kinds):
            if name in known or not name or i not in filled:
                continue
            if declared is None:
                known[name] = default_edge_type(name, filled[i])
            else:
                _unknown_kind(table, table.frame["kind"] == i, known, faults)
    edge_types = tuple(known.values())
    place = {name: i for i, name in enumerate(known)}
    settled = []
    for table in tables:
        lookup = np.array([*(place.get(name, -1) for name in table.kinds), -1], dtype=np.int16)
        codes = lookup[table.frame["kind"].to_numpy()]
        frame = table.frame.with_columns(pl.Series("kind", codes))
        _check_shapes(table, frame, edge_types, faults)
        settled.append(
            EventTable(
                table.file,
                table.columns,
                table.typed,
                frame.with_columns(pl.col("weight").fill_null(1.0)),
                tuple(known),
                table.n_untimed,
            )
        )
    return edge_types, settled


def _filled(frame: pl.DataFrame) -> dict[int, set[str]]:
    """The node types that any row of each kind names."""
    counts = frame.group_by("kind").agg(pl.col(NODE_TYPES).count())
    return {
        kind: {node for node, count in zip(NODE_TYPES, named, strict=True) if count}
        for kind, *named in counts.iter_rows()
    }


def _unknown_kind(
    table: EventTable, mine: pl.Series, known: Mapping[str, EdgeType], faults: FaultList
) -> None:
    column = table.columns.names.get("event_type", "")
    rows = table.frame["row"].to_numpy()
    names = pl.Series(column, list(table.kinds), pl.String)[table.frame["kind"].clip(0)]
    rule = "the declared event types are " + ", ".join(known)
    faults.add_rows(table.file, mine, names.alias(column), rule, rows)


def _check_shapes(
    table: EventTable, frame: pl.DataFrame, edge_types: Sequence[EdgeType], faults: FaultList
) -> None:
    codes = frame["kind"].to_numpy()
    rows = frame["row"].to_numpy()

    def of_kinds(claims: list[bool]) -> Bool[np.ndarray, " events"]:
        chosen: Bool[np.ndarray, " events"] = np.array([*claims, False])[codes]
        return chosen

    for node in NODE_TYPES:
        values = frame[node].alias(table.columns.names.get(node, node))
        needed = [node in (kind.source, kind.target) for kind in edge_types]
        if values.null_count() and any(needed):
            missing = values.is_null() & pl.Series(of_kinds(needed))
            faults.add_rows(table.file, missing, values, _missing_rule(node), rows)
        barred = [
            not need and not _may_hold(node, kind)
            for need, kind in zip(needed, edge_types, strict=True)
        ]
        if values.null_count() < len(values) and any(barred):
            extra = values.is_not_null() & pl.Series(of_kinds(barred))
            rule = f"events of this type join no {node}; give rows of another shape another type"
            faults.add_rows(table.file, extra, values, rule, rows)
    if "weight" in table.columns.names:
        weight = frame["weight"].alias(table.columns.names["weight"])
        rated = pl.Series(of_kinds([kind.role == "explicit" for kind in edge_types]))
        rule = "ratings are given, and at least 0"
        faults.add_rows(table.file, rated & (weight.is_null() | (weight < 0)), weight, rule, rows)
        faults.add_rows(table.file, ~rated & (weight <= 0), weight, "weights are above 0", rows)


def _may_hold(node: NodeType, kind: EdgeType) -> bool:
    """A user–item row may name a keyword too, which the user then gave to the item."""
    return node == "keyword" and kind.source == "user" and kind.target == "item"


def _missing_rule(node: NodeType) -> str:
    return f"every event of this type names its {node}"
