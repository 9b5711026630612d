"""Names of a few items, read off the catalogue as it stands now."""

import numpy as np
import pyarrow as pa
from jaxtyping import Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.events.catalogue import Catalogue
from graphrec.events.descriptions import NameColumn
from graphrec.slate.facts import ItemFacts


def coded_names(
    catalogue: Catalogue, column: NameColumn, item_row: Int32[np.ndarray, " some"]
) -> tuple[Int64[np.ndarray, " borders"], Int32[np.ndarray, " names"]]:
    """The publishers or keywords that some items bear now.

    Args:
        catalogue: What is known of items.
        column: Which of both.
        item_row: The items; -1 and rows that it lacks bear no names.

    Returns:
        Borders of each item's names, and every name as a number, equal for equal names.
    """
    if catalogue.said and any(row in catalogue.said for row in item_row.tolist()):
        return _coded_one_by_one(catalogue, column, item_row)
    items = catalogue.first_table
    ptr = np.zeros(len(item_row) + 1, np.int64)
    inside = np.flatnonzero((item_row >= 0) & (item_row < len(items)))
    if column not in items.columns or not len(inside):
        return ptr, np.empty(0, np.int32)
    # By Arrow and not by Polars' expressions, whose threads take longer than so few rows.
    names = items[column][item_row[inside]].to_arrow()
    count, names = np.asarray(names.value_lengths().fill_null(0)), names.flatten()
    np.cumsum(np.bincount(np.repeat(inside, count), minlength=len(item_row)), out=ptr[1:])
    codes = names.cast(pa.large_string()).dictionary_encode().indices
    return ptr, np.asarray(codes, np.int32)


def facts_of(catalogue: Catalogue, item_row: Int32[np.ndarray, " some"]) -> ItemFacts:
    """First publisher and keywords of some items as what is known of rows 0, 1, 2 and on."""
    ptr, publisher = coded_names(catalogue, "publisher", item_row)
    first = np.full(len(item_row), NO_ROW, np.int32)
    has = np.diff(ptr) > 0
    first[has] = publisher[ptr[:-1][has]]
    keyword_ptr, keyword = coded_names(catalogue, "keywords", item_row)
    return ItemFacts(
        len(item_row),
        groups={"publisher": first} if has.any() else {},
        keyword_ptr=keyword_ptr if len(keyword) else None,
        keyword=keyword if len(keyword) else None,
    )


def _coded_one_by_one(
    catalogue: Catalogue, column: NameColumn, item_row: Int32[np.ndarray, " some"]
) -> tuple[Int64[np.ndarray, " borders"], Int32[np.ndarray, " names"]]:
    code_by_name: dict[str, int] = {}
    ptr, codes = [0], []
    for row in item_row.tolist():
        names = catalogue.names(column, row) if row >= 0 else ()
        codes += [code_by_name.setdefault(name, len(code_by_name)) for name in names]
        ptr.append(len(codes))
    return np.array(ptr, np.int64), np.array(codes, np.int32)
