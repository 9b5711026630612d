"""What is new from the publishers and on the keywords of the last items."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Shaped
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S, NEVER_S
from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.errors import DataError
from graphrec.kernels.named_lists import insert_named, list_fresh, remove_named
from graphrec.publications import Publications
from graphrec.retrieval.sparse_entries import Entries, LastItems
from graphrec.row_lists import spliced
from graphrec.stages import Candidates, DescribedItems, Eligibility, Interactions, Queries


class FreshSettings(BaseModel):
    """What counts as new, and how much publishers and keywords count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_age_days: float = Field(
        7.0, gt=0, le=36_500, description="Days since publication up to which an item is new."
    )
    half_life_days: float = Field(
        1.0, gt=0, le=36_500, description="Age at which an item counts half, days."
    )
    max_items: int = Field(
        20, ge=1, le=1000, description="Newest distinct past items whose names count."
    )
    half_life_items: float = Field(
        5.0, gt=0, le=1e9, description="After so many newer items a past item counts half."
    )
    n_newest: int = Field(
        50, ge=1, le=100_000, description="Newest items looked at of each publisher and keyword."
    )
    keyword_weight: float = Field(
        0.5,
        ge=0,
        le=1000,
        description="What all keywords of a past item count together, its publisher counting 1.",
    )


@dataclass(frozen=True, slots=True)
class NamedItems:
    """Who published items, when, and on which keywords.

    Attributes:
        published_s: UTC seconds; `NEVER_S`: the first event is to tell.
        publisher_row: -1 where nobody is known.
        keyword_ptr: Item i's keywords are `[keyword_ptr[i], keyword_ptr[i + 1])`.
        keyword_row: Keywords, each once an item.
    """

    published_s: Int64[np.ndarray, " items"]
    publisher_row: Int32[np.ndarray, " items"]
    keyword_ptr: Int64[np.ndarray, " borders"]
    keyword_row: Int32[np.ndarray, " keywords"]

    def __post_init__(self) -> None:
        n_items, ptr = len(self.published_s), self.keyword_ptr
        if len(self.publisher_row) != n_items or len(ptr) != n_items + 1:
            raise DataError(
                f"publishers of {len(self.publisher_row)} and keywords of {len(ptr) - 1} items "
                f"with {n_items} publications — as many of each"
            )
        if ptr[0] != 0 or (np.diff(ptr) < 0).any() or ptr[-1] != len(self.keyword_row):
            raise DataError(
                f"pointers to keywords end at {ptr[-1]} — ascending, from 0 to the last of "
                f"{len(self.keyword_row)}"
            )
        if (self.publisher_row < -1).any() or (self.keyword_row < 0).any():
            raise DataError("a publisher's row below -1 or a keyword's below 0 — rows are >= 0")

    def __len__(self) -> int:
        return len(self.published_s)


