"""A sorted list of the highest counts, kept while counts grow, and read past what is hidden."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.entry_sums import may_stand
from graphrec.kernels.row_table import table_of


@njit(cache=True, nogil=True)
def add_counts(
    item: NDArray[np.int32],
    added: NDArray[np.float64],
    floor: float,
    listed: NDArray[np.bool_],
    count: NDArray[np.float64],
    risen: NDArray[np.int32],
) -> int:
    """Add to counts; items that rise above `floor` unlisted are marked and written to `risen`.

    Returns:
        How many have risen.
    """
    n = 0
    for i in range(len(item)):
        row = item[i]
        count[row] += added[i]
        if count[row] > floor and not listed[row]:
            listed[row] = True
            risen[n] = row
            n += 1
    return n


@njit(cache=True, nogil=True)
def sort_nearly_sorted(count: NDArray[np.float64], top: NDArray[np.int32]) -> None:
    """Sort rows by count, highest first, ties to the lower row; cheap for few misplaced."""
    for i in range(1, len(top)):
        row = top[i]
        own = count[row]
        j = i
        while j > 0 and (
            count[top[j - 1]] < own or (count[top[j - 1]] == own and top[j - 1] > row)
        ):
            top[j] = top[j - 1]
            j -= 1
        top[j] = row


@njit(cache=True, nogil=True)
def read_top(
    top: NDArray[np.int32],
    history_item: NDArray[np.int32],
    seen: int,
    allowed: NDArray[np.bool_],
    found: NDArray[np.int32],
) -> int:
    """Write the first rows of `top` that may be returned; how many there are."""
    past = table_of(history_item)
    n = 0
    for row in top:
        if n == len(found):
            break
        if may_stand(row, past, seen, allowed):
            found[n] = row
            n += 1
    return n
