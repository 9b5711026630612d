"""How often each item was used in a span of time, from events kept in time order.

Running sums are stored every `block` events, so that any span costs two stored rows and at most two
blocks of events, however long it is. Strengths are integers, so sums do not depend on the order in
which events arrived.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def merge_events(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    new_time_s: NDArray[np.int64],
    new_item_row: NDArray[np.int32],
    new_strength: NDArray[np.int64],
) -> int:
    """Merge a time-sorted batch into the first `n_events` places; returns the first that changed.

    Events of equal time keep their order of arrival. The arrays have room for the batch.
    """
    old = n_events - 1
    new = len(new_time_s) - 1
    place = n_events + new
    while new >= 0:
        if old >= 0 and time_s[old] > new_time_s[new]:
            time_s[place] = time_s[old]
            item_row[place] = item_row[old]
            strength[place] = strength[old]
            old -= 1
        else:
            time_s[place] = new_time_s[new]
            item_row[place] = new_item_row[new]
            strength[place] = new_strength[new]
            new -= 1
        place -= 1
    return place + 1


@njit(cache=True, nogil=True)
def first_at_or_after(time_s: NDArray[np.int64], n_events: int, cut_s: int) -> int:
    """Position of the first event at or after `cut_s`."""
    low = 0
    high = n_events
    while low < high:
        middle = (low + high) >> 1
        if time_s[middle] < cut_s:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def fill_total_checkpoints(
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    first_changed: int,
    block: int,
    checkpoint: NDArray[np.int64],
) -> None:
    """Bring row c of `checkpoint`, the sum per item over events `[0, c * block)`, up to date."""
    for row in range(first_changed // block + 1, n_events // block + 1):
        checkpoint[row] = checkpoint[row - 1]
        for event in range((row - 1) * block, row * block):
            checkpoint[row, item_row[event]] += strength[event]


@njit(cache=True, nogil=True)
def fill_decayed_checkpoints(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    first_changed: int,
    block: int,
    half_life_s: float,
    checkpoint: NDArray[np.float64],
) -> None:
    """Like `fill_total_checkpoints`, each sum halved every `half_life_s` up to its last event."""
    for row in range(first_changed // block + 1, n_events // block + 1):
        now_s = time_s[row * block - 1]
        if row > 1:
            kept = 2.0 ** ((time_s[(row - 1) * block - 1] - now_s) / half_life_s)
            for item in range(checkpoint.shape[1]):
                checkpoint[row, item] = checkpoint[row - 1, item] * kept
        else:
            checkpoint[row] = 0.0
        for event in range((row - 1) * block, row * block):
            age_s = now_s - time_s[event]
            checkpoint[row, item_row[event]] += strength[event] * 2.0 ** (-age_s / half_life_s)


@njit(cache=True, nogil=True)
def _add_prefix(
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    until: int,
    block: int,
    checkpoint: NDArray[np.int64],
    sign: int,
    total: NDArray[np.int64],
) -> None:
    row = until // block
    for item in range(len(total)):
        total[item] += sign * checkpoint[row, item]
    for event in range(row * block, until):
        total[item_row[event]] += sign * strength[event]


@njit(cache=True, nogil=True)
def sum_windows(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    block: int,
    checkpoint: NDArray[np.int64],
    start_s: NDArray[np.int64],
    stop_s: NDArray[np.int64],
    unit: float,
    score: NDArray[np.float32],
) -> None:
    """Set each query's row of `score` to the strength per item in `[start_s, stop_s)`, × `unit`."""
    total = np.zeros(score.shape[1], np.int64)
    for query in range(len(start_s)):
        first = first_at_or_after(time_s, n_events, start_s[query])
        last = first_at_or_after(time_s, n_events, stop_s[query])
        total[:] = 0
        if last - first <= 2 * block:
            for event in range(first, last):
                total[item_row[event]] += strength[event]
        else:
            _add_prefix(item_row, strength, last, block, checkpoint, 1, total)
            _add_prefix(item_row, strength, first, block, checkpoint, -1, total)
        for item in range(len(total)):
            score[query, item] = total[item] * unit


@njit(cache=True, nogil=True)
def sum_decayed(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    block: int,
    half_life_s: float,
    checkpoint: NDArray[np.float64],
    cut_s: int,
    total: NDArray[np.float64],
) -> None:
    """Set `total` to the strength per item before `cut_s`, halved every `half_life_s` since."""
    until = first_at_or_after(time_s, n_events, cut_s)
    row = until // block
    if row > 0:
        kept = 2.0 ** ((time_s[row * block - 1] - cut_s) / half_life_s)
        for item in range(len(total)):
            total[item] = checkpoint[row, item] * kept
    else:
        total[:] = 0.0
    for event in range(row * block, until):
        age_s = cut_s - time_s[event]
        total[item_row[event]] += strength[event] * 2.0 ** (-age_s / half_life_s)


@njit(cache=True, nogil=True)
def decay_popularity(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    block: int,
    half_life_s: float,
    checkpoint: NDArray[np.float64],
    cut_s: NDArray[np.int64],
    unit: float,
    score: NDArray[np.float32],
) -> None:
    """Set each query's row of `score` to `sum_decayed` at its cut, × `unit`."""
    total = np.empty(score.shape[1])
    for query in range(len(cut_s)):
        sum_decayed(
            time_s,
            item_row,
            strength,
            n_events,
            block,
            half_life_s,
            checkpoint,
            cut_s[query],
            total,
        )
        for item in range(len(total)):
            score[query, item] = total[item] * unit
