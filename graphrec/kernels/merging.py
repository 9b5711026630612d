"""Merge ranked lists of several sources by reciprocal rank."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.row_table import FREE, best_first, new_table, slot_of


@njit(cache=True, nogil=True)
def merge_lists(
    item_row: NDArray[np.int32],
    score: NDArray[np.float32],
    reason: NDArray[np.int32],
    reason_share: NDArray[np.float32],
    ptr: NDArray[np.int64],
    weight: NDArray[np.float64],
    constant: float,
    n_assured: NDArray[np.int64],
    merged_row: NDArray[np.int32],
    merged_score: NDArray[np.float32],
    source: NDArray[np.int8],
    own_score: NDArray[np.float32],
    own_place: NDArray[np.int32],
    merged_reason: NDArray[np.int32],
    merged_share: NDArray[np.float32],
) -> None:
    """Write the best distinct items of each query's lists, by summed `weight / (constant + place)`.

    Args:
        item_row: Lists of all sources side by side, best first; below 0 is padding.
        score: The sources' own scores.
        reason: Past item that brought each; -1 for none.
        reason_share: Its share.
        ptr: Source s's list is in columns `[ptr[s], ptr[s + 1])`.
        weight: How much each source counts.
        constant: Added to places, which count from 1 here.
        n_assured: Places at the top of each source's list that are kept whatever they sum to.
        merged_row: Receives items, best first, ties to the lower row; -1 is padding.
        merged_score: Receives the sums; -inf is padding.
        source: Receives the source with the largest part; -1 is padding.
        own_score: Receives each source's own score by query and item; NaN where it has none.
        own_place: Receives each source's 0-based place; -1 where it has none.
        merged_reason: Receives the reason of `source`, else the first that a source gives, else -1.
        merged_share: Receives its share, else 0.
    """
    n_sources = len(weight)
    room = item_row.shape[1]
    k = merged_row.shape[1]
    item = np.empty(room, np.int32)
    total = np.empty(room, np.float64)
    assured = np.empty(room, np.bool_)
    column = np.empty((room, n_sources), np.int32)
    at = np.empty(len(new_table(room)), np.int32)
    table = new_table(room)
    for query in range(len(item_row)):
        table[:] = FREE
        n = 0
        for s in range(n_sources):
            place = 0
            for c in range(ptr[s], ptr[s + 1]):
                row = item_row[query, c]
                if row < 0:
                    continue
                slot = slot_of(table, row)
                if table[slot] == FREE:
                    table[slot] = row
                    at[slot] = n
                    item[n] = row
                    total[n] = 0.0
                    assured[n] = False
                    column[n] = -1
                    n += 1
                one = at[slot]
                if column[one, s] < 0:
                    column[one, s] = c
                    total[one] += weight[s] / (constant + 1 + c - ptr[s])
                    assured[one] |= place < n_assured[s]
                    place += 1
        rounded = total[:n].astype(np.float32)
        order = best_first(rounded, item[:n])
        spare = k
        for one in range(n):
            spare -= assured[one]
        written = 0
        for one in order:
            if not assured[one]:
                if spare <= 0:
                    continue
                spare -= 1
            if written == k:
                break
            merged_row[query, written] = item[one]
            merged_score[query, written] = rounded[one]
            largest = -1.0
            merged_reason[query, written] = -1
            merged_share[query, written] = 0.0
            for s in range(n_sources):
                c = column[one, s]
                own_place[query, written, s] = -1 if c < 0 else c - ptr[s]
                own_score[query, written, s] = np.nan if c < 0 else score[query, c]
                if c < 0:
                    continue
                part = weight[s] / (constant + 1 + c - ptr[s])
                is_largest = part > largest
                if is_largest:
                    largest = part
                    source[query, written] = s
                if reason[query, c] >= 0 and (is_largest or merged_reason[query, written] < 0):
                    merged_reason[query, written] = reason[query, c]
                    merged_share[query, written] = reason_share[query, c]
            written += 1
        for one in range(written, k):
            merged_row[query, one] = -1
            merged_score[query, one] = -np.inf
            source[query, one] = -1
            own_place[query, one] = -1
            own_score[query, one] = np.nan
            merged_reason[query, one] = -1
            merged_share[query, one] = 0.0
