"""Whole requests: walk, count, and keep the best items or write every score."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.visit_tally import (
    ITEM,
    TOTAL,
    Tally,
    best_seed,
    clear_tally,
    close_all,
    count_visits,
    find_row,
    free_rows,
    has_room,
    new_tally,
)
from graphrec.kernels.walks import LANES, Lanes, count_steps, new_lanes, walk_wave

SEEN_ALLOWED = 0
SEEN_HIDDEN = 1
SEEN_ONLY = 2


class Requests(NamedTuple):
    """Seeds of all requests, flat: request r's are `[ptr[r], ptr[r + 1])`."""

    ptr: NDArray[np.int64]
    node: NDArray[np.int32]
    key: NDArray[np.uint64]
    n_walks: NDArray[np.int32]


class WalkRule(NamedTuple):
    """How walks go and count; `stop_items` 0 walks every walk."""

    survival: NDArray[np.uint64]
    every_visit: bool
    boosted: bool
    stop_items: int
    stop_visits: int


class Limits(NamedTuple):
    """Which items may be kept; an empty `allowed` allows all."""

    history_ptr: NDArray[np.int64]
    history_item: NDArray[np.int32]
    seen: int
    allowed: NDArray[np.bool_]


class Kept(NamedTuple):
    """Answers, a row a request; a reason is a node; `n_dropped` counts items that limits drop."""

    item_row: NDArray[np.int32]
    score: NDArray[np.float32]
    reason_node: NDArray[np.int32]
    reason_share: NDArray[np.float32]
    n_dropped: NDArray[np.int32]


@njit(cache=True, nogil=True)
def _room_needed(
    requests: Requests, request: int, survival: NDArray[np.uint64], every_visit: bool, n_items: int
) -> int:
    start, stop = requests.ptr[request], requests.ptr[request + 1]
    if every_visit:
        n_visits = count_steps(requests.key[start:stop], requests.n_walks[start:stop], survival)
    else:
        n_visits = 0
        for seed in range(start, stop):
            n_visits += np.int64(requests.n_walks[seed])
    return min(n_visits, n_items)


