"""Names of a few items, read off the items table as it stands now."""

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.slate.facts import ItemFacts


def coded_names(
    items: pl.DataFrame, column: str, item_row: Int32[np.ndarray, " some"]
) -> tuple[Int64[np.ndarray, " borders"], Int32[np.ndarray, " names"]]:
    """The names that some items bear in a column of text or of lists of text.

    Reading a few rows takes less than keeping a column of names up to date with the table.

    Args:
        items: The items table.
        column: The column; it may be missing.
        item_row: The items; rows that the table lacks bear no names.

    Returns:
        Borders of each item's names, and every name as a number, equal for equal names.
    """
    ptr = np.zeros(len(item_row) + 1, np.int64)
    inside = np.flatnonzero((item_row >= 0) & (item_row < len(items)))
    if column not in items.columns or not len(inside):
        return ptr, np.empty(0, np.int32)
    # By Arrow and not by Polars' expressions, whose threads take longer than so few rows.
    names = items[column][item_row[inside]].to_arrow()
    if isinstance(items.schema[column], pl.List):
        count, names = np.asarray(names.value_lengths().fill_null(0)), names.flatten()
    else:
        count = np.ones(len(inside), np.int64)
    bearer = np.repeat(inside, count)
    if names.null_count:
        bearer, names = bearer[np.asarray(names.is_valid())], names.drop_null()
    np.cumsum(np.bincount(bearer, minlength=len(item_row)), out=ptr[1:])
    codes = names.cast(pa.large_string()).dictionary_encode().indices
    return ptr, np.asarray(codes, np.int32)


def facts_of(items: pl.DataFrame, item_row: Int32[np.ndarray, " some"]) -> ItemFacts:
    """First publisher and keywords of some items as what is known of rows 0, 1, 2 and on."""
    ptr, publisher = coded_names(items, "publisher", item_row)
    first = np.full(len(item_row), NO_ROW, np.int32)
    has = np.diff(ptr) > 0
    first[has] = publisher[ptr[:-1][has]]
    keyword_ptr, keyword = coded_names(items, "keywords", item_row)
    return ItemFacts(
        len(item_row),
        groups={"publisher": first} if has.any() else {},
        keyword_ptr=keyword_ptr if len(keyword) else None,
        keyword=keyword if len(keyword) else None,
    )
