"""Counts that fade, by row and by pair of rows, kept up as events arrive.

A count of half-life h stands as of its row's newest event; an event that arrives late is discounted
to that moment, so that the order of arrival changes nothing but rounding.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer


@njit(cache=True, nogil=True)
def add_to_rows(
    time_s: NDArray[np.int64],
    row: NDArray[np.int32],
    amount: NDArray[np.float32],
    half_life_s: NDArray[np.float64],
    decayed: NDArray[np.float64],
    total: NDArray[np.float64],
    first_s: NDArray[np.int64],
    last_s: NDArray[np.int64],
) -> None:
    """Add each amount to its row's fading counts (one column a half-life) and its plain total."""
    for n in range(len(time_s)):
        i, t = row[n], time_s[n]
        if total[i] == 0.0:
            first_s[i] = t
            last_s[i] = t
        elif t > last_s[i]:
            for s in range(len(half_life_s)):
                decayed[i, s] *= 2.0 ** ((last_s[i] - t) / half_life_s[s])
            last_s[i] = t
        first_s[i] = min(first_s[i], t)
        for s in range(len(half_life_s)):
            decayed[i, s] += amount[n] * 2.0 ** ((t - last_s[i]) / half_life_s[s])
        total[i] += amount[n]


@njit(cache=True, nogil=True)
def find_pair(slot_key: NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Slot of `key` (not 0) in an open-addressing table, or the free slot where it would stand."""
    mask = np.uint64(len(slot_key) - 1)
    at = mix_integer(key) & mask
    while slot_key[at] != 0 and slot_key[at] != key:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@njit(cache=True, nogil=True)
def add_to_pairs(
    key: NDArray[np.uint64],
    time_s: NDArray[np.int64],
    amount: NDArray[np.float32],
    half_life_s: float,
    slot_key: NDArray[np.uint64],
    decayed: NDArray[np.float32],
    total: NDArray[np.float32],
    last_s: NDArray[np.int64],
) -> int:
    """Add each amount to its pair; returns how many pairs are new. Keys are not 0."""
    n_new = 0
    for n in range(len(key)):
        at = find_pair(slot_key, key[n])
        t = time_s[n]
        if slot_key[at] == 0:
            slot_key[at] = key[n]
            last_s[at] = t
            n_new += 1
        elif t > last_s[at]:
            decayed[at] *= np.float32(2.0 ** ((last_s[at] - t) / half_life_s))
            last_s[at] = t
        decayed[at] += np.float32(amount[n] * 2.0 ** ((t - last_s[at]) / half_life_s))
        total[at] += amount[n]
    return n_new


@njit(cache=True, nogil=True)
def move_pairs(
    old_key: NDArray[np.uint64],
    old_decayed: NDArray[np.float32],
    old_total: NDArray[np.float32],
    old_last_s: NDArray[np.int64],
    slot_key: NDArray[np.uint64],
    decayed: NDArray[np.float32],
    total: NDArray[np.float32],
    last_s: NDArray[np.int64],
) -> None:
    """Put all pairs of one table into an empty, larger one."""
    for n in range(len(old_key)):
        if old_key[n] != 0:
            at = find_pair(slot_key, old_key[n])
            slot_key[at] = old_key[n]
            decayed[at] = old_decayed[n]
            total[at] = old_total[n]
            last_s[at] = old_last_s[n]


@njit(cache=True, nogil=True)
def follow_users(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    recent: NDArray[np.int32],
    discount: float,
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    amount: NDArray[np.float32],
    source: NDArray[np.int64],
) -> int:
    """Note which items stand before each event's in its user's sequence, nearest first.

    `recent` holds each user's newest items (-1 padded), a run of one item standing once, and is
    changed; a step further away counts `discount` times as much. Steps from an item to itself are
    left out, and so are events of nobody (user -1). Returns how many pairs were written to
    `before`, `after`, `amount` and `source` (the event they come from).
    """
    n_pairs = 0
    for n in range(len(user)):
        u, i = user[n], item[n]
        if u < 0:
            continue
        strength = 1.0
        for r in range(recent.shape[1]):
            past = recent[u, r]
            if past < 0:
                break
            if past != i:
                before[n_pairs] = past
                after[n_pairs] = i
                amount[n_pairs] = strength
                source[n_pairs] = n
                n_pairs += 1
            strength *= discount
        if recent[u, 0] != i:
            for r in range(recent.shape[1] - 1, 0, -1):
                recent[u, r] = recent[u, r - 1]
            recent[u, 0] = i
    return n_pairs
