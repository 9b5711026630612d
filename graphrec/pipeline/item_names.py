"""Names of a few items, read off the items table as it stands now."""

import numpy as np
import polars as pl
from jaxtyping import Int32

from graphrec.arrays import NO_ROW
from graphrec.slate.facts import ItemFacts


def names_of(
    items: pl.DataFrame, column: str, item_row: Int32[np.ndarray, " some"]
) -> list[tuple[str, ...]]:
    """The names that each item bears in a column of text or of lists of text; empty where none."""
    found: list[tuple[str, ...]] = [()] * len(item_row)
    if column not in items.columns:
        return found
    known = np.flatnonzero((item_row >= 0) & (item_row < len(items)))
    values = items[column].gather(item_row[known]).to_list()
    for place, value in zip(known.tolist(), values, strict=True):
        if isinstance(value, list):
            found[place] = tuple(str(name) for name in value if name is not None)
        elif value is not None:
            found[place] = (str(value),)
    return found


def facts_of(items: pl.DataFrame, item_row: Int32[np.ndarray, " some"]) -> ItemFacts:
    """First publisher and keywords of some items as what is known of rows 0, 1, 2 and on.

    Reading a few rows takes less than keeping a column of names up to date with the table.
    """
    n = len(item_row)
    publisher = [names[:1] for names in names_of(items, "publisher", item_row)]
    keywords = names_of(items, "keywords", item_row)
    _, publisher_row = _coded(publisher)
    first = np.full(n, NO_ROW, np.int32)
    first[[bool(names) for names in publisher]] = publisher_row
    ptr, keyword_row = _coded(keywords)
    return ItemFacts(
        n,
        groups={"publisher": first} if len(publisher_row) else {},
        keyword_ptr=ptr if len(keyword_row) else None,
        keyword=keyword_row if len(keyword_row) else None,
    )


def _coded(names: list[tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Borders of each item's names, and every name as its place among all that occur."""
    ptr = np.zeros(len(names) + 1, np.int64)
    np.cumsum([len(own) for own in names], out=ptr[1:])
    code: dict[str, int] = {}
    rows = [code.setdefault(name, len(code)) for own in names for name in own]
    return ptr, np.array(rows, np.int32)
