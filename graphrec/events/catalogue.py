"""What is known of items, as it stands now: described by a table, and by what was said since."""

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Bool, Int32, Int64

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription, NameColumn, said_in, table_of
from graphrec.publications import Publications
from graphrec.row_lists import move_rows
from graphrec.stages import DescribedItems, Interactions

COLUMNS: Final[tuple[NameColumn, ...]] = ("publisher", "keywords")
IS_DELETED: Final = "is_deleted"
"""Column of an items table that marks items that are not to be shown."""


class Catalogue:
    """Descriptions of items by row, which of them are deleted, and how much they are used.

    The table it starts from is kept as it is, and what is said later lies beside it, so that a copy
    shares all that is large. A name's items are listed as arrays that are replaced and never
    written to.
    """

    def __init__(self, dataset: Dataset, events: Interactions) -> None:
        """Know the items of a data set.

        Args:
            dataset: Holds the table of items; a column `is_deleted` marks those not to be shown.
            events: What counts as use, and dates items that have no date.
        """
        self._table = _names_as_lists(dataset.items)
        self._titles = _titles_of(self._table)
        self._said: dict[int, ItemDescription] = {}
        self._publications = Publications(dataset.given_published_s())
        self._n_events = np.zeros(len(self._publications.published_s), np.int64)
        self._is_deleted = np.zeros(0, np.bool_)
        self._n_deleted = 0
        self._bearers: dict[NameColumn, dict[str, Int32[np.ndarray, " _"]]] | None = None
        self._name_row: dict[NameColumn, dict[str, int]] | None = None
        self._later_names: dict[NameColumn, list[str]] = {column: [] for column in COLUMNS}
        if IS_DELETED in dataset.items.columns:
            gone = dataset.items[IS_DELETED].fill_null(value=False).to_numpy()
            self._mark(np.flatnonzero(gone).tolist(), deleted=True)
        self.absorb(events)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Catalogue":
        """A copy that shares what is never written to."""
        twin = object.__new__(Catalogue)
        memo[id(self)] = twin
        vars(twin).update(vars(self))
        twin._said = dict(self._said)
        twin._publications = copy.deepcopy(self._publications, memo)
        twin._n_events, twin._is_deleted = self._n_events.copy(), self._is_deleted.copy()
        twin._later_names = {column: list(own) for column, own in self._later_names.items()}
        if self._name_row is not None:
            twin._name_row = {column: dict(rows) for column, rows in self._name_row.items()}
        if self._bearers is not None:
            twin._bearers = {column: dict(lists) for column, lists in self._bearers.items()}
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """All but the lists and rows of names, which follow from the rest."""
        said = table_of(self._said)
        return vars(self) | {"_bearers": None, "_name_row": None, "_titles": [], "_said": said}

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Take what was kept."""
        vars(self).update(kept)
        self._said = said_in(kept["_said"])
        self._titles = _titles_of(self._table)

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return len(self._publications.published_s)

    @property
    def published_s(self) -> Int64[np.ndarray, " items"]:
        """Publication of every item, UTC seconds; `NEVER_S` where neither date nor event tells."""
        return self._publications.published_s

    @property
    def n_events(self) -> Int64[np.ndarray, " items"]:
        """Events of every item."""
        return self._n_events[: self.n_items]

    @property
    def said(self) -> Mapping[int, ItemDescription]:
        """What was said of items since the table, by row; not to be changed."""
        return self._said

    @property
    def first_table(self) -> pl.DataFrame:
        """The table that the catalogue started from, names as lists without gaps."""
        return self._table

    @property
    def n_deleted(self) -> int:
        """Items that are not to be shown."""
        return self._n_deleted

    def is_deleted(self, row: int) -> bool:
        """Whether an item is not to be shown."""
        return row < len(self._is_deleted) and bool(self._is_deleted[row])

    def shown(self, n_items: int) -> Bool[np.ndarray, " items"]:
        """Which of the first `n_items` rows are not deleted."""
        mask = np.ones(n_items, np.bool_)
        n = min(n_items, len(self._is_deleted))
        mask[:n] = ~self._is_deleted[:n]
        return mask

    def title(self, row: int) -> str | None:
        """An item's title, if it has one."""
        said = self._said.get(row)
        if said is not None:
            return said.title
        titles = self._titles
        return titles[row] if row < len(titles) else None

    def names(self, column: NameColumn, row: int) -> tuple[str, ...]:
        """An item's publishers or keywords, as they were given."""
        said = self._said.get(row)
        if said is not None:
            return said.names(column)
        if row >= len(self._table) or column not in self._table.columns:
            return ()
        return tuple(self._table[column].item(row).to_list())

    def description(self, row: int) -> ItemDescription:
        """All that is said of an item."""
        said = self._said.get(row)
        if said is not None:
            return said
        given = self._publications.given_s(row)
        return ItemDescription(
            self.title(row),
            self.names("publisher", row),
            self.names("keywords", row),
            None if given == NEVER_S else given,
        )

    def descriptions(self) -> Iterator[ItemDescription]:
        """All that is said of every item, in row order: faster than one by one."""
        n_described = len(self._table)
        titles = _values(self._table, "title")
        publishers, keywords = (_values(self._table, column) for column in COLUMNS)
        for row in range(self.n_items):
            said = self._said.get(row)
            if said is not None:
                yield said
            elif row >= n_described:
                yield ItemDescription()
            else:
                title = titles[row]
                given = self._publications.given_s(row)
                yield ItemDescription(
                    None if title is None else str(title),
                    tuple(publishers[row] or ()),
                    tuple(keywords[row] or ()),
                    None if given == NEVER_S else given,
                )

    def bearers(self, column: NameColumn, wanted: Sequence[str]) -> Bool[np.ndarray, " items"]:
        """Items that bear one of the names.

        Raises:
            DataError: Items have no such column, or nobody bears one of the names.
        """
        lists = self._lists()[column]
        if column not in self._table.columns and not lists:
            raise DataError(f"cannot filter by {column} — the log's items have no such column")
        mask = np.zeros(self.n_items, np.bool_)
        for name in wanted:
            if name not in lists:
                raise DataError(f"no item has {column} {name!r} — {len(lists):,} names are known")
            mask[lists[name]] = True
        return mask

    def absorb(self, events: Interactions) -> None:
        """Count events, and date items that have no date of their own."""
        self._publications.absorb(events)
        self._widen(events.n_items)
        np.add.at(self._n_events, events.item_row, 1)

    def described(self, rows: Collection[int] | Mapping[int, object]) -> DescribedItems:
        """What is known of some items, names by their rows; a name that had none gets the next."""
        ascending = sorted(rows)
        ptr, row = {}, {}
        for column in COLUMNS:
            names = [tuple(dict.fromkeys(self.names(column, one))) for one in ascending]
            ptr[column] = np.cumsum([0, *map(len, names)]).astype(np.int64)
            number = (self._row_of(column, name) for own in names for name in own)
            row[column] = np.fromiter(number, np.int32)
        given = [self._publications.given_s(one) for one in ascending]
        known = self._rows_of_names()
        return DescribedItems(
            np.array(ascending, np.int32),
            np.array(given, np.int64),
            ptr["publisher"],
            row["publisher"],
            ptr["keywords"],
            row["keywords"],
            len(known["publisher"]),
            len(known["keywords"]),
        )

    def put(self, said: Mapping[int, ItemDescription]) -> None:
        """Replace all that is known of items, by row; those that were deleted are shown again."""
        lists = self._lists()
        for column in COLUMNS:
            names = {row: (self.names(column, row), new.names(column)) for row, new in said.items()}
            _move(lists[column], names)
        self._said.update(said)
        given = [NEVER_S if one.published_s is None else one.published_s for one in said.values()]
        rows = np.array(list(said), np.int32)
        self._publications.redate(rows, np.array(given, np.int64))
        self._widen(self.n_items)
        if self._n_deleted:
            self._mark(said, deleted=False)

    def delete(self, rows: Collection[int]) -> None:
        """Have items shown no more; what is known of them stays."""
        self._widen(max(rows, default=-1) + 1)
        self._mark(rows, deleted=True)

    def settle(self) -> None:
        """List the items of every name now, which the first question or change does otherwise."""
        self._lists()
        self._rows_of_names()

    def table(self, items: pl.DataFrame) -> pl.DataFrame:
        """An items table with what was said since in it.

        Args:
            items: A row for each item, in row order, as the catalogue knew them at first; rows that
                came later have their id alone.
        """
        rows = range(len(items))
        titles = [self.title(row) for row in rows]
        columns: dict[str, pl.Series] = {}
        if any(title is not None for title in titles):
            columns["title"] = pl.Series(titles, dtype=pl.String)
        for column in COLUMNS:
            names = [list(self.names(column, row)) for row in rows]
            if column in items.columns or any(names):
                columns[column] = pl.Series(names, dtype=pl.List(pl.String))
        given = self._given(items)
        if given.count():
            columns["published_s"] = given
        if self._n_deleted:
            columns[IS_DELETED] = pl.Series(~self.shown(len(items)))
        return items.drop(IS_DELETED, strict=False).with_columns(**columns)

    def _given(self, items: pl.DataFrame) -> pl.Series:
        given: list[int | None] = [None] * len(items)
        if "published_s" in items.columns:
            given = items["published_s"].cast(pl.Int64).to_list()
        for row, said in self._said.items():
            given[row] = said.published_s
        return pl.Series(given, dtype=pl.Int64)

    def _row_of(self, column: NameColumn, name: str) -> int:
        rows = self._rows_of_names()[column]
        if name not in rows:
            rows[name] = len(rows)
            self._later_names[column].append(name)
        return rows[name]

    def _rows_of_names(self) -> dict[NameColumn, dict[str, int]]:
        if self._name_row is None:
            self._name_row = {
                column: {
                    name: row
                    for row, name in enumerate(
                        [*_names_of(self._table, column), *self._later_names[column]]
                    )
                }
                for column in COLUMNS
            }
        return self._name_row

    def _widen(self, n_items: int) -> None:
        self._publications.widen(n_items)
        if self.n_items > len(self._n_events):
            more = self.n_items * 5 // 4 - len(self._n_events)
            self._n_events = np.pad(self._n_events, (0, more))

    def _mark(self, rows: Iterable[int], *, deleted: bool) -> None:
        for row in rows:
            if row >= len(self._is_deleted):
                more = max(row + 1, self.n_items) * 5 // 4 + 1 - len(self._is_deleted)
                self._is_deleted = np.pad(self._is_deleted, (0, more))
            self._n_deleted += int(deleted) - int(self._is_deleted[row])
            self._is_deleted[row] = deleted

    def _lists(self) -> dict[NameColumn, dict[str, Int32[np.ndarray, " _"]]]:
        if self._bearers is None:
            found = {column: _lists_of(self._table, column) for column in COLUMNS}
            for column in COLUMNS:
                table = self._table[column] if column in self._table.columns else ()
                names = {
                    row: (tuple(table[row]) if row < len(table) else (), said.names(column))
                    for row, said in self._said.items()
                }
                _move(found[column], names)
            self._bearers = found
        return self._bearers


