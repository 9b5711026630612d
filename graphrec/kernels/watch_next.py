"""What users watch after an item: seconds, summed event by event."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def sum_following(
    user: NDArray[np.int32],
    time_s: NDArray[np.int64],
    watched_s: NDArray[np.int64],
    window_s: int,
    gap_s: int,
    out: NDArray[np.int64],
) -> None:
    """Write for each watch the seconds its user watched after it.

    Events are sorted by user, then time. Later watches count while they start at most `window_s`
    after it and none of them starts more than `gap_s` after the end of the one before.
    """
    for n in range(len(user)):
        total = 0
        end_s = time_s[n] + watched_s[n]
        for m in range(n + 1, len(user)):
            if user[m] != user[n] or time_s[m] - time_s[n] > window_s or time_s[m] - end_s > gap_s:
                break
            total += watched_s[m]
            end_s = max(end_s, time_s[m] + watched_s[m])
        out[n] = total
