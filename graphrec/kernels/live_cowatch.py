"""Insert events to timelines, and list which pairs of events that makes and breaks.

A change is a row (source node, target row, cohort, +1 or -1); `edge_changes` sums them.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.prefetch import prefetch_row
from graphrec.kernels.timelines import ITEM_BITS, ITEM_MASK

_AHEAD: Final = 32


@njit(cache=True, nogil=True)
def _emit(
    source: int,
    event: np.int64,
    value: float,
    sign: int,
    cohort_s: int,
    half_life_s: float,
    n: int,
    change: NDArray[np.int32],
    change_strength: NDArray[np.float64],
) -> int:
    """Append the change of one pair that ends at packed `event`; return how many there are."""
    target = event & ITEM_MASK
    if source == target + 1:
        return n
    time_s = event >> ITEM_BITS
    cohort = time_s // cohort_s if cohort_s > 0 else np.int64(0)
    change[n, 0] = source
    change[n, 1] = target
    change[n, 2] = cohort
    change[n, 3] = sign
    if len(change_strength) > 0:
        if half_life_s > 0.0:
            value *= 2.0 ** ((time_s - cohort * cohort_s) / half_life_s)
        change_strength[n] = sign * value
    return n + 1


@njit(cache=True, nogil=True)
def _move_timeline(
    user: int,
    place: NDArray[np.int64],
    pool: NDArray[np.int64],
    pool_weight: NDArray[np.float32],
    pool_end: int,
) -> int:
    """Copy a full timeline to the end of the pool with room for half as much again, and 4."""
    start, size = place[user, 0], place[user, 1]
    pool[pool_end : pool_end + size] = pool[start : start + size]
    if len(pool_weight) > 0:
        pool_weight[pool_end : pool_end + size] = pool_weight[start : start + size]
    place[user, 0] = pool_end
    place[user, 2] = size + size // 2 + 4
    return pool_end + place[user, 2]


@njit(cache=True, nogil=True)
def _emit_pairs(
    user: int,
    at: int,
    event: np.int64,
    weight: np.float32,
    place: NDArray[np.int64],
    pool: NDArray[np.int64],
    pool_weight: NDArray[np.float32],
    window_s: int,
    max_successors: int,
    cohort_s: int,
    half_life_s: float,
    n: int,
    change: NDArray[np.int32],
    change_strength: NDArray[np.float64],
) -> int:
    """Append what changes when `event` takes place `at` in its user's timeline."""
    start, size = place[user, 0], place[user, 1]
    weighted = len(pool_weight) > 0
    own_s = event >> ITEM_BITS
    own_node = (event & ITEM_MASK) + 1
    value = 1.0
    for back in range(1, min(at, max_successors) + 1):
        i = start + at - back
        if own_s - (pool[i] >> ITEM_BITS) > window_s:
            break
        if weighted:
            value = np.float64(pool_weight[i]) * np.float64(weight)
        source = (pool[i] & ITEM_MASK) + 1
        n = _emit(source, event, value, 1, cohort_s, half_life_s, n, change, change_strength)
    # An event put between two others moves them one place apart.
    for i in range(max(0, at - max_successors), min(at, size - max_successors)):
        j = i + max_successors
        if j < at:
            continue
        one, other = pool[start + i], pool[start + j]
        if (other >> ITEM_BITS) - (one >> ITEM_BITS) > window_s:
            continue
        if weighted:
            value = np.float64(pool_weight[start + i]) * np.float64(pool_weight[start + j])
        source = (one & ITEM_MASK) + 1
        n = _emit(source, other, value, -1, cohort_s, half_life_s, n, change, change_strength)
    for j in range(start + at, start + min(size, at + max_successors)):
        if (pool[j] >> ITEM_BITS) - own_s > window_s:
            break
        if weighted:
            value = np.float64(weight) * np.float64(pool_weight[j])
        n = _emit(own_node, pool[j], value, 1, cohort_s, half_life_s, n, change, change_strength)
    if at == 0:
        if size > 0:
            if weighted:
                value = np.float64(pool_weight[start])
            n = _emit(0, pool[start], value, -1, cohort_s, half_life_s, n, change, change_strength)
        value = np.float64(weight) if weighted else 1.0
        n = _emit(0, event, value, 1, cohort_s, half_life_s, n, change, change_strength)
    return n