def _titles_of(table: pl.DataFrame) -> list[str | None]:
    """Titles by row, as a list: looking one up in a table takes 5 us."""
    if "title" not in table.columns:
        return []
    return table["title"].cast(pl.String).to_list()


def _values(table: pl.DataFrame, column: str) -> list[Any]:
    return table[column].to_list() if column in table.columns else [None] * len(table)


def _names_as_lists(items: pl.DataFrame) -> pl.DataFrame:
    """What descriptions are read of, names as lists of text, none of them null."""
    kept = [name for name in ("title", *COLUMNS) if name in items.columns]
    lists = []
    for column in COLUMNS:
        if column in items.columns:
            names = pl.col(column)
            if not isinstance(items.schema[column], pl.List):
                names = pl.concat_list(names.cast(pl.String))
            lists.append(names.cast(pl.List(pl.String)).list.drop_nulls().fill_null([]))
    return items.select(kept).with_columns(lists)


def _lists_of(table: pl.DataFrame, column: NameColumn) -> dict[str, Int32[np.ndarray, " _"]]:
    """The rows that bear each name of a column, ascending."""
    if column not in table.columns:
        return {}
    pairs = table.select(pl.int_range(pl.len(), dtype=pl.Int32).alias("row"), name=column)
    pairs = pairs.explode("name", empty_as_null=True).drop_nulls().unique().sort("name", "row")
    names = pairs["name"].unique(maintain_order=True).to_list()
    rows = pairs["row"].to_numpy().copy()
    ends = np.cumsum(pairs["name"].rle().struct.field("len").to_numpy()).tolist()
    parts = (rows[start:end] for start, end in pairwise([0, *ends]))
    return dict(zip(names, parts, strict=True))


def _names_of(table: pl.DataFrame, column: NameColumn) -> list[str]:
    """The names in a column, each once, in the order of `_lists_of`."""
    if column not in table.columns:
        return []
    names = table[column].explode(empty_as_null=True).drop_nulls()
    return names.unique().sort().to_list()


def _move(
    lists: dict[str, Int32[np.ndarray, " _"]],
    names: Mapping[int, tuple[Sequence[str], Sequence[str]]],
) -> None:
    """Take rows from the lists of the names they bore, and add them to those they bear now."""
    gone: dict[str, list[int]] = {}
    come: dict[str, list[int]] = {}
    for row, (before, after) in names.items():
        for name in set(before) - set(after):
            gone.setdefault(name, []).append(row)
        for name in set(after) - set(before):
            come.setdefault(name, []).append(row)
    move_rows(lists, gone, come)
