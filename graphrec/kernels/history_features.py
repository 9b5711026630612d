"""A user's own past with each candidate, written into columns as in `rank_features.py`."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.rank_features import log_of, log_seconds

SESSION_S = 1800
DAY_S = 86400
FEW = 8


@njit(cache=True, nogil=True)
def fill_pair_history(
    time_s: NDArray[np.int64],
    ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_time_s: NDArray[np.int64],
    item: NDArray[np.int32],
    slot: NDArray[np.int32],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """What the user did with each candidate: the columns of `PAIR_HISTORY`, in its order.

    `slot` is scratch, one entry an item row, -1 before and after each call. A candidate that stands
    twice in a list is counted once and written twice.
    """
    k = item.shape[1]
    second_s = np.empty(k, np.int64)
    runs = np.empty(k)
    after_few = np.empty(k)
    count = np.empty(k)
    newest = np.empty(k, np.int64)
    oldest_s = np.empty(k, np.int64)
    distinct = np.empty(k, np.int64)
    activation = np.empty(k)
    after_last = np.empty(k)
    recent = np.empty(k)
    same_as = np.empty(k, np.int64)
    for q in range(len(time_s)):
        start, stop = ptr[q], ptr[q + 1]
        for c in range(k):
            if item[q, c] >= 0:
                if slot[item[q, c]] < 0:
                    slot[item[q, c]] = c
                same_as[c] = slot[item[q, c]]
            count[c] = 0.0
            newest[c] = -1
            activation[c] = 0.0
            after_last[c] = 0.0
            recent[c] = 0.0
            runs[c] = 0.0
            after_few[c] = 0.0
        n_distinct = 0
        all_activation = 0.0
        run = 0
        running = True
        for event in range(start, stop):
            i = past_item[event]
            place = event - start
            weight = 1.0 / math.sqrt(1.0 + place)
            all_activation += weight
            if running and i == past_item[start]:
                run += 1
            else:
                running = False
            c = slot[i]
            if c >= 0:
                if count[c] == 0.0:
                    newest[c] = place
                    distinct[c] = n_distinct
                if count[c] == 1.0:
                    second_s[c] = past_time_s[event]
                if event == start or past_item[event - 1] != i:
                    runs[c] += 1.0
                count[c] += 1.0
                oldest_s[c] = past_time_s[event]
                activation[c] += weight
                if place < FEW:
                    recent[c] += 1.0
            if place > 0 and i == past_item[start]:
                follower = slot[past_item[event - 1]]
                if follower >= 0:
                    after_last[follower] += weight
                for later in range(max(start, event - FEW), event - 1):
                    follower = slot[past_item[later]]
                    if follower >= 0:
                        after_few[follower] += weight
            # Distinct items are counted by changes, which spares a set and is exact for runs.
            if event + 1 == stop or past_item[event + 1] != i:
                n_distinct += 1
        n_past = stop - start
        for place_in_list in range(k):
            if item[q, place_in_list] < 0:
                continue
            slot[item[q, place_in_list]] = -1
            row = out[q, place_in_list]
            c = same_as[place_in_list]
            row[at] = log_of(count[c])
            row[at + 6] = log_of(after_last[c])
            row[at + 10] = log_of(after_few[c])
            if n_past > 0:
                row[at + 7] = count[c] / n_past
                row[at + 8] = recent[c] / min(n_past, FEW)
                row[at + 5] = activation[c] / all_activation
            if count[c] > 0.0:
                place = newest[c]
                since_s = time_s[q] - past_time_s[start + place]
                row[at + 1] = log_seconds(since_s)
                row[at + 2] = log_of(place)
                row[at + 3] = distinct[c]
                row[at + 4] = run if place == 0 else 0
                row[at + 11] = count[c] / runs[c]
                if count[c] > 1.0:
                    gap_s = (past_time_s[start + place] - oldest_s[c]) / (count[c] - 1.0)
                    row[at + 9] = log_seconds(gap_s)
                    row[at + 12] = log_seconds(since_s) - log_seconds(gap_s)
                    last_gap_s = past_time_s[start + place] - second_s[c]
                    row[at + 13] = log_seconds(since_s) - log_seconds(last_gap_s)
            else:
                row[at + 4] = 0.0


@njit(cache=True, nogil=True)
def fill_context(
    time_s: NDArray[np.int64],
    ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_time_s: NDArray[np.int64],
    item: NDArray[np.int32],
    at: int,
    out: NDArray[np.float32],
) -> None:
    """What is going on with the user, alike for all candidates: the columns of `CONTEXT`."""
    row = np.empty(10, np.float32)
    for q in range(len(time_s)):
        start, stop = ptr[q], ptr[q + 1]
        n_past = stop - start
        row[:] = np.nan
        row[0] = log_of(n_past)
        row[8] = (time_s[q] % DAY_S) / 3600.0
        # 1970 began on a Thursday; Monday is 0.
        row[9] = (time_s[q] // DAY_S + 3) % 7
        in_session = 0
        in_day = 0
        while in_day < n_past and time_s[q] - past_time_s[start + in_day] <= DAY_S:
            if time_s[q] - past_time_s[start + in_day] <= SESSION_S:
                in_session += 1
            in_day += 1
        row[3] = log_of(in_session)
        row[4] = log_of(in_day)
        if n_past > 0:
            row[1] = log_seconds(time_s[q] - past_time_s[start])
            run = 1
            while run < n_past and past_item[start + run] == past_item[start]:
                run += 1
            row[2] = log_of(run)
            newest = min(n_past, 32)
            n_distinct = 0
            changes = 0
            for event in range(start, start + newest):
                is_first = True
                for other in range(start, event):
                    if past_item[other] == past_item[event]:
                        is_first = False
                        break
                n_distinct += is_first
                if event > start and past_item[event] != past_item[event - 1]:
                    changes += 1
            row[5] = n_distinct / newest
            if newest > 1:
                row[6] = changes / (newest - 1)
                few = min(newest, FEW)
                span_s = past_time_s[start] - past_time_s[start + few - 1]
                row[7] = log_seconds(span_s / (few - 1))
        for c in range(item.shape[1]):
            if item[q, c] >= 0:
                for n in range(10):
                    out[q, c, at + n] = row[n]
