"""Sum scored entries by item and keep the best, at a cost of the entries and not the catalogue."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.row_table import FREE, best_first, holds, new_table, slot_of, table_of

SEEN_ALLOWED = 0
SEEN_HIDDEN = 1
SEEN_ONLY = 2


@njit(cache=True, nogil=True)
def may_stand(row: int, past: NDArray[np.int32], seen: int, allowed: NDArray[np.bool_]) -> bool:
    """Whether an item may be returned; `past` is a table of seen items, no `allowed` allows all."""
    if len(allowed) > 0 and (row >= len(allowed) or not allowed[row]):
        return False
    if seen == SEEN_ALLOWED:
        return True
    return holds(past, row) == (seen == SEEN_ONLY)


@njit(cache=True, nogil=True)
def keep_best_sums(
    ptr: NDArray[np.int64],
    item: NDArray[np.int32],
    value: NDArray[np.float64],
    reason: NDArray[np.int32],
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    seen: int,
    allowed: NDArray[np.bool_],
    kept_row: NDArray[np.int32],
    kept_score: NDArray[np.float32],
    kept_reason: NDArray[np.int32],
    kept_share: NDArray[np.float32],
) -> None:
    """Sum each query's entries by item and write the best, ties to the lower item row.

    Args:
        ptr: Query i's entries are `[ptr[i], ptr[i + 1])`.
        item: Item of each entry.
        value: What it adds, >= 0.
        reason: Past item it comes from; -1 for none.
        history_ptr: Query i's past items are `[history_ptr[i], history_ptr[i + 1])`.
        history_item: Past items.
        seen: One of `SEEN_ALLOWED`, `SEEN_HIDDEN`, `SEEN_ONLY`.
        allowed: Items that may be returned; empty for all.
        kept_row: Receives items, best first; -1 is padding.
        kept_score: Receives sums > 0; -inf is padding.
        kept_reason: Receives the reason of the largest entry, of equal ones the first; -1 for none.
        kept_share: Receives that entry's share of the sum; 0 for none.
    """
    k = kept_row.shape[1]
    for query in range(len(ptr) - 1):
        past = table_of(history_item[history_ptr[query] : history_ptr[query + 1]])
        room = ptr[query + 1] - ptr[query]
        table = new_table(room)
        at = np.empty(len(table), np.int32)
        row = np.empty(room, np.int32)
        total = np.empty(room, np.float64)
        largest = np.empty(room, np.int64)
        n = 0
        for entry in range(ptr[query], ptr[query + 1]):
            slot = slot_of(table, item[entry])
            if table[slot] == FREE:
                if not may_stand(item[entry], past, seen, allowed):
                    continue
                table[slot] = item[entry]
                at[slot] = n
                row[n] = item[entry]
                total[n] = 0.0
                largest[n] = entry
                n += 1
            one = at[slot]
            total[one] += value[entry]
            if value[entry] > value[largest[one]]:
                largest[one] = entry
        score = total[:n].astype(np.float32)
        candidate = _not_below(score, k)
        order = best_first(score[candidate], row[candidate])
        written = 0
        for place in order:
            one = candidate[place]
            if written == k or not score[one] > 0.0:
                break
            entry = largest[one]
            kept_row[query, written] = row[one]
            kept_score[query, written] = score[one]
            kept_reason[query, written] = reason[entry]
            share = value[entry] / total[one] if reason[entry] >= 0 else 0.0
            kept_share[query, written] = min(share, 1.0)
            written += 1
        kept_row[query, written:] = -1
        kept_score[query, written:] = -np.inf
        kept_reason[query, written:] = -1
        kept_share[query, written:] = 0.0


@njit(cache=True, nogil=True)
def _not_below(score: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Places whose score is not below the k-th best."""
    if len(score) <= 2 * k or k == 0:
        return np.arange(len(score))
    least = np.partition(score, len(score) - k)[len(score) - k]
    return np.flatnonzero(score >= least)


@njit(cache=True, nogil=True)
def add_all_sums(
    ptr: NDArray[np.int64],
    item: NDArray[np.int32],
    value: NDArray[np.float64],
    score: NDArray[np.float32],
) -> None:
    """Set the score of every item to the sum of each query's entries of it."""
    total = np.zeros(score.shape[1], np.float64)
    for query in range(len(ptr) - 1):
        for entry in range(ptr[query], ptr[query + 1]):
            total[item[entry]] += value[entry]
        score[query] = 0.0
        for entry in range(ptr[query], ptr[query + 1]):
            score[query, item[entry]] = total[item[entry]]
        for entry in range(ptr[query], ptr[query + 1]):
            total[item[entry]] = 0.0


@njit(cache=True, nogil=True)
def list_last_items(
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    max_items: int,
    fading: float,
    last_ptr: NDArray[np.int64],
    last_item: NDArray[np.int32],
    last_weight: NDArray[np.float64],
) -> None:
    """List each query's newest distinct items, newest first, the one in place j weighing fading^j.

    Looks back until `max_items` are found.
    """
    last_ptr[0] = 0
    for query in range(len(history_ptr) - 1):
        first = last_ptr[query]
        end = first
        weight = 1.0
        for event in range(history_ptr[query], history_ptr[query + 1]):
            if end - first == max_items:
                break
            is_new = True
            for one in range(first, end):
                if last_item[one] == history_item[event]:
                    is_new = False
                    break
            if is_new:
                last_item[end] = history_item[event]
                last_weight[end] = weight
                weight *= fading
                end += 1
        last_ptr[query + 1] = end
