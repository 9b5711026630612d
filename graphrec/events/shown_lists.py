"""Lists as they were shown, in rows: who saw what, where it stood, and what was clicked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EventLog
from graphrec.stages import Interactions

SHOWN = "shown"
CLICKED = "clicked"


@dataclass(frozen=True, slots=True)
class ShownLists:
    """Lists in order of time, each in the order it was shown in.

    Attributes:
        time_s: When each was shown, UTC seconds, never decreasing.
        user_row: Who saw it.
        list_ptr: List i holds the items `[list_ptr[i], list_ptr[i + 1])`, the first place first.
        item_row: The items.
        clicked: Which of them were clicked.
        columns: What else was known of each item in its list, such as its price; NaN is missing.
        n_users: Users that have a row.
        n_items: Items that have a row.
    """

    time_s: Int64[np.ndarray, " lists"]
    user_row: Int32[np.ndarray, " lists"]
    list_ptr: Int64[np.ndarray, " borders"]
    item_row: Int32[np.ndarray, " pairs"]
    clicked: Bool[np.ndarray, " pairs"]
    columns: Mapping[str, Float32[np.ndarray, " pairs"]]
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.time_s)

    def of_list(self, number: int) -> slice:
        """Where one list lies in the flat arrays."""
        return slice(int(self.list_ptr[number]), int(self.list_ptr[number + 1]))

    @property
    def position(self) -> Int32[np.ndarray, " pairs"]:
        """0-based place of each item in its list."""
        starts = np.repeat(self.list_ptr[:-1], np.diff(self.list_ptr))
        place: Int32[np.ndarray, " pairs"] = (np.arange(len(self.item_row)) - starts).astype(
            np.int32
        )
        return place

    def streams(self) -> dict[str, Interactions]:
        """What was shown and what of it was clicked, dated by the list, as streams of features.

        A feature builder tells a stream strictly before the moment of a question, so that no list
        is known when it is asked for.
        """
        list_of = np.repeat(np.arange(len(self)), np.diff(self.list_ptr))
        everything = Interactions(
            self.time_s[list_of],
            self.user_row[list_of],
            self.item_row,
            np.ones(len(list_of), np.float32),
            self.n_users,
            self.n_items,
        )
        return {SHOWN: everything, CLICKED: everything.take(self.clicked)}


def shown_lists(dataset: Dataset, columns: Mapping[str, str] | None = None) -> ShownLists:
    """The lists of a data set whose shown items all have rows; see `with_shown_items`.

    An item that stands in a list twice keeps its upper place. A click outside its list is left out.

    Args:
        dataset: With `impressions`.
        columns: Columns of numbers, one list a row, by the name they get here.

    Raises:
        DataError: There are no lists, a shown item or a user has no row, or a column is missing or
            not as long as its list.
    """
    table = _impressions(dataset).sort("time_s", maintain_order=True)
    columns = dict(columns or {})
    for column in columns.values():
        if column not in table.columns:
            raise DataError(f"no column {column!r} of shown lists — {', '.join(table.columns)}")
        if (table[column].list.len() != table["shown"].list.len()).any():
            raise DataError(f"{column} is not as long as shown — one value for each item")
    flat = (
        table.select(
            pl.int_range(pl.len()).alias("list"),
            pl.col("shown").alias("item"),
            "clicked",
            *(pl.col(column).alias(f"of {name}") for name, column in columns.items()),
        )
        .explode("item", *(f"of {name}" for name in columns))
        .with_columns(pl.col("item").is_in(pl.col("clicked")).alias("hit"))
        .unique(["list", "item"], keep="first", maintain_order=True)
    )
    length = flat["list"].rle().struct.field("len").to_numpy()
    item_row = dataset.ids["item"].rows(flat["item"])
    user_row = dataset.ids["user"].rows(table["user_id"])
    if (item_row < 0).any() or (user_row < 0).any():
        raise DataError(
            f"{int((item_row < 0).sum())} shown items and {int((user_row < 0).sum())} users of "
            "shown lists have no row — give them rows by with_shown_items"
        )
    return ShownLists(
        table["time_s"].to_numpy(),
        user_row,
        np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
        item_row,
        flat["hit"].to_numpy(),
        {
            name: flat[f"of {name}"].cast(pl.Float32).fill_null(np.nan).to_numpy()
            for name in columns
        },
        dataset.n_users,
        dataset.n_items,
    )


def with_shown_items(dataset: Dataset) -> Dataset:
    """The same data set in which also items and users that only occur in shown lists have rows.

    Items are numbered anew, in the order of their ids: were those of the log numbered first, a low
    row, by which ties are broken, would say that something will happen with an item.

    Raises:
        DataError: There are no shown lists.
    """
    table = _impressions(dataset)
    old = dataset.ids["item"]
    every = pl.concat([old.keys.rename("item"), table["shown"].explode().rename("item")])
    items = IdMap(every.drop_nulls().unique().sort(), what="item")
    users = dataset.ids["user"].extended(table["user_id"])
    new_row = items.rows(old.keys)
    key = pl.DataFrame({"item_id": items.keys})
    who = pl.DataFrame({"user_id": users.keys})
    return replace(
        dataset,
        log=_renumbered(dataset.log, new_row, len(users), len(items)),
        ids={**dataset.ids, "item": items, "user": users},
        items=key.join(dataset.items, on="item_id", how="left", maintain_order="left"),
        users=who.join(dataset.users, on="user_id", how="left", maintain_order="left"),
    )


def _renumbered(
    log: EventLog, new_row: Int32[np.ndarray, " items"], n_users: int, n_items: int
) -> EventLog:
    from_item = np.array([kind.source == "item" for kind in log.edge_types], bool)[log.edge_type]
    to_item = np.array([kind.target == "item" for kind in log.edge_types], bool)[log.edge_type]
    source_row, target_row = log.source_row.copy(), log.target_row.copy()
    source_row[from_item] = new_row[source_row[from_item]]
    target_row[to_item] = new_row[target_row[to_item]]
    n_nodes = {**log.n_nodes, "user": n_users, "item": n_items}
    return replace(log, source_row=source_row, target_row=target_row, n_nodes=n_nodes)


def _impressions(dataset: Dataset) -> pl.DataFrame:
    if dataset.impressions is None or not len(dataset.impressions):
        raise DataError(f"{dataset.name} has no shown lists — a table of impressions is needed")
    return dataset.impressions
