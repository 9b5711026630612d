"""What sources say of candidates, and how old they are, in columns as in `rank_features.py`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.rank_features import log_of, log_seconds

DAY_S = 86400


@njit(cache=True, nogil=True)
def fill_evidence(
    item: NDArray[np.int32],
    score: NDArray[np.float32],
    place: NDArray[np.int32],
    source_at: NDArray[np.int64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """Three columns for each expected source, and how many of them brought the candidate.

    `source_at` is where each expected source stands on the last axis of `score` and `place`, -1
    where it did not answer. Columns: its score, that less the best in the list, log(1 + place).
    """
    n_sources = len(source_at)
    for q in range(item.shape[0]):
        for c in range(item.shape[1]):
            if item[q, c] >= 0:
                out[q, c, at + 3 * n_sources] = 0.0
        for n in range(n_sources):
            s = source_at[n]
            if s < 0:
                continue
            best = -np.inf
            for c in range(item.shape[1]):
                if item[q, c] >= 0 and place[q, c, s] >= 0:
                    best = max(best, score[q, c, s])
            for c in range(item.shape[1]):
                if item[q, c] >= 0 and place[q, c, s] >= 0:
                    out[q, c, at + 3 * n] = score[q, c, s]
                    out[q, c, at + 3 * n + 1] = score[q, c, s] - best
                    out[q, c, at + 3 * n + 2] = log_of(place[q, c, s])
                    out[q, c, at + 3 * n_sources] += 1.0


@njit(cache=True, nogil=True)
def fill_ages(
    time_s: NDArray[np.int64],
    item: NDArray[np.int32],
    published_s: NDArray[np.int64],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """log(1 + age) and 1 / (1 + days) of each item that is out strictly before the query."""
    for q in range(item.shape[0]):
        for c in range(item.shape[1]):
            i = item[q, c]
            if i < 0 or i >= len(published_s) or published_s[i] >= time_s[q]:
                continue
            age_s = time_s[q] - published_s[i]
            out[q, c, at] = log_seconds(age_s)
            out[q, c, at + 1] = 1.0 / (1.0 + age_s / DAY_S)
