"""Alias tables: rows of weighted edges from which a step is drawn by one look."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

DEGREE_BITS: Final = 26
"""A node's place is `start << 26 | degree` in one uint64, so that one load fetches both."""

_ONE: Final = 4294967296.0


@njit(cache=True, nogil=True)
def _fill_row(
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    cells: NDArray[np.uint32],
    chance: NDArray[np.float64],
    small: NDArray[np.int64],
    large: NDArray[np.int64],
) -> None:
    degree = len(weight)
    total = 0.0
    for edge in range(degree):
        total += weight[edge]
    n_small = 0
    n_large = 0
    for edge in range(degree):
        chance[edge] = weight[edge] * (degree / total)
        cells[edge, 0] = np.uint32(0xFFFFFFFF)
        cells[edge, 1] = target_row[edge]
        cells[edge, 2] = target_row[edge]
        if chance[edge] < 1.0:
            small[n_small] = edge
            n_small += 1
        else:
            large[n_large] = edge
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        low = small[n_small]
        high = large[n_large - 1]
        cells[low, 0] = np.uint32(min(chance[low] * _ONE, _ONE - 1.0))
        cells[low, 2] = target_row[high]
        chance[high] -= 1.0 - chance[low]
        if chance[high] < 1.0:
            n_large -= 1
            small[n_small] = high
            n_small += 1


@njit(cache=True, nogil=True)
def fill_rows(
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    start: NDArray[np.int64],
    first: int,
    stop: int,
    cells: NDArray[np.uint32],
) -> None:
    """Write the alias rows of edge rows `[first, stop)`, row r at `cells[start[r]:]`.

    A cell is (threshold, target, alias): a 32-bit coin below the threshold takes the target, else
    the alias. A row's cells depend on its edges only.

    Source:
        Vose 1991, "A linear algorithm for generating random numbers with a given distribution".
    """
    widest = 0
    for row in range(first, stop):
        widest = max(widest, ptr[row + 1] - ptr[row])
    chance = np.empty(widest, np.float64)
    small = np.empty(widest, np.int64)
    large = np.empty(widest, np.int64)
    for row in range(first, stop):
        lo, hi = ptr[row], ptr[row + 1]
        if hi > lo:
            _fill_row(
                target_row[lo:hi],
                weight[lo:hi],
                cells[start[row] : start[row] + hi - lo],
                chance,
                small,
                large,
            )


@njit(cache=True, nogil=True)
def move_rows(
    start: NDArray[np.int64],
    degree: NDArray[np.int64],
    cells: NDArray[np.uint32],
    new_start: NDArray[np.int64],
    new_cells: NDArray[np.uint32],
) -> None:
    """Copy each row of `degree[r]` cells from `start[r]` to `new_start[r]` of another arena."""
    for row in range(len(start)):
        for cell in range(degree[row]):
            for column in range(3):
                new_cells[new_start[row] + cell, column] = cells[start[row] + cell, column]
