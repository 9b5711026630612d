"""What is known of items when a slate is arranged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.row_lists import spliced
from graphrec.stages import DescribedItems


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Plain columns of the catalogue, a row for each item; any of them may be missing.

    Attributes:
        n_items: Items that have a row.
        vectors: A vector for each item, such as the temporal network's; zeros where there is none.
        groups: Groups by name, such as `publisher` or `category`: the row of each item's group, -1
            where it has none.
        keyword_ptr: Item i's keywords are `keyword[keyword_ptr[i]:keyword_ptr[i + 1]]`.
        keyword: Keyword rows.
        flags: Content flags by name: the items that bear each.
        publisher_ptr: Where an item may have several publishers, item i's are
            `publisher[publisher_ptr[i]:publisher_ptr[i + 1]]`, and rules look at all of them;
            otherwise at the group `publisher`.
        publisher: Publisher rows.
    """

    n_items: int
    vectors: Float32[np.ndarray, "items dim"] | None = None
    groups: Mapping[str, Int32[np.ndarray, " items"]] = field(default_factory=dict)
    keyword_ptr: Int64[np.ndarray, " items_and_end"] | None = None
    keyword: Int32[np.ndarray, " keywords"] | None = None
    flags: Mapping[str, Bool[np.ndarray, " items"]] = field(default_factory=dict)
    publisher_ptr: Int64[np.ndarray, " items_and_end"] | None = None
    publisher: Int32[np.ndarray, " publishers"] | None = None

    def __post_init__(self) -> None:
        columns = {**self.groups, **self.flags}
        if self.vectors is not None:
            columns["vectors"] = self.vectors
        for name, column in columns.items():
            if len(column) != self.n_items:
                raise DataError(
                    f"column {name!r} has {len(column)} rows — one for each of {self.n_items} items"
                )
        for what, ptr, rows in (
            ("keyword", self.keyword_ptr, self.keyword),
            ("publisher", self.publisher_ptr, self.publisher),
        ):
            if (ptr is None) != (rows is None):
                raise DataError(f"{what}s need both {what}_ptr and {what} — one of them is missing")
            if ptr is not None and len(ptr) != self.n_items + 1:
                raise DataError(
                    f"{what}_ptr has {len(ptr)} entries — one for each of {self.n_items} items "
                    "and an end"
                )
            if ptr is not None and rows is not None and ptr[-1] != len(rows):
                raise DataError(f"{what}_ptr ends at {ptr[-1]} — there are {len(rows)} {what}s")

    def with_publisher(self, rows: Sequence[int]) -> Bool[np.ndarray, " items"] | None:
        """Items that one of the publishers published; None where no publisher is known."""
        if self.publisher_ptr is not None and self.publisher is not None:
            return _bear(self.publisher_ptr, self.publisher, rows)
        group = self.groups.get("publisher")
        return None if group is None else np.isin(group, rows) & (group >= 0)

    def with_keyword(self, rows: Sequence[int]) -> Bool[np.ndarray, " items"] | None:
        """Items that bear one of the keywords; None where no keyword is known."""
        if self.keyword_ptr is None or self.keyword is None:
            return None
        return _bear(self.keyword_ptr, self.keyword, rows)

    def taken(self, item_row: Int32[np.ndarray, " some"]) -> "ItemFacts":
        """What makes some items alike, as rows 0, 1, 2 and on; without what rules look at."""
        keyword_ptr, keyword = self.keyword_ptr, self.keyword
        if keyword_ptr is not None and keyword is not None:
            start = keyword_ptr[item_row]
            count = keyword_ptr[item_row.astype(np.int64) + 1] - start
            keyword_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
            at = np.arange(keyword_ptr[-1]) + np.repeat(start - keyword_ptr[:-1], count)
            keyword = keyword[at]
        return ItemFacts(
            len(item_row),
            None if self.vectors is None else self.vectors[item_row],
            {name: column[item_row] for name, column in self.groups.items()},
            keyword_ptr,
            keyword,
        )

    def widened(self, n_items: int) -> "ItemFacts":
        """The same with rows up to `n_items`, of which nothing is known."""
        more = max(n_items - self.n_items, 0)
        vectors = self.vectors

        def ends(ptr: Int64[np.ndarray, " borders"] | None) -> Int64[np.ndarray, " more"] | None:
            return None if ptr is None else np.pad(ptr, (0, more), mode="edge")

        return ItemFacts(
            self.n_items + more,
            None if vectors is None else np.pad(vectors, ((0, more), (0, 0))),
            {
                name: np.pad(column, (0, more), constant_values=NO_ROW)
                for name, column in self.groups.items()
            },
            ends(self.keyword_ptr),
            self.keyword,
            {name: np.pad(column, (0, more)) for name, column in self.flags.items()},
            ends(self.publisher_ptr),
            self.publisher,
        )


def learnt(facts: ItemFacts, items: DescribedItems) -> ItemFacts:
    """Facts with the publishers and keywords of some items replaced, where any are known."""
    facts = facts.widened(int(items.item_row.max(initial=-1)) + 1)
    groups = dict(facts.groups)
    if "publisher" in groups:
        has_one = np.diff(items.publisher_ptr) > 0
        first = np.full(len(items), NO_ROW, np.int32)
        first[has_one] = items.publisher_row[items.publisher_ptr[:-1][has_one]]
        groups["publisher"] = groups["publisher"].copy()
        groups["publisher"][items.item_row] = first
    keyword_ptr, keyword = facts.keyword_ptr, facts.keyword
    if keyword_ptr is not None and keyword is not None:
        new_ptr, new = items.keyword_ptr, [items.keyword_row]
        keyword_ptr, (keyword,) = spliced(keyword_ptr, [keyword], items.item_row, new_ptr, new)
    publisher_ptr, publisher = facts.publisher_ptr, facts.publisher
    if publisher_ptr is not None and publisher is not None:
        new_ptr, new = items.publisher_ptr, [items.publisher_row]
        publisher_ptr, (publisher,) = spliced(
            publisher_ptr, [publisher], items.item_row, new_ptr, new
        )
    return replace(
        facts,
        groups=groups,
        keyword_ptr=keyword_ptr,
        keyword=keyword,
        publisher_ptr=publisher_ptr,
        publisher=publisher,
    )


def _bear(
    ptr: Int64[np.ndarray, " items_and_end"],
    borne: Int32[np.ndarray, " names"],
    wanted: Sequence[int],
) -> Bool[np.ndarray, " items"]:
    n_items = len(ptr) - 1
    bears = np.zeros(n_items, np.bool_)
    bears[np.repeat(np.arange(n_items), np.diff(ptr))[np.isin(borne, wanted)]] = True
    return bears