@njit(cache=True, nogil=True)
def _fetch_timelines(
    first: int,
    last: int,
    user_row: NDArray[np.int32],
    place: NDArray[np.int64],
    pool: NDArray[np.int64],
) -> None:
    """Ask for the ends of some users' timelines."""
    for i in range(first, last):
        prefetch_row(place, np.int64(user_row[i]))
    for i in range(first, last):
        user = user_row[i]
        end = place[user, 0] + place[user, 1]
        prefetch_row(pool, max(end - 1, 0))
        prefetch_row(pool, max(end - 8, 0))


@njit(cache=True, nogil=True)
def insert_events(
    first: int,
    time_s: NDArray[np.int64],
    user_row: NDArray[np.int32],
    item_row: NDArray[np.int32],
    event_weight: NDArray[np.float32],
    place: NDArray[np.int64],
    pool: NDArray[np.int64],
    pool_weight: NDArray[np.float32],
    pool_end: NDArray[np.int64],
    window_s: int,
    max_successors: int,
    cohort_s: int,
    half_life_s: float,
    change: NDArray[np.int32],
    change_strength: NDArray[np.float64],
    n_changes: NDArray[np.int64],
) -> int:
    """Insert events from `first` on to their users' timelines, and write what changes.

    Args:
        first: First event to insert.
        time_s: UTC seconds.
        user_row: User of each event.
        item_row: Item of each event.
        event_weight: Strength of each event.
        place: Per user the start, length and room of their timeline in the pool.
        pool: Packed events by user.
        pool_weight: Their strengths; empty where events are counted.
        pool_end: One entry: end of what is used of the pool.
        window_s: Greatest distance in time of a successor, seconds.
        max_successors: Greatest distance in places.
        cohort_s: Length of a cohort, seconds; 0 where edges bear no date.
        half_life_s: Half-life, seconds; 0 for none.
        change: Receives changes.
        change_strength: Receives signed strengths; empty where they are the signs.
        n_changes: One entry: receives how many changes there are.

    Returns:
        The first event not inserted: one past the last, or where the changes or the pool are full.
    """
    n = 0
    most = 3 * max_successors + 2
    fetched = first
    event = first
    while event < len(time_s) and n + most <= len(change):
        if event == fetched:
            fetched = min(event + _AHEAD, len(time_s))
            _fetch_timelines(event, fetched, user_row, place, pool)
        user = user_row[event]
        if place[user, 1] == place[user, 2]:
            if pool_end[0] + place[user, 1] + place[user, 1] // 2 + 4 > len(pool):
                break
            pool_end[0] = _move_timeline(user, place, pool, pool_weight, pool_end[0])
        start, size = place[user, 0], place[user, 1]
        at = size
        while at > 0 and (pool[start + at - 1] >> ITEM_BITS) > time_s[event]:
            at -= 1
        one = (time_s[event] << ITEM_BITS) | np.int64(item_row[event])
        weight = event_weight[event]
        n = _emit_pairs(
            user,
            at,
            one,
            weight,
            place,
            pool,
            pool_weight,
            window_s,
            max_successors,
            cohort_s,
            half_life_s,
            n,
            change,
            change_strength,
        )
        for i in range(start + size, start + at, -1):
            pool[i] = pool[i - 1]
            if len(pool_weight) > 0:
                pool_weight[i] = pool_weight[i - 1]
        pool[start + at] = one
        if len(pool_weight) > 0:
            pool_weight[start + at] = weight
        place[user, 1] = size + 1
        event += 1
    n_changes[0] = n
    return event


@njit(cache=True, nogil=True)
def copy_timelines(
    place: NDArray[np.int64],
    pool: NDArray[np.int64],
    pool_weight: NDArray[np.float32],
    user_ptr: NDArray[np.int64],
    packed: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> None:
    """Copy every timeline to where `user_ptr` says it starts."""
    for user in range(len(user_ptr) - 1):
        start, size = place[user, 0], place[user, 1]
        to = user_ptr[user]
        packed[to : to + size] = pool[start : start + size]
        if len(weight) > 0:
            weight[to : to + size] = pool_weight[start : start + size]
