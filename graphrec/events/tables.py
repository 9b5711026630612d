"""Read one file as a table, and name the file and the row where that cannot be done."""

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from graphrec.errors import BadRowsError, DataError, Fault
from graphrec.events.json_lines import first_faults
from graphrec.events.validation import shorten

TABLE_SUFFIXES: Final = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
READ_SUFFIXES: Final = (*TABLE_SUFFIXES, ".dat", ".inter")
_LIST_TYPES: Final = ("token_seq", "float_seq")
_JODIE_TAIL: Final = "comma_separated_list_of_features"
_FIELD_MARK: Final = b"\x1f"


@dataclass(frozen=True, slots=True)
class RawTable:
    """A file as read.

    Attributes:
        file: Name for messages.
        frame: Its rows in file order; of a wide Parquet file only the columns asked for.
        header: Every column the file has.
        typed: Whether the file declares types (Parquet, JSON Lines) or is all text.
    """

    file: str
    frame: pl.DataFrame
    header: tuple[str, ...]
    typed: bool


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a text file is cut into fields.

    Attributes:
        separator: What stands between fields.
        names: Column names of a file that has no header; empty where it has one.
        quoted: Whether double quotes enclose fields.
        encoding: How its characters are written.
    """

    separator: str
    names: tuple[str, ...] = ()
    quoted: bool = True
    encoding: str = "utf8"


_FORMS: Final = {
    ".csv": TextForm(","),
    ".tsv": TextForm("\t", quoted=False),
    ".inter": TextForm("\t", quoted=False),
    ".item": TextForm("\t", quoted=False),
    ".user": TextForm("\t", quoted=False),
    ".dat": TextForm("::", ("user_id", "item_id", "rating", "timestamp"), quoted=False),
}


def read_table(
    path: Path, *, form: TextForm | None = None, only: Collection[str] | None = None
) -> RawTable:
    """Read a table by its file name's ending.

    Args:
        path: A Parquet, CSV, TSV, JSON Lines, `.dat`, `.inter`, `.item` or `.user` file.
        form: How a text file is cut; by default as its ending says.
        only: Lower-case names of the columns to load from Parquet; others are passed over.

    Raises:
        DataError: The file cannot be read, or is no table of its kind.
        BadRowsError: Rows of it cannot be cut into fields.
    """
    suffix = path.suffix.lower()
    known = suffix in _FORMS or suffix in READ_SUFFIXES
    if not known:
        raise DataError(
            f"{path}: unsupported file type {suffix or 'without ending'!r} — events are read from "
            + ", ".join(READ_SUFFIXES)
        )
    try:
        if path.stat().st_size == 0:
            raise BadRowsError([Fault(path.name, 0, "", "0 bytes", "a file holds a table")])
        if suffix == ".parquet":
            table, header = _read_parquet(path, only)
        elif suffix in (".jsonl", ".ndjson"):
            table = _read_json_lines(path)
            header = table.column_names
        else:
            table = _read_text(path, form or _FORMS[suffix])
            header = table.column_names
        _refuse_twins(header, path.name)
        frame = frame_of_arrow(table, path.name)
    except OSError as error:
        raise DataError(f"{path}: cannot be read — {_reason(error)}") from error
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: is damaged or no {suffix[1:]} file — {_reason(error)}") from error
    if not len(frame):
        raise BadRowsError([Fault(path.name, 0, "", "0 rows", "a table has at least one row")])
    typed = suffix in (".parquet", ".jsonl", ".ndjson")
    return _without_types(RawTable(path.name, frame, tuple(header), typed))


def frame_of_arrow(table: Any, file: str) -> pl.DataFrame:
    """An Arrow table as a Polars frame.

    Raises:
        DataError: It holds a type that Polars does not know, or a column name twice.
    """
    _refuse_twins(table.column_names, file)
    try:
        table.validate(full=True)
        frame = pl.from_arrow(table, rechunk=False)
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise DataError(f"{file}: holds values that cannot be read — {_reason(error)}") from error
    if not isinstance(frame, pl.DataFrame):
        raise DataError(f"{file}: is no table of columns")
    return frame


def _read_parquet(path: Path, only: Collection[str] | None) -> tuple[Any, Sequence[str]]:
    header = pa.parquet.read_schema(path).names
    _refuse_twins(header, path.name)
    chosen = [name for name in header if only is None or name.lower() in only]
    table = pa.parquet.read_table(
        path, columns=chosen, partitioning=None, page_checksum_verification=True
    )
    return table, header


def _read_json_lines(path: Path) -> Any:
    def read(schema: Any) -> Any:
        return pa.json.read_json(
            path,
            read_options=pa.json.ReadOptions(block_size=1 << 24),
            parse_options=pa.json.ParseOptions(explicit_schema=schema),
        )

    try:
        table = read(None)
        table.validate(full=True)
        # Text that looks like a time is read as one, but may be an id or a title.
        text = [
            pa.field(f.name, pa.string()) for f in table.schema if pa.types.is_timestamp(f.type)
        ]
        return read(pa.schema(text)) if text else table
    except pa.ArrowException as error:
        faults = first_faults(path)
        if faults:
            raise BadRowsError(faults) from error
        raise


def _read_text(path: Path, form: TextForm) -> Any:
    data: Path | io.BytesIO = path
    separator = form.separator
    if len(separator) > 1 or form.encoding != "utf8":
        text = path.read_bytes()
        if len(separator) > 1:
            text = text.replace(separator.encode(), _FIELD_MARK)
            separator = _FIELD_MARK.decode()
        if form.encoding != "utf8":
            text = text.decode(form.encoding).encode()
        data = io.BytesIO(text)
    names = form.names or _text_header(path, form)
    offset = 1 if form.names else 0

    def read(on_ragged: Any, *, threads: bool) -> Any:
        if isinstance(data, io.BytesIO):
            data.seek(0)
        return pa.csv.read_csv(
            data,
            read_options=pa.csv.ReadOptions(
                use_threads=threads,
                column_names=list(names),
                skip_rows=0 if form.names else 1,
                block_size=1 << 23,
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if form.quoted else False,
                newlines_in_values=form.quoted,
                invalid_row_handler=on_ragged,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=[
                    name for name in dict.fromkeys(names) if not name.startswith("\0")
                ],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    _refuse_twins(names, path.name)
    try:
        return read(None, threads=True)
    except pa.ArrowInvalid as error:
        faults: list[Fault] = []

        def note(row: Any) -> str:
            rule = f"every row has the {row.expected_columns} fields of the header"
            number = int(row.number) - 1 + offset
            shown = f"{row.actual_columns} fields: {shorten(row.text)}"
            faults.append(Fault(path.name, number, "", shown, rule))
            return "skip"

        faults += _undecodable_rows(path, form)
        if not faults:
            read(note, threads=False)
        if faults:
            raise BadRowsError(faults) from error
        raise


def _text_header(path: Path, form: TextForm) -> tuple[str, ...]:
    with path.open("rb") as lines:
        line = lines.readline().removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        second = lines.readline()
    try:
        names = line.decode(form.encoding).split(form.separator)
    except UnicodeDecodeError as error:
        fault = Fault(path.name, 0, "", shorten(line), "the header is UTF-8 text")
        raise BadRowsError([fault]) from error
    if form.quoted:
        names = [name.strip().strip('"') for name in names]
    if names[-1] == _JODIE_TAIL:
        n_more = second.count(form.separator.encode()) + 1 - len(names)
        return (*names, *(f"\0{i}" for i in range(n_more)))
    return tuple(names)


def _undecodable_rows(path: Path, form: TextForm) -> list[Fault]:
    faults = []
    with path.open("rb") as lines:
        for row, line in enumerate(lines, start=1 if form.names else 0):
            try:
                line.decode(form.encoding)
            except UnicodeDecodeError:
                rule = "text files are UTF-8"
                faults.append(Fault(path.name, row, "", shorten(line.rstrip()), rule))
    return faults


def _without_types(table: RawTable) -> RawTable:
    """A table whose headers say types (`user_id:token`) with plain names and real lists."""
    split = [name.rpartition(":") for name in table.header]
    if table.typed or not all(before and re.fullmatch(r"\w+", kind) for before, _, kind in split):
        return table
    frame = table.frame.rename({before + colon + kind: before for before, colon, kind in split})
    lists = [before for before, _, kind in split if kind in _LIST_TYPES]
    frame = frame.with_columns(pl.col(name).str.split(" ") for name in lists)
    return RawTable(table.file, frame, tuple(before for before, _, _ in split), typed=False)


def _refuse_twins(header: Sequence[str], file: str) -> None:
    twins = dict.fromkeys(name for name in header if list(header).count(name) > 1)
    if twins:
        raise BadRowsError(
            [Fault(file, 0, name, "", "a column name stands once in the header") for name in twins]
        )


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())[:200]
