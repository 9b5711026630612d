"""The items table becomes rows of publishers and keywords, for sources, features and slates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.retrieval.fresh import NamedItems


@dataclass(frozen=True, slots=True)
class ColumnOfNames:
    """The names in one column of the items table; a name's row is its place in their order.

    Attributes:
        column: The column.
        names: Every name that occurs, ascending.
        ptr: Item i bears `name_row[ptr[i]:ptr[i + 1]]`.
        name_row: Rows of names, as they stand in the table.
    """

    column: str
    names: tuple[str, ...]
    ptr: Int64[np.ndarray, " borders"]
    name_row: Int32[np.ndarray, " entries"]

    def rows(self, wanted: Sequence[str]) -> tuple[int, ...]:
        """The rows of names.

        Raises:
            DataError: No item bears one of them.
        """
        place = {name: row for row, name in enumerate(self.names)}
        for name in wanted:
            if name not in place:
                raise DataError(f"no item has {self.column} {name!r} — {len(place):,} are known")
        return tuple(place[name] for name in wanted)

    def of_items(self) -> NamesOfItems:
        """The same as features read it."""
        return NamesOfItems(self.ptr, self.name_row, len(self.names))


def column_of_names(dataset: Dataset, column: str) -> ColumnOfNames:
    """The names in a column of the items table, of text or of lists of text; empty without it."""
    ptr = np.zeros(dataset.n_items + 1, np.int64)
    if column not in dataset.items.columns:
        return ColumnOfNames(column, (), ptr, np.empty(0, np.int32))
    table = dataset.items.select(pl.int_range(pl.len()).alias("row"), pl.col(column).alias("name"))
    if isinstance(table.schema["name"], pl.List):
        table = table.explode("name", empty_as_null=True)
    entries = table.drop_nulls().with_columns(pl.col("name").cast(pl.String))
    names = entries["name"].unique().sort()
    if not len(names):
        return ColumnOfNames(column, (), ptr, np.empty(0, np.int32))
    codes = entries.select(pl.col("name").rank("dense") - 1).to_series().to_numpy()
    rows = entries["row"].to_numpy()
    ptr = np.searchsorted(rows, np.arange(dataset.n_items + 1)).astype(np.int64)
    return ColumnOfNames(column, tuple(names.to_list()), ptr, codes.astype(np.int32))


def named_items_of(dataset: Dataset) -> NamedItems:
    """Publication, first publisher and keywords of every item, each keyword once."""
    publisher = column_of_names(dataset, "publisher").of_items().first()
    keywords = column_of_names(dataset, "keywords")
    item = np.repeat(np.arange(dataset.n_items), np.diff(keywords.ptr))
    pairs = np.stack([item, keywords.name_row], axis=1)
    once = np.unique(pairs, axis=0)
    ptr = np.searchsorted(once[:, 0], np.arange(dataset.n_items + 1)).astype(np.int64)
    if not len(publisher):
        publisher = np.full(dataset.n_items, NO_ROW, np.int32)
    return NamedItems(dataset.given_published_s(), publisher, ptr, once[:, 1].astype(np.int32))
