"""Ids of one node type are all integers or all text, whatever table they stand in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Integer

from graphrec.errors import Fault
from graphrec.events.log import NodeType
from graphrec.events.validation import FaultList, clean_ids

_KEYED: Final[tuple[NodeType, ...]] = ("user", "item")


@dataclass(frozen=True, slots=True)
class KeyedTable:
    """A cleaned table with its columns of ids.

    Attributes:
        file: Where it stands.
        frame: Its rows.
        keys: Node type of each column that holds ids, or lists of ids.
        typed: Whether the file declares types; text files do not.
        names: What the columns are called in the file, where that differs.
        rows: 1-based data row of each row; None: 1, 2, 3 and on.
    """

    file: str
    frame: pl.DataFrame
    keys: Mapping[str, NodeType]
    typed: bool
    names: Mapping[str, str]
    rows: Integer[np.ndarray, " rows"] | None = None


@dataclass(frozen=True, slots=True)
class _IdColumn:
    table: int
    column: str
    ids: pl.Series
    rows: Integer[np.ndarray, " ids"] | None


def agree_on_kinds(tables: Sequence[KeyedTable], faults: FaultList) -> list[pl.DataFrame]:
    """The tables' frames with the ids of each node type all integers, or all text.

    A text file's ids become what typed files say. Where no file says it they are integers if all
    of them print integers.

    Args:
        tables: Every table that holds ids.
        faults: Receives ids that cannot follow, and typed files that contradict each other.
    """
    frames = [table.frame for table in tables]
    for node in _KEYED:
        columns = [
            _id_column(place, table, name)
            for place, table in enumerate(tables)
            for name, of in table.keys.items()
            if of == node
        ]
        kind = _agreed_kind(columns, tables, faults)
        for column in columns:
            frames[column.table] = _with_kind(frames[column.table], column.column, kind)
    return frames


def _id_column(place: int, table: KeyedTable, name: str) -> _IdColumn:
    values, rows = table.frame[name], table.rows
    if isinstance(values.dtype, pl.List):
        lengths = values.list.len().to_numpy()
        rows = np.repeat(np.arange(1, len(values) + 1, dtype=np.int64), lengths)
        values = values.explode(empty_as_null=False)
        if not table.typed:
            values = clean_ids(values, table.file, FaultList(), typed=False)
    return _IdColumn(place, name, values.alias(table.names.get(name, name)), rows)


def _agreed_kind(
    columns: Sequence[_IdColumn], tables: Sequence[KeyedTable], faults: FaultList
) -> Any:
    filled = [column for column in columns if column.ids.count()]
    typed = [column for column in filled if tables[column.table].typed]
    for column in typed:
        if column.ids.dtype != typed[0].ids.dtype:
            first = f"{tables[typed[0].table].file}, column {typed[0].ids.name}"
            rule = f"all ids are alike, and those in {first} are {_kind(typed[0].ids)}"
            shown = f"{_kind(column.ids)}, such as {column.ids.drop_nulls()[0]!r}"
            faults.add(Fault(tables[column.table].file, 0, column.ids.name, shown, rule))
    text = any(column.ids.dtype == pl.String for column in typed or filled)
    if text or not typed:
        return pl.String() if text else pl.Int64()
    for column in filled:
        lost = column.ids.cast(pl.Int64, strict=False).is_null() & column.ids.is_not_null()
        rule = f"all ids are alike, and those in {tables[typed[0].table].file} are integers"
        faults.add_rows(tables[column.table].file, lost, column.ids, rule, column.rows)
    return pl.Int64()


def _with_kind(frame: pl.DataFrame, column: str, kind: Any) -> pl.DataFrame:
    wanted = pl.List(kind) if isinstance(frame.schema[column], pl.List) else kind
    return frame.with_columns(pl.col(column).cast(wanted, strict=False))


def _kind(ids: pl.Series) -> str:
    return "text" if ids.dtype == pl.String else "integers"
