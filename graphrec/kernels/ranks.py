"""Rank targets among candidates, and keep the best candidates, one row of scores at a time."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _mark_candidates(
    query: int,
    target_start: NDArray[np.int64],
    target_stop: NDArray[np.int64],
    target_item: NDArray[np.int32],
    exclude_start: NDArray[np.int64],
    exclude_stop: NDArray[np.int64],
    exclude_item: NDArray[np.int32],
    available_from_s: NDArray[np.int64],
    time_s: NDArray[np.int64],
    is_candidate: NDArray[np.uint8],
) -> None:
    is_candidate[:] = 1
    for item in range(len(available_from_s)):
        is_candidate[item] = available_from_s[item] <= time_s[query]
    for at in range(exclude_start[query], exclude_stop[query]):
        is_candidate[exclude_item[at]] = 0
    for at in range(target_start[query], target_stop[query]):
        is_candidate[target_item[at]] = 1


@njit(cache=True, nogil=True)
def _rank_one(
    row: NDArray[np.float32],
    is_candidate: NDArray[np.uint8],
    targets: NDArray[np.int32],
    rank: NDArray[np.float64],
) -> None:
    for place in range(len(targets)):
        own = row[targets[place]]
        higher = 0
        equal = 0
        for item in range(len(row)):
            higher += is_candidate[item] & (row[item] > own)
            equal += is_candidate[item] & (row[item] == own)
        ahead = 0
        tied_targets = 0
        for other in range(len(targets)):
            if row[targets[other]] == own:
                tied_targets += 1
                ahead += other < place
        rank[place] = 1.0 + higher + ahead + 0.5 * (equal - tied_targets)


@njit(cache=True, nogil=True)
def _select_one(
    row: NDArray[np.float32], is_candidate: NDArray[np.uint8], top_item: NDArray[np.int32]
) -> None:
    k = len(top_item)
    best = np.full(k, np.float32(0.0))
    n_found = 0
    top_item[:] = -1
    for item in range(len(row)):
        score = row[item]
        if not is_candidate[item] or not score > 0.0:
            continue
        if n_found == k and (k == 0 or score <= best[k - 1]):
            continue
        place = n_found if n_found < k else k - 1
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            top_item[place] = top_item[place - 1]
            place -= 1
        best[place] = score
        top_item[place] = item
        n_found = min(n_found + 1, k)


@njit(cache=True, nogil=True)
def _answer_one(
    query: int,
    scores: NDArray[np.float32],
    target_start: NDArray[np.int64],
    target_stop: NDArray[np.int64],
    target_item: NDArray[np.int32],
    exclude_start: NDArray[np.int64],
    exclude_stop: NDArray[np.int64],
    exclude_item: NDArray[np.int32],
    available_from_s: NDArray[np.int64],
    time_s: NDArray[np.int64],
    first_target: int,
    rank: NDArray[np.float64],
    n_candidates: NDArray[np.int32],
    n_nan: NDArray[np.int32],
    top_item: NDArray[np.int32],
) -> None:
    row = scores[query]
    is_candidate = np.empty(len(row), np.uint8)
    _mark_candidates(
        query,
        target_start,
        target_stop,
        target_item,
        exclude_start,
        exclude_stop,
        exclude_item,
        available_from_s,
        time_s,
        is_candidate,
    )
    candidates = 0
    not_numbers = 0
    for item in range(len(row)):
        candidates += is_candidate[item]
        not_numbers += row[item] != row[item]
    n_candidates[query] = candidates
    n_nan[query] = not_numbers
    start, stop = target_start[query], target_stop[query]
    _rank_one(
        row,
        is_candidate,
        target_item[start:stop],
        rank[start - first_target : stop - first_target],
    )
    _select_one(row, is_candidate, top_item[query])


@njit(cache=True, nogil=True)
def rank_rows(
    scores: NDArray[np.float32],
    target_start: NDArray[np.int64],
    target_stop: NDArray[np.int64],
    target_item: NDArray[np.int32],
    exclude_start: NDArray[np.int64],
    exclude_stop: NDArray[np.int64],
    exclude_item: NDArray[np.int32],
    available_from_s: NDArray[np.int64],
    time_s: NDArray[np.int64],
    rank: NDArray[np.float64],
    n_candidates: NDArray[np.int32],
    n_nan: NDArray[np.int32],
    top_item: NDArray[np.int32],
) -> None:
    """Rank every target of every row of `scores`, and keep each row's best candidates.

    Query q's targets are `target_item[target_start[q]:target_stop[q]]`, consecutive over the
    queries; its excluded items are given likewise. An empty `available_from_s` opens all items.
    Targets are always candidates. `rank` is written per target, from 0 for the first query's
    first; `top_item` (queries, k) is padded with -1 and holds only positive scores, ties to the
    lower row.
    """
    for query in range(scores.shape[0]):
        _answer_one(
            query,
            scores,
            target_start,
            target_stop,
            target_item,
            exclude_start,
            exclude_stop,
            exclude_item,
            available_from_s,
            time_s,
            target_start[0],
            rank,
            n_candidates,
            n_nan,
            top_item,
        )


@njit(cache=True, nogil=True, parallel=True)
def rank_rows_parallel(
    scores: NDArray[np.float32],
    target_start: NDArray[np.int64],
    target_stop: NDArray[np.int64],
    target_item: NDArray[np.int32],
    exclude_start: NDArray[np.int64],
    exclude_stop: NDArray[np.int64],
    exclude_item: NDArray[np.int32],
    available_from_s: NDArray[np.int64],
    time_s: NDArray[np.int64],
    rank: NDArray[np.float64],
    n_candidates: NDArray[np.int32],
    n_nan: NDArray[np.int32],
    top_item: NDArray[np.int32],
) -> None:
    """The same as `rank_rows`, rows shared among threads; worth it from about 1e5 scores."""
    for query in prange(scores.shape[0]):
        _answer_one(
            query,
            scores,
            target_start,
            target_stop,
            target_item,
            exclude_start,
            exclude_stop,
            exclude_item,
            available_from_s,
            time_s,
            target_start[0],
            rank,
            n_candidates,
            n_nan,
            top_item,
        )
