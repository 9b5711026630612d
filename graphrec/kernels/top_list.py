"""A sorted list of the highest counts, kept while counts grow, and read past what is hidden."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.entry_sums import SEEN_ONLY, may_stand
from graphrec.kernels.row_table import FREE, table_of

_AT_ONCE = 64


@njit(cache=True, nogil=True)
def add_counts(
    item: NDArray[np.int32],
    added: NDArray[np.float64],
    floor: float,
    listed: NDArray[np.bool_],
    count: NDArray[np.float64],
    risen: NDArray[np.int32],
) -> int:
    """Add to counts; items that rise above `floor` unlisted are marked and written to `risen`.

    Returns:
        How many have risen.
    """
    n = 0
    for i in range(len(item)):
        row = item[i]
        count[row] += added[i]
        if count[row] > floor and not listed[row]:
            listed[row] = True
            risen[n] = row
            n += 1
    return n


@njit(cache=True, nogil=True)
def sort_nearly_sorted(count: NDArray[np.float64], top: NDArray[np.int32]) -> None:
    """Sort rows by count, highest first, ties to the lower row; cheap for few misplaced."""
    for i in range(1, len(top)):
        row = top[i]
        own = count[row]
        j = i
        while j > 0 and (
            count[top[j - 1]] < own or (count[top[j - 1]] == own and top[j - 1] > row)
        ):
            top[j] = top[j - 1]
            j -= 1
        top[j] = row


@njit(cache=True, nogil=True)
def read_top(
    top: NDArray[np.int32],
    history_item: NDArray[np.int32],
    seen: int,
    allowed: NDArray[np.bool_],
    found: NDArray[np.int32],
) -> int:
    """Write the first rows of `top` that may be returned; how many there are."""
    past = table_of(history_item)
    n = 0
    for row in top:
        if n == len(found):
            break
        if may_stand(row, past, seen, allowed):
            found[n] = row
            n += 1
    return n


@njit(cache=True, nogil=True)
def keep_best_of_all(
    score: NDArray[np.float32],
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    seen: int,
    allowed: NDArray[np.bool_],
    kept_row: NDArray[np.int32],
    kept_score: NDArray[np.float32],
) -> None:
    """Write the highest positive scores of each query that may stand, ties to the lower row.

    Each line of `kept_row` (filled with -1) and `kept_score` (-inf) takes as many as it is long. A
    heap holds the best so far, the worst of them at its root, so that most items cost one look.
    """
    for query in range(score.shape[0]):
        past = table_of(history_item[history_ptr[query] : history_ptr[query + 1]])
        own, rows, scores = score[query], kept_row[query], kept_score[query]
        n = 0
        if seen == SEEN_ONLY:
            for row in past:
                if row != FREE and may_stand(row, past, seen, allowed):
                    n = _offer(row, own[row], n, rows, scores)
        else:
            for first in range(0, len(own), _AT_ONCE):
                stop = min(first + _AT_ONCE, len(own))
                bar = scores[0] if n and n == len(rows) else np.float32(0.0)
                n_above = 0
                # Without a branch, so that the compiler compares many at once.
                for row in range(first, stop):
                    n_above += own[row] > bar
                if n_above:
                    for row in range(first, stop):
                        if own[row] > bar and may_stand(row, past, seen, allowed):
                            n = _offer(row, own[row], n, rows, scores)
        for last in range(n - 1, 0, -1):
            rows[0], rows[last] = rows[last], rows[0]
            scores[0], scores[last] = scores[last], scores[0]
            _sink(last, rows, scores)


@njit(cache=True, nogil=True)
def _is_worse(row: int, own: float, other_row: int, other: float) -> bool:
    return own < other or (own == other and row > other_row)


@njit(cache=True, nogil=True)
def _offer(
    row: int, own: float, n: int, rows: NDArray[np.int32], scores: NDArray[np.float32]
) -> int:
    """Put an item among the `n` best so far where it belongs; how many there are then."""
    if not own > 0.0 or not len(rows):
        return n
    if n == len(rows):
        if _is_worse(rows[0], scores[0], row, own):
            rows[0], scores[0] = row, own
            _sink(n, rows, scores)
        return n
    at = n
    while at > 0:
        above = (at - 1) // 2
        if not _is_worse(row, own, rows[above], scores[above]):
            break
        rows[at], scores[at] = rows[above], scores[above]
        at = above
    rows[at], scores[at] = row, own
    return n + 1


@njit(cache=True, nogil=True)
def _sink(n: int, rows: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
    """Let the root of a heap of `n` sink to where it belongs."""
    row, own = rows[0], scores[0]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= n:
            break
        if below + 1 < n and _is_worse(
            rows[below + 1], scores[below + 1], rows[below], scores[below]
        ):
            below += 1
        if not _is_worse(rows[below], scores[below], row, own):
            break
        rows[at], scores[at] = rows[below], scores[below]
        at = below
    rows[at], scores[at] = row, own
