"""What is known of items when a slate is arranged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError


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
    """

    n_items: int
    vectors: Float32[np.ndarray, "items dim"] | None = None
    groups: Mapping[str, Int32[np.ndarray, " items"]] = field(default_factory=dict)
    keyword_ptr: Int64[np.ndarray, " items_and_end"] | None = None
    keyword: Int32[np.ndarray, " keywords"] | None = None
    flags: Mapping[str, Bool[np.ndarray, " items"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {**self.groups, **self.flags}
        if self.vectors is not None:
            columns["vectors"] = self.vectors
        for name, column in columns.items():
            if len(column) != self.n_items:
                raise DataError(
                    f"column {name!r} has {len(column)} rows — one for each of {self.n_items} items"
                )
        if (self.keyword_ptr is None) != (self.keyword is None):
            raise DataError("keywords need both keyword_ptr and keyword — one of them is missing")
        if self.keyword_ptr is not None and len(self.keyword_ptr) != self.n_items + 1:
            raise DataError(
                f"keyword_ptr has {len(self.keyword_ptr)} entries — one for each of "
                f"{self.n_items} items and an end"
            )

    def widened(self, n_items: int) -> "ItemFacts":
        """The same with rows up to `n_items`, of which nothing is known."""
        more = max(n_items - self.n_items, 0)
        vectors, ptr = self.vectors, self.keyword_ptr
        return ItemFacts(
            self.n_items + more,
            None if vectors is None else np.pad(vectors, ((0, more), (0, 0))),
            {
                name: np.pad(column, (0, more), constant_values=NO_ROW)
                for name, column in self.groups.items()
            },
            None if ptr is None else np.pad(ptr, (0, more), mode="edge"),
            self.keyword,
            {name: np.pad(column, (0, more)) for name, column in self.flags.items()},
        )