class FreshSource:
    """New items by the query's affinity with their publisher and keywords, times freshness.

    An item is known to a query when it was published before the query's time, whether or not
    anything has happened to it. Events date items that have no date of their own; an item that
    `add_items` has not described is never proposed.
    """

    absorbs = True

    def __init__(self, items: NamedItems, settings: FreshSettings | None = None) -> None:
        """Know `items`, and propose new ones by `settings`."""
        self._settings = settings or FreshSettings()
        self._n_items = 0
        self._n_described = 0
        self._publications = Publications(np.empty(0, np.int64))
        self._place = np.zeros((0, 3), np.int64)
        self._names_ptr = np.zeros(1, np.int64)
        self._names = np.empty(0, np.int32)
        self._names_weight = np.empty(0, np.float64)
        self._pool = np.empty(0, np.int32)
        self._used = 0
        self.add_items(items)

    @property
    def name(self) -> str:
        """`fresh`."""
        return "fresh"

    def add_items(self, items: NamedItems) -> None:
        """Let items follow with the next rows; each counts from its publication on."""
        first, n_names = self._n_described, int(self._names_ptr[self._n_described])
        end, name, weight = self._named(items.publisher_row, items.keyword_ptr, items.keyword_row)
        ends = n_names + end
        self._names_ptr = _extended(self._names_ptr, first + 1, ends)
        self._names = _extended(self._names, n_names, name)
        self._names_weight = _extended(self._names_weight, n_names, weight)
        self._publications.describe(items.published_s)
        self._n_described += len(items)
        self._insert(np.arange(first, self._n_described, dtype=np.int32))

    def learn_items(self, items: DescribedItems) -> None:
        """Replace what is known of items; an item of several publishers counts as the first's."""
        row, keyword_ptr = items.item_row, items.keyword_ptr
        known = row[row < self._n_described]
        remove_named(*self._bearers(known), self._place, self._pool)
        has_one = np.diff(items.publisher_ptr) > 0
        publisher = np.full(len(row), -1, np.int32)
        publisher[has_one] = items.publisher_row[items.publisher_ptr[:-1][has_one]]
        end, name, weight = self._named(publisher, keyword_ptr, items.keyword_row)
        n_names = self._names_ptr[self._n_described]
        self._names_ptr, (self._names, self._names_weight) = spliced(
            self._names_ptr[: self._n_described + 1],
            [self._names[:n_names], self._names_weight[:n_names]],
            row,
            np.concatenate([[0], end]).astype(np.int64),
            [name, weight],
        )
        self._publications.redate(row, items.published_s)
        self._n_described = max(self._n_described, int(row.max(initial=-1)) + 1)
        self._insert(row)

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget every event, then date items by `events`; what is known of items stays.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._n_items = events.n_items
        self._publications.reset()
        self._publications.absorb(events)
        self._list_anew()

    def absorb(self, events: Interactions) -> None:
        """Learn how many items there are, and date those that have no date."""
        self._n_items = max(self._n_items, events.n_items)
        dated, moved = self._publications.absorb(events)
        if len(moved):
            remove_named(*self._bearers(moved[moved < self._n_described]), self._place, self._pool)
        changed = np.concatenate([dated, moved])
        self._insert(np.sort(changed[changed < self._n_described]))

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Affinity times freshness of every item, >= 0.

        Raises:
            DataError: A history holds an unknown item row.
        """
        return self._entries(queries).dense(self._rows)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items, each with the past item that shares most with it.

        Raises:
            DataError: A history holds an unknown item row.
        """
        return self._entries(queries).best(queries, k, eligibility, self.name)

    @property
    def _rows(self) -> int:
        return max(self._n_items, self._n_described)

    def _entries(self, queries: Queries) -> Entries:
        refuse_unknown_items(queries, self._rows, self.name)
        settings = self._settings
        last = LastItems.of_queries(queries, settings.max_items, settings.half_life_items)
        ptr = np.empty(len(queries) + 1, np.int64)
        room = 4096
        while True:
            item, reason = np.empty(room, np.int32), np.empty(room, np.int32)
            value: Float64[np.ndarray, " entries"] = np.empty(room, np.float64)
            n = list_fresh(
                last.ptr,
                last.item_row,
                last.weight,
                self._names_ptr[: self._n_described + 1],
                self._names,
                self._names_weight,
                queries.time_s,
                self._publications.published_s,
                self._place,
                self._pool,
                settings.n_newest,
                settings.max_age_days * DAY_S,
                settings.half_life_days * DAY_S,
                ptr,
                item,
                value,
                reason,
            )
            if n <= room:
                return Entries(ptr, item[:n], value[:n], reason[:n])
            room = n

    def _named(
        self,
        publisher_row: Int32[np.ndarray, " items"],
        keyword_ptr: Int64[np.ndarray, " borders"],
        keyword_row: Int32[np.ndarray, " keywords"],
    ) -> tuple[
        Int64[np.ndarray, " items"], Int32[np.ndarray, " names"], Float64[np.ndarray, " names"]
    ]:
        """Where each item's names end, the names, and how much each counts."""
        n_keywords = np.diff(keyword_ptr)
        # Publishers are even names and keywords odd ones, so that either may grow.
        by_keyword = np.repeat(np.arange(len(publisher_row)), n_keywords)
        published = np.flatnonzero(publisher_row >= 0)
        item = np.concatenate([published, by_keyword])
        name = np.concatenate([2 * publisher_row[published], 2 * keyword_row + 1])
        shared = self._settings.keyword_weight / np.maximum(n_keywords, 1)
        weight = np.concatenate([np.ones(len(published)), shared[by_keyword]])
        # A name has its list before any item on it has a date.
        n_more = int(name.max(initial=-1)) + 1 - len(self._place)
        if n_more > 0:
            self._place = np.concatenate([self._place, np.zeros((n_more, 3), np.int64)])
        order = np.argsort(item, kind="stable")
        end = np.cumsum(np.bincount(item, minlength=len(publisher_row))).astype(np.int64)
        return end, name[order].astype(np.int32), weight[order]

    def _bearers(
        self, rows: Int32[np.ndarray, " items"]
    ) -> tuple[Int32[np.ndarray, " pairs"], Int32[np.ndarray, " pairs"]]:
        """Each name of each item, and the item beside it."""
        degree = self._names_ptr[rows + 1] - self._names_ptr[rows]
        item = np.repeat(rows, degree)
        behind = np.arange(len(item)) - np.repeat(np.cumsum(degree) - degree, degree)
        return self._names[np.repeat(self._names_ptr[rows], degree) + behind], item

    def _list_anew(self) -> None:
        self._place[:] = 0
        self._used = 0
        self._insert(np.arange(self._n_described, dtype=np.int32))

    def _insert(self, rows: Int32[np.ndarray, " items"]) -> None:
        """Put items that have a date on the lists of their names, oldest first."""
        published_s = self._publications.published_s
        rows = rows[published_s[rows] != NEVER_S]
        rows = rows[np.argsort(published_s[rows], kind="stable")]
        name, item = self._bearers(rows)
        at = 0
        while at < len(name):
            at, self._used = insert_named(
                at, name, item, published_s, self._place, self._pool, self._used
            )
            if at < len(name):
                n_places = max(2 * len(self._pool), self._used + 4 * (len(name) - at), 1024)
                pool = np.empty(n_places, np.int32)
                pool[: self._used] = self._pool[: self._used]
                self._pool = pool


def _extended(
    column: Shaped[np.ndarray, " room"], used: int, more: Shaped[np.ndarray, " more"]
) -> Shaped[np.ndarray, " roomier"]:
    """The column with `more` behind its first `used` places, in place where there is room."""
    if used + len(more) > len(column):
        roomier = np.zeros((used + len(more)) * 5 // 4, column.dtype)
        roomier[:used] = column[:used]
        column = roomier
    column[used : used + len(more)] = more
    return column
