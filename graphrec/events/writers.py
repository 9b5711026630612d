"""Write a data set so that reading it gives the same one."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.event_keys import ids_of_keys
from graphrec.events.layout import NAMES_FILE, WRITTEN_MARK
from graphrec.events.log import NodeType
from graphrec.events.written_folder import mark_text

_COLUMNS: Final[dict[NodeType, str]] = {
    "user": "user_id",
    "item": "item_id",
    "keyword": "keyword",
    "publisher": "publisher",
    "context": "context_id",
}
_NAMED: Final[tuple[NodeType, ...]] = ("publisher", "keyword", "context")


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a data set as a folder of Parquet files in the graphrec preset.

    Reading the folder gives the same log, rows, tables and edge types; only the name and the hash
    are those of the folder. Text event ids are written as the integers of their keys.

    Args:
        dataset: What to write.
        folder: Must not exist or be an empty folder; appears only when it is whole.

    Raises:
        DataError: The folder holds files, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not empty — name a new folder")
    with _written_beside(folder) as beside:
        beside.mkdir()
        for name, table in (
            ("events.parquet", event_frame(dataset)),
            ("items.parquet", dataset.items),
            ("users.parquet", dataset.users),
            ("impressions.parquet", dataset.impressions),
            (NAMES_FILE, _names(dataset)),
        ):
            if table is not None and len(table):
                _write_parquet(table, beside / name)
        (beside / WRITTEN_MARK).write_text(mark_text(dataset.log.edge_types), encoding="utf8")


def write_events(dataset: Dataset, path: Path) -> None:
    """Write the log alone as one table; the file appears only when it is whole.

    Args:
        dataset: Whose log to write.
        path: A `.parquet`, `.csv` or `.jsonl` file; one that exists is replaced.

    Raises:
        DataError: The ending is another, or the file cannot be written.
    """
    frame = event_frame(dataset)
    with _written_beside(path) as beside:
        match path.suffix.lower():
            case ".parquet":
                _write_parquet(frame, beside)
            case ".csv":
                frame.write_csv(beside)
            case ".jsonl" | ".ndjson":
                frame.write_ndjson(beside)
            case other:
                raise DataError(
                    f"{path}: unsupported file type {other or 'without ending'!r} — events are "
                    "written to .parquet, .csv or .jsonl"
                )


def event_frame(dataset: Dataset) -> pl.DataFrame:
    """The log as a table in the graphrec preset.

    Returns:
        `time_s`, `user_id`, `item_id`, `event_type`, `weight`, and where the log has any
        `keyword`, `publisher`, `context_id`, `event_id`; in log order, one row per edge.
    """
    log = dataset.log
    names = pl.Series([kind.name for kind in log.edge_types], dtype=pl.String)
    columns = {"time_s": pl.Series(log.time_s)}
    for node, column in _COLUMNS.items():
        if node in ("user", "item") or log.n_nodes.get(node, 0):
            columns[column] = _keys_of(dataset, node)
    columns["event_type"] = names[log.edge_type]
    columns["weight"] = pl.Series(log.weight)
    if log.event_id is not None:
        columns["event_id"] = pl.Series(ids_of_keys(log.event_id))
    first = ["time_s", "user_id", "item_id", "event_type", "weight"]
    return pl.DataFrame(columns).select(*first, *(name for name in columns if name not in first))


def _keys_of(dataset: Dataset, node: NodeType) -> pl.Series:
    """The key at that node type's end of every edge; null where an edge has none."""
    log = dataset.log
    row = np.full(len(log), -1, dtype=np.int64)
    for end, rows in (("target", log.target_row), ("source", log.source_row)):
        at = np.array([getattr(kind, end) == node for kind in log.edge_types], bool)[log.edge_type]
        row[at] = rows[at]
    if node not in dataset.ids:
        return pl.Series([None] * len(log), dtype=pl.String)
    positions = pl.Series(row)
    return dataset.ids[node].keys.gather(positions.set(positions < 0, None))


def _names(dataset: Dataset) -> pl.DataFrame:
    none = pl.DataFrame(schema={"node_type": pl.String, "id": pl.String})
    return pl.concat(
        [
            none,
            *(
                dataset.ids[node]
                .keys.alias("id")
                .to_frame()
                .select(pl.lit(node).alias("node_type"), "id")
                for node in _NAMED
                if node in dataset.ids
            ),
        ]
    )


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    pq.write_table(frame.to_arrow(), path, compression="zstd", write_page_checksum=True)


@contextlib.contextmanager
def _written_beside(target: Path) -> Iterator[Path]:
    """A path beside `target` that takes its place once the block is through without an error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written — {(error.strerror or '').lower()}"
        ) from error
    try:
        beside = scratch / target.name
        yield beside
        if target.is_dir() and beside.is_dir():
            target.rmdir()
        beside.replace(target)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written — {(error.strerror or '').lower()}"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
