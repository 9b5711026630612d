"""Lists of rows, laid end to end or by name, some of which are replaced."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int32, Int64, Shaped


def spliced(
    ptr: Int64[np.ndarray, " borders"],
    columns: Sequence[Shaped[np.ndarray, " _"]],
    row: Int32[np.ndarray, " some"],
    new_ptr: Int64[np.ndarray, " new_borders"],
    new_columns: Sequence[Shaped[np.ndarray, " _"]],
) -> tuple[Int64[np.ndarray, " more_borders"], list[Shaped[np.ndarray, " _"]]]:
    """Lists with some of them replaced; rows past the last are appended, empty ones between.

    Args:
        ptr: List i is `[ptr[i], ptr[i + 1])` of each column.
        columns: What the lists hold.
        row: Lists that are replaced, ascending, each once.
        new_ptr: The new list of `row[i]` is `[new_ptr[i], new_ptr[i + 1])` of each new column.
        new_columns: What the new lists hold.

    Returns:
        The borders and columns; nothing that was passed is written to.
    """
    n_old = len(ptr) - 1
    length = np.zeros(max(n_old, int(row.max(initial=-1)) + 1), np.int64)
    length[:n_old] = np.diff(ptr)
    length[row] = np.diff(new_ptr)
    borders = np.zeros(len(length) + 1, np.int64)
    np.cumsum(length, out=borders[1:])
    within = np.minimum(row, n_old)
    begin, end = ptr[within].tolist(), ptr[np.minimum(row + 1, n_old)].tolist()
    new_end = new_ptr.tolist()
    found = []
    for column, new in zip(columns, new_columns, strict=True):
        pieces, at = [], 0
        for one, (first, last) in enumerate(zip(begin, end, strict=True)):
            pieces += [column[at:first], new[new_end[one] : new_end[one + 1]]]
            at = last
        pieces.append(column[at : ptr[-1]])
        found.append(np.concatenate(pieces).astype(column.dtype, copy=False))
    return borders, found


def move_rows(
    lists: dict[str, Int32[np.ndarray, " _"]],
    gone: Mapping[str, Sequence[int]],
    come: Mapping[str, Sequence[int]],
) -> None:
    """Take numbers from named lists and append others; a list that is left empty is dropped.

    Args:
        lists: The lists, which are replaced and never written to.
        gone: What is taken from each; all of it is there.
        come: What is appended to each.
    """
    for name, numbers in gone.items():
        rest = lists[name][~np.isin(lists[name], numbers)]
        if len(rest):
            lists[name] = rest
        else:
            del lists[name]
    for name, numbers in come.items():
        more = np.array(numbers, np.int32)
        lists[name] = np.concatenate([lists[name], more]) if name in lists else more
