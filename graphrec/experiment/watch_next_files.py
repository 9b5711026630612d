"""The WatchNext table as a snapshot: item id and value, whatever rows they have elsewhere."""

from pathlib import Path

import numpy as np
import polars as pl

from graphrec.errors import SnapshotError
from graphrec.events.ids import IdMap
from graphrec.graph.watch_next import WatchNextSettings, WatchNextTable
from graphrec.snapshot import Snapshot, read_snapshot, write_snapshot

_WHAT = "watch_next"
_COLUMNS = {"value_s": pl.Float64, "count": pl.Int64}


def write_watch_next(
    table: WatchNextTable, item_ids: IdMap, settings: WatchNextSettings, folder: Path
) -> None:
    """Write a table under its items' ids.

    Args:
        table: What was learnt.
        item_ids: Ids of its rows, at least as many.
        settings: How it was learnt.
        folder: Where; an existing snapshot is replaced.

    Raises:
        SnapshotError: `folder` is something else, or cannot be written.
    """
    keys = item_ids.keys.head(len(table.value_s))
    values = pl.DataFrame({"item_id": keys, "value_s": table.value_s, "count": table.count})
    described = {
        "what": _WHAT,
        "watch_next": settings.model_dump(mode="json"),
        "mean_s": table.mean_s,
        "prior_counts": [None if np.isinf(one) else one for one in table.prior_counts],
    }
    counts = {"items": len(values), "watches": int(table.count.sum())}
    write_snapshot(Snapshot({}, {"values": values}, described, table.until_s, counts), folder)


def read_watch_next(folder: Path, item_ids: IdMap) -> WatchNextTable:
    """Read what `write_watch_next` wrote, by the rows of other ids.

    Args:
        folder: The snapshot.
        item_ids: Ids of the rows wanted; one that the table lacks gets the mean of all and count 0.

    Raises:
        SnapshotError: It is damaged, or no WatchNext table.
    """
    snapshot = read_snapshot(folder)
    values = snapshot.tables.get("values")
    if snapshot.settings.get("what") != _WHAT or values is None:
        raise SnapshotError(f"snapshot {folder} holds no WatchNext table")
    if values.columns != ["item_id", *_COLUMNS]:
        raise SnapshotError(
            f"snapshot file {folder / 'values.parquet'} holds {', '.join(values.columns)} — must "
            f"hold item_id, {', '.join(_COLUMNS)}"
        )
    wanted = pl.DataFrame({"item_id": item_ids.keys})
    if wanted.schema["item_id"] != values.schema["item_id"]:
        raise SnapshotError(
            f"snapshot {folder} has item ids of type {values.schema['item_id']} — the log's are "
            f"{wanted.schema['item_id']}"
        )
    found = wanted.join(values, on="item_id", how="left", maintain_order="left")
    if "prior_counts" not in snapshot.settings:
        raise SnapshotError(
            f"snapshot {folder} was written by an older graphrec, whose values mean something "
            "else — learn it again"
        )
    mean_s, priors = snapshot.settings["mean_s"], snapshot.settings["prior_counts"]
    of_chance, of_rest = (float("inf") if one is None else float(one) for one in priors)
    return WatchNextTable(
        found["value_s"].fill_null(mean_s).to_numpy(),
        found["count"].fill_null(0).to_numpy(),
        float(mean_s),
        (of_chance, of_rest),
        snapshot.cut_s,
    )
