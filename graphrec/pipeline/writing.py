"""Slates as a table on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int32

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.pipeline.answering import Pipeline
from graphrec.pipeline.request import Request
from graphrec.stages import Slate


def write_all(
    pipeline: Pipeline,
    request: Request,
    path: Path,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the slates of every user as one Parquet file, beside it first and then renamed.

    Columns: `user_id`, `rank` (1-based), `item_id`, `score`, `source`, `because_item_id`,
    `because_share`.

    Args:
        pipeline: Who answers.
        request: How many items, and which.
        path: The file, ending in `.parquet`; an existing one is replaced.
        progress: Told how many users were answered after each batch.

    Returns:
        Rows written.

    Raises:
        DataError: `path` does not end in `.parquet` or lies in no folder.
    """
    _refuse_other_than_parquet(path)
    table = pl.concat(
        table_of_slates(pipeline.dataset, users, slate)
        for users, slate in pipeline.recommend_all(request, progress)
    )
    _write_beside(table, path)
    return len(table)


def _refuse_other_than_parquet(path: Path) -> None:
    """Refuse a path that no table can be written to.

    Raises:
        DataError: `path` does not end in `.parquet` or lies in no folder.
    """
    if path.suffix != ".parquet" or not path.parent.is_dir():
        raise DataError(f"cannot write {path} — must end in .parquet, in a folder that exists")


def _write_beside(table: pl.DataFrame, path: Path) -> None:
    """Write beside `path` first, then rename."""
    fresh = path.with_name(f".{path.name}.part")
    try:
        table.write_parquet(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def table_of_slates(
    dataset: Dataset, users: Int32[np.ndarray, " users"], slate: Slate
) -> pl.DataFrame:
    """One row for each place of the slates of `users`."""
    shown = slate.shown
    who, place = np.nonzero(shown.item_row != NO_ROW)
    item_ids = dataset.ids["item"].keys
    reason = shown.reason_item[who, place]
    because = item_ids.gather(np.maximum(reason, 0))
    return pl.DataFrame(
        {
            "user_id": dataset.ids["user"].keys.gather(users[who]),
            "rank": (place + 1).astype(np.int32),
            "item_id": item_ids.gather(shown.item_row[who, place]),
            "score": shown.score[who, place],
            "source": np.array(shown.source_names)[shown.source[who, place]],
            "because_item_id": pl.select(
                pl.when(pl.Series(reason != NO_ROW)).then(because)
            ).to_series(),
            "because_share": shown.reason_share[who, place],
        }
    )
