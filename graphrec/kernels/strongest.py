"""Keep the strongest entries of each row of a sparse matrix."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, nogil=True, parallel=True)
def mark_strongest(
    ptr: NDArray[np.int64],
    weight: NDArray[np.float64],
    n_kept: int,
    kept: NDArray[np.bool_],
) -> None:
    """Mark the `n_kept` largest positive entries of each row, ties to the earlier place."""
    for row in prange(len(ptr) - 1):
        start = ptr[row]
        stop = ptr[row + 1]
        least = 0.0
        room = stop - start
        if room > n_kept:
            least = np.partition(weight[start:stop], room - n_kept)[room - n_kept]
            room = n_kept
            for place in range(start, stop):
                if weight[place] > least:
                    room -= 1
        for place in range(start, stop):
            kept[place] = weight[place] > 0.0 and weight[place] > least
            if weight[place] > 0.0 and weight[place] == least and room > 0:
                kept[place] = True
                room -= 1
