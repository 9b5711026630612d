"""An open-addressing set of 64-bit event ids."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer


@njit(cache=True, nogil=True)
def add_ids(
    event_id: NDArray[np.uint64],
    slot: NDArray[np.uint64],
    has_zero: NDArray[np.bool_],
    is_new: NDArray[np.bool_],
) -> int:
    """Add ids to the set; tell which were not in it, and how many those are.

    Args:
        event_id: Ids in order of arrival; a repeat within them is not new.
        slot: The set: a power of two of slots, 0 where free, room for every id to spare.
        has_zero: One entry: whether the id 0 is in the set.
        is_new: Receives whether each id was new.
    """
    mask = np.uint64(len(slot) - 1)
    n_new = 0
    for i in range(len(event_id)):
        one = event_id[i]
        if one == 0:
            is_new[i] = not has_zero[0]
            has_zero[0] = True
        else:
            at = mix_integer(one) & mask
            while slot[at] != 0 and slot[at] != one:
                at = (at + np.uint64(1)) & mask
            is_new[i] = slot[at] == 0
            slot[at] = one
        n_new += is_new[i]
    return n_new
