"""Scores that are sums of item-to-item weights over a history, and the past item that gave most."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

_TILE = 512


@njit(cache=True, nogil=True)
def weigh_history(
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    history_weight: NDArray[np.float32],
    n_items: int,
    max_items: int,
    once: bool,
    fading: float,
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
) -> None:
    """List each query's distinct past items, newest first, with the weight each one has.

    At most `max_items` are kept. An item weighs 1 (`once`) or the sum of its events' weights, times
    `fading` to the power of its place.
    """
    place_of = np.zeros(n_items, np.int64)
    last_query = np.full(n_items, -1)
    past_ptr[0] = 0
    for query in range(len(history_ptr) - 1):
        first = past_ptr[query]
        end = first
        for event in range(history_ptr[query], history_ptr[query + 1]):
            item = history_item[event]
            if last_query[item] != query:
                if end - first == max_items:
                    continue
                last_query[item] = query
                place_of[item] = end
                past_item[end] = item
                past_weight[end] = 1.0 if once else history_weight[event]
                end += 1
            elif not once:
                past_weight[place_of[item]] += history_weight[event]
        faded = 1.0
        for place in range(first, end):
            past_weight[place] *= faded
            faded *= fading
        past_ptr[query + 1] = end


@njit(cache=True, nogil=True)
def _add_sparse_row(
    query: int,
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    n_rows = len(ptr) - 1
    total = np.zeros(score.shape[1])
    for place in range(past_ptr[query], past_ptr[query + 1]):
        item = past_item[place]
        if item < n_rows:
            for edge in range(ptr[item], ptr[item + 1]):
                total[target_row[edge]] += past_weight[place] * weight[edge]
    for item in range(score.shape[1]):
        score[query, item] = total[item]


@njit(cache=True, nogil=True)
def add_sparse_rows(
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    """Set each query's scores to the weighted sum of its past items' rows; others have no row."""
    for query in range(len(past_ptr) - 1):
        _add_sparse_row(query, ptr, target_row, weight, past_ptr, past_item, past_weight, score)


@njit(cache=True, nogil=True, parallel=True)
def add_sparse_rows_parallel(
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    """The same on several threads: to wake them takes longer than a single query does."""
    for query in prange(len(past_ptr) - 1):
        _add_sparse_row(query, ptr, target_row, weight, past_ptr, past_item, past_weight, score)


@njit(cache=True, nogil=True)
def _add_dense_tile(
    query: int,
    first: int,
    stop: int,
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    total = np.zeros(stop - first, np.float32)
    for place in range(past_ptr[query], past_ptr[query + 1]):
        item = past_item[place]
        if item < weight.shape[0]:
            row = weight[item, first:stop]
            by = past_weight[place]
            for column in range(stop - first):
                total[column] += by * row[column]
    score[query, first:stop] = total


@njit(cache=True, nogil=True)
def add_dense_rows(
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    """Like `add_sparse_rows`, for a full matrix."""
    score[:] = 0.0
    for query in range(len(past_ptr) - 1):
        _add_dense_tile(query, 0, weight.shape[0], weight, past_ptr, past_item, past_weight, score)


@njit(cache=True, nogil=True, parallel=True)
def add_dense_rows_parallel(
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    score: NDArray[np.float32],
) -> None:
    """The same on several threads; where Numba has no OpenMP, for one caller at a time."""
    n_rows = weight.shape[0]
    n_tiles = (n_rows + _TILE - 1) // _TILE
    score[:] = 0.0
    # Tile by tile, so that the part of the matrix in use stays in cache over many queries.
    for tile in range(n_tiles):
        first = tile * _TILE
        stop = min(first + _TILE, n_rows)
        for query in prange(len(past_ptr) - 1):
            _add_dense_tile(query, first, stop, weight, past_ptr, past_item, past_weight, score)


@njit(cache=True, nogil=True)
def find_sparse_reasons(
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    candidate: NDArray[np.int32],
    reason_item: NDArray[np.int32],
    reason_share: NDArray[np.float32],
) -> None:
    """Find the past item that adds most to each candidate, and its share of all that is added.

    Targets ascend within a row. Padding (-1) and candidates that nothing adds to stay as they are.
    """
    n_rows = len(ptr) - 1
    for query in range(candidate.shape[0]):
        for place in range(candidate.shape[1]):
            wanted = candidate[query, place]
            if wanted < 0:
                continue
            most = 0.0
            added = 0.0
            for past in range(past_ptr[query], past_ptr[query + 1]):
                item = past_item[past]
                if item >= n_rows:
                    continue
                start = ptr[item]
                stop = ptr[item + 1]
                edge = start + np.searchsorted(target_row[start:stop], wanted)
                if edge == stop or target_row[edge] != wanted:
                    continue
                part = past_weight[past] * weight[edge]
                if part > 0.0:
                    added += part
                if part > most:
                    most = part
                    reason_item[query, place] = item
            if most > 0.0:
                reason_share[query, place] = most / added


@njit(cache=True, nogil=True)
def find_dense_reasons(
    weight: NDArray[np.float32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    candidate: NDArray[np.int32],
    reason_item: NDArray[np.int32],
    reason_share: NDArray[np.float32],
) -> None:
    """Like `find_sparse_reasons`, for a full matrix; only what raises a score counts."""
    n_rows = weight.shape[0]
    for query in range(candidate.shape[0]):
        for place in range(candidate.shape[1]):
            wanted = candidate[query, place]
            if wanted < 0 or wanted >= n_rows:
                continue
            most = 0.0
            added = 0.0
            for past in range(past_ptr[query], past_ptr[query + 1]):
                item = past_item[past]
                if item >= n_rows:
                    continue
                part = past_weight[past] * weight[item, wanted]
                if part > 0.0:
                    added += part
                if part > most:
                    most = part
                    reason_item[query, place] = item
            if most > 0.0:
                reason_share[query, place] = most / added