@njit(cache=True, nogil=True)
def _tally_request(
    place: NDArray[np.uint64],
    cells: NDArray[np.uint32],
    requests: Requests,
    request: int,
    rule: WalkRule,
    lanes: Lanes,
    visited: NDArray[np.uint32],
    tally: Tally,
    mask: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Walk and count one request; the last row in use, and visits."""
    start, stop = requests.ptr[request], requests.ptr[request + 1]
    seed_node = requests.node[start:stop]
    seed_key = requests.key[start:stop]
    n_walks = requests.n_walks[start:stop]
    seed_stop = np.empty(len(seed_node), np.uint64)
    may_stop = rule.stop_items > 0
    high = np.uint64(rule.stop_visits)
    n_rows = np.uint64(0)
    n_counted = np.uint64(0)
    n_high = np.uint64(0)
    seed = np.uint64(0)
    walk = np.uint64(0)
    while seed < np.uint64(len(seed_node)):
        first = seed
        seed, walk, n_visits = walk_wave(
            place,
            cells,
            seed_node,
            seed_key,
            n_walks,
            seed,
            walk,
            may_stop,
            rule.survival,
            rule.every_visit,
            lanes,
            visited,
            seed_stop,
        )
        n_rows, n_new, n_reached = count_visits(
            visited, seed_stop, first, n_visits, tally, mask, rule.boosted, n_rows, high
        )
        n_counted += n_new
        n_high += n_reached
        if may_stop:
            if seed == first and n_high >= np.uint64(rule.stop_items):
                seed += np.uint64(1)
                walk = np.uint64(0)
            if seed != first:
                n_high = np.uint64(0)
    close_all(tally, n_rows, rule.boosted)
    return n_rows, n_counted


@njit(cache=True, nogil=True)
def _score(total: float, n_visits: np.uint64, boosted: bool) -> np.float32:
    return np.float32((total * total if boosted else total) / np.float64(n_visits))


@njit(cache=True, nogil=True)
def score_requests(
    place: NDArray[np.uint64],
    cells: NDArray[np.uint32],
    requests: Requests,
    rule: WalkRule,
    which: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    """Write the score of every item for the requests `which`, 0 where no walk came."""
    n_items = len(place) - 1
    lanes = new_lanes()
    visited = np.empty(LANES * len(rule.survival), np.uint32)
    tally = new_tally(1, len(visited))
    for request in which:
        room = _room_needed(requests, request, rule.survival, rule.every_visit, n_items)
        if not has_room(tally, room):
            tally = new_tally(room, len(visited))
        mask = clear_tally(tally, room)
        n_rows, n_visits = _tally_request(
            place, cells, requests, request, rule, lanes, visited, tally, mask
        )
        for item in range(n_items):
            scores[request, item] = 0.0
        for row in range(1, np.int64(n_rows) + 1):
            scores[request, tally.row[row, ITEM]] = _score(
                tally.total[row, TOTAL], n_visits, rule.boosted
            )
        free_rows(tally, n_rows)


@njit(cache=True, nogil=True)
def _mark_history(
    limits: Limits, request: int, tally: Tally, mask: np.uint64, n_rows: np.uint64
) -> None:
    for row in range(np.int64(n_rows) + 1):
        tally.marked[row] = 0
    if limits.seen == SEEN_ALLOWED:
        return
    for past in range(limits.history_ptr[request], limits.history_ptr[request + 1]):
        row = find_row(tally, mask, np.uint64(limits.history_item[past]))
        tally.marked[row] = 1


@njit(cache=True, nogil=True)
def _may_keep(seen: int, allowed: NDArray[np.bool_], item: np.int32, is_past: np.uint8) -> bool:
    if seen == SEEN_HIDDEN and is_past == 1:
        return False
    if seen == SEEN_ONLY and is_past == 0:
        return False
    return bool(len(allowed) == 0 or allowed[item])


@njit(cache=True, nogil=True)
def _is_worse(
    score: np.float32, item: np.int32, other_score: np.float32, other_item: np.int32
) -> bool:
    return bool(score < other_score or (score == other_score and item > other_item))


@njit(cache=True, nogil=True)
def _settle(scores: NDArray[np.float32], items: NDArray[np.int32], at: int, size: int) -> None:
    """Let the pair at `at` sink to its place in a heap with the worst pair on top."""
    score, item = scores[at], items[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _is_worse(
            scores[child + 1], items[child + 1], scores[child], items[child]
        ):
            child += 1
        if not _is_worse(scores[child], items[child], score, item):
            break
        scores[at], items[at] = scores[child], items[child]
        at = child
    scores[at], items[at] = score, item


@njit(cache=True, nogil=True)
def _keep_best(
    limits: Limits,
    tally: Tally,
    n_rows: np.uint64,
    n_visits: np.uint64,
    boosted: bool,
    scores: NDArray[np.float32],
    items: NDArray[np.int32],
) -> tuple[int, int]:
    """Write the best items, best first; how many, and how many the limits dropped."""
    k = len(items)
    n_kept = 0
    n_allowed = 0
    rows, total, marked = tally.row, tally.total, tally.marked
    for row in range(1, np.int64(n_rows) + 1):
        item = np.int32(rows[row, ITEM])
        if not _may_keep(limits.seen, limits.allowed, item, marked[row]):
            continue
        n_allowed += 1
        score = _score(total[row, TOTAL], n_visits, boosted)
        if n_kept < k:
            scores[n_kept], items[n_kept] = score, item
            n_kept += 1
            if n_kept == k:
                for at in range(k // 2 - 1, -1, -1):
                    _settle(scores, items, at, k)
        elif k > 0 and _is_worse(scores[0], items[0], score, item):
            scores[0], items[0] = score, item
            _settle(scores, items, 0, k)
    if n_kept < k:
        for at in range(n_kept // 2 - 1, -1, -1):
            _settle(scores, items, at, n_kept)
    for size in range(n_kept - 1, 0, -1):
        scores[0], scores[size] = scores[size], scores[0]
        items[0], items[size] = items[size], items[0]
        _settle(scores, items, 0, size)
    return n_kept, int(n_rows) - n_allowed


@njit(cache=True, nogil=True)
def answer_requests(
    place: NDArray[np.uint64],
    cells: NDArray[np.uint32],
    requests: Requests,
    rule: WalkRule,
    limits: Limits,
    which: NDArray[np.int64],
    kept: Kept,
) -> None:
    """Keep the best items of the requests `which`, best first, ties to the lower item row.

    The rest of a row is padding: item -1, score -inf, reason node 0, share 0. The reason is the
    seed with the largest part of the item's total, of equal ones the first; its share is that part
    over the total, or 0 for node 0.
    """
    n_items = len(place) - 1
    k = kept.item_row.shape[1]
    lanes = new_lanes()
    visited = np.empty(LANES * len(rule.survival), np.uint32)
    tally = new_tally(1, len(visited))
    for request in which:
        room = _room_needed(requests, request, rule.survival, rule.every_visit, n_items)
        if not has_room(tally, room):
            tally = new_tally(room, len(visited))
        mask = clear_tally(tally, room)
        n_rows, n_visits = _tally_request(
            place, cells, requests, request, rule, lanes, visited, tally, mask
        )
        _mark_history(limits, request, tally, mask, n_rows)
        n_kept, n_dropped = _keep_best(
            limits,
            tally,
            n_rows,
            n_visits,
            rule.boosted,
            kept.score[request],
            kept.item_row[request],
        )
        kept.n_dropped[request] = n_dropped
        for at in range(k):
            kept.reason_node[request, at] = 0
            kept.reason_share[request, at] = 0.0
            if at >= n_kept:
                kept.item_row[request, at] = -1
                kept.score[request, at] = -np.inf
                continue
            row = find_row(tally, mask, np.uint64(kept.item_row[request, at]))
            seed, share = best_seed(tally, row, rule.boosted)
            node = requests.node[requests.ptr[request] + seed]
            if node > 0:
                kept.reason_node[request, at] = node
                kept.reason_share[request, at] = share
        free_rows(tally, n_rows)
