"""Who came to an item lately: rings of the newest events of each item."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.rank_features import log_of, log_seconds


@njit(cache=True, nogil=True)
def add_to_rings(
    time_s: NDArray[np.int64],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    ring_time_s: NDArray[np.int64],
    ring_user: NDArray[np.int32],
    n_in_ring: NDArray[np.int32],
) -> None:
    """Put events into their items' rings, newest first, a late one where it belongs."""
    size = ring_time_s.shape[1]
    for n in range(len(time_s)):
        i, t = item[n], time_s[n]
        at = 0
        while at < n_in_ring[i] and ring_time_s[i, at] > t:
            at += 1
        if at == size:
            continue
        n_in_ring[i] = min(n_in_ring[i] + 1, size)
        for r in range(n_in_ring[i] - 1, at, -1):
            ring_time_s[i, r] = ring_time_s[i, r - 1]
            ring_user[i, r] = ring_user[i, r - 1]
        ring_time_s[i, at] = t
        ring_user[i, at] = user[n]


@njit(cache=True, nogil=True)
def fill_visitors(
    time_s: NDArray[np.int64],
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    ring_time_s: NDArray[np.int64],
    ring_user: NDArray[np.int32],
    n_in_ring: NDArray[np.int32],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """Six columns of each candidate's ring, as `visitor_features.py` declares them.

    They are: events of others since the user's newest one in the ring (all of the ring where the
    user is not in it), the user's share of the ring, distinct users of it as a share, and the log
    ages of its second, fourth and last event; the last four are missing where there are too few.
    An event of nobody (user -1) is never the asker's, and counts as a user of its own.
    """
    size = ring_time_s.shape[1]
    for q in range(len(time_s)):
        for c in range(item.shape[1]):
            i = item[q, c]
            if i < 0:
                continue
            row = out[q, c]
            row[at] = 0.0
            row[at + 1] = 0.0
            if i >= len(n_in_ring) or n_in_ring[i] == 0:
                continue
            n = n_in_ring[i]
            since = n
            mine = 0
            distinct = 0
            for r in range(n):
                if ring_user[i, r] >= 0 and ring_user[i, r] == user[q]:
                    mine += 1
                    since = min(since, r)
                is_new = True
                for other in range(r if ring_user[i, r] >= 0 else 0):
                    if ring_user[i, other] == ring_user[i, r]:
                        is_new = False
                        break
                distinct += is_new
            row[at] = log_of(since)
            row[at + 1] = mine / n
            row[at + 2] = distinct / n
            if n > 1:
                row[at + 3] = log_seconds(time_s[q] - ring_time_s[i, 1])
            if n > 3:
                row[at + 4] = log_seconds(time_s[q] - ring_time_s[i, 3])
            if n == size:
                row[at + 5] = log_seconds(time_s[q] - ring_time_s[i, size - 1])
