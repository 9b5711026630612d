"""Small data sets drawn by hand, for tests of any room."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog
from graphrec.stages import Interactions

WATCH = EdgeType("watch", "user", "item", "positive")


def watched(
    rows: Sequence[tuple[int, int, int]],
    *,
    n_users: int | None = None,
    n_items: int | None = None,
    event_id: Sequence[int] | None = None,
) -> Interactions:
    """Events given as (time_s, user_row, item_row), in arrival order."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    user, item = columns[:, 1].astype(np.int32), columns[:, 2].astype(np.int32)
    return Interactions(
        columns[:, 0].copy(),
        user,
        item,
        np.ones(len(columns), np.float32),
        int(user.max(initial=-1)) + 1 if n_users is None else n_users,
        int(item.max(initial=-1)) + 1 if n_items is None else n_items,
        None if event_id is None else np.array(event_id, dtype=np.uint64),
    )


def small_dataset(
    rows: Sequence[tuple[int, str, str]], items: Mapping[str, Sequence[Any]] | None = None
) -> Dataset:
    """A data set of `watch` events given as (time_s, user_id, item_id), sorted by time."""
    users = IdMap([user for _, user, _ in rows], what="user")
    table = pl.DataFrame(items or {"item_id": list(dict.fromkeys(item for _, _, item in rows))})
    item_ids = IdMap(table["item_id"], what="item")
    n = len(rows)
    log = EventLog(
        np.array([time_s for time_s, _, _ in rows], np.int64),
        np.zeros(n, np.int8),
        np.array([users.row(user) for _, user, _ in rows], np.int32),
        np.array([item_ids.row(item) for _, _, item in rows], np.int32),
        np.ones(n, np.float32),
        (WATCH,),
        {"user": len(users), "item": len(item_ids)},
    )
    return Dataset(
        "drawn",
        log,
        {"user": users, "item": item_ids},
        table,
        pl.DataFrame({"user_id": users.keys}),
    )
