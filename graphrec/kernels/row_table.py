"""A small open table of item rows, for work whose cost must not grow with the catalogue."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
FREE = -1


@njit(cache=True, nogil=True)
def new_table(n_rows: int) -> NDArray[np.int32]:
    """A free table with room for `n_rows`, at most half full."""
    size = 8
    while size < 2 * n_rows:
        size *= 2
    return np.full(size, FREE, np.int32)


@njit(cache=True, nogil=True)
def slot_of(table: NDArray[np.int32], row: int) -> np.int64:
    """Where `row` (>= 0) stands in the table, or the free slot that it would take."""
    mask = np.int64(len(table) - 1)
    slot = np.int64((np.uint64(row) * _MIX) >> _HALF) & mask
    while table[slot] != FREE and table[slot] != row:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def table_of(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """A table that holds each of `rows`."""
    table = new_table(len(rows))
    for row in rows:
        table[slot_of(table, row)] = row
    return table


@njit(cache=True, nogil=True)
def holds(table: NDArray[np.int32], row: int) -> bool:
    """Whether `row` is in the table."""
    return table[slot_of(table, row)] == row


@njit(cache=True, nogil=True)
def best_first(score: NDArray[np.float32], item: NDArray[np.int32]) -> NDArray[np.int64]:
    """Places by score, highest first, ties to the lower item row."""
    order = np.argsort(-score)
    first = 0
    while first < len(order):
        stop = first + 1
        while stop < len(order) and score[order[stop]] == score[order[first]]:
            stop += 1
        if stop - first > 1:
            tied = order[first:stop].copy()
            order[first:stop] = tied[np.argsort(item[tied])]
        first = stop
    return order
