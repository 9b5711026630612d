"""Events by user: a stable counting sort, and how many later events each one reaches.

An event is packed in one int64, `(time_s << 31) | item_row`, so that one cache miss brings both and
packed events of one user compare by time. An `END` stands before the first user's events and after
each user's, later than any event, so that a scan forward needs no look at where the user ends.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

ITEM_BITS: Final = 31
ITEM_MASK: Final = (1 << ITEM_BITS) - 1
_INSERTION: Final = 48
END: Final = (1 << 63) - 1
END_S: Final = END >> ITEM_BITS


@njit(cache=True, nogil=True)
def count_rows(row: NDArray[np.int32], count: NDArray[np.int32]) -> None:
    """Add to `count` how often each row occurs."""
    for i in range(len(row)):
        count[row[i]] += 1


@njit(cache=True, nogil=True)
def place_rows(count: NDArray[np.int32], ptr: NDArray[np.int64]) -> None:
    """Turn counts (threads, rows) into each thread's first position of each row; fill `ptr`.

    One place is left free before the first row and after each row.
    """
    at = 1
    for row in range(count.shape[1]):
        ptr[row] = at
        for thread in range(count.shape[0]):
            size = count[thread, row]
            count[thread, row] = at
            at += size
        at += 1
    ptr[count.shape[1]] = at


@njit(cache=True, nogil=True)
def scatter_events(
    time_s: NDArray[np.int64],
    user_row: NDArray[np.int32],
    item_row: NDArray[np.int32],
    event_weight: NDArray[np.float32],
    position: NDArray[np.int32],
    packed: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> None:
    """Write each event to its user's next position; weights only where `weight` has room."""
    weighted = len(weight) > 0
    for i in range(len(time_s)):
        user = user_row[i]
        at = position[user]
        position[user] = at + 1
        packed[at] = (time_s[i] << ITEM_BITS) | np.int64(item_row[i])
        if weighted:
            weight[at] = event_weight[i]


@njit(cache=True, nogil=True)
def _sort_timeline(packed: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
    weighted = len(weight) > 0
    if len(packed) > _INSERTION:
        order = np.argsort(packed >> ITEM_BITS, kind="mergesort")
        packed[:] = packed[order]
        if weighted:
            weight[:] = weight[order]
        return
    for i in range(1, len(packed)):
        event = packed[i]
        event_weight = weight[i] if weighted else np.float32(1.0)
        j = i
        while j > 0 and (packed[j - 1] >> ITEM_BITS) > (event >> ITEM_BITS):
            packed[j] = packed[j - 1]
            if weighted:
                weight[j] = weight[j - 1]
            j -= 1
        packed[j] = event
        if weighted:
            weight[j] = event_weight


@njit(cache=True, nogil=True)
def finish_timelines(
    packed: NDArray[np.int64],
    weight: NDArray[np.float32],
    user_ptr: NDArray[np.int64],
    first_user: int,
    last_user: int,
) -> None:
    """End and sort by time the events of users `[first_user, last_user)`, ties as they stand."""
    weighted = len(weight) > 0
    for user in range(first_user, last_user):
        start, stop = user_ptr[user], user_ptr[user + 1] - 1
        packed[stop] = END
        for i in range(start + 1, stop):
            if (packed[i - 1] >> ITEM_BITS) > (packed[i] >> ITEM_BITS):
                _sort_timeline(packed[start:stop], weight[start:stop] if weighted else weight)
                break
