"""Visits of one request counted per item, and which seed brought most of them.

Visits come in order of seed, so one open count per item is enough: it is closed into the item's
total when a visit from a later seed arrives. Whether an item is new, or seen under another seed, is
as good as random, so nothing branches on it: an item whose hash is free or its own is counted by
arithmetic alone, and the few others are put aside and counted afterwards.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hash_random import GOLDEN
from graphrec.kernels.walks import NO_VISIT

OPEN: Final = np.uint64(0)
BEST: Final = np.uint64(1)
TOTAL: Final = np.uint64(2)
ITEM: Final = np.uint64(3)

_0: Final = np.uint64(0)
_1: Final = np.uint64(1)
_LOW_HALF: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_ONE_VISIT: Final = np.uint64(1 << 32)
_FREE: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


class Tally(NamedTuple):
    """Rows of items in order of first visit, from row 1 on; row 0 takes what belongs nowhere.

    Attributes:
        home: Per hash `item << 32 | row` of the item that owns it, or all ones.
        row: Per row `open count << 32 | ~its seed`, the largest such word so far (so of equal
            counts the first seed's), the bits of the total of closed counts (each as it is or its
            square root), and the item. A free row is 0.
        total: The same memory as `row`, as real numbers.
        marked: Per row whether the item is in the history.
        aside: Open addressing table of the items put aside: row, or 0.
        waiting: Item and seed of visits put aside in this wave.
    """

    home: NDArray[np.uint64]
    row: NDArray[np.uint64]
    total: NDArray[np.float64]
    marked: NDArray[np.uint8]
    aside: NDArray[np.uint32]
    waiting: NDArray[np.uint32]


@njit(cache=True, nogil=True)
def _slots_for(n_items: int) -> np.int64:
    n_slots = np.int64(64)
    while n_slots < 2 * n_items:
        n_slots *= 2
    return n_slots


@njit(cache=True, nogil=True)
def new_tally(n_items: int, n_waiting: int) -> Tally:
    """Room for at least `n_items` items, and `n_waiting` visits a wave."""
    n_slots = _slots_for(n_items)
    n_rows = 1 + n_slots // 2
    row = np.zeros((n_rows, 4), np.uint64)
    return Tally(
        np.empty(n_slots, np.uint64),
        row,
        row.view(np.float64),
        np.empty(n_rows, np.uint8),
        np.empty(n_slots, np.uint32),
        np.empty((n_waiting + 1, 2), np.uint32),
    )


@njit(cache=True, nogil=True)
def has_room(tally: Tally, n_items: int) -> bool:
    """Whether a request of `n_items` items fits."""
    return bool(2 * n_items <= len(tally.home))


@njit(cache=True, nogil=True)
def clear_tally(tally: Tally, n_items: int) -> np.uint64:
    """Free as many hashes as `n_items` items need; the mask of hashes."""
    n_slots = _slots_for(n_items)
    home, aside = tally.home, tally.aside
    for slot in range(n_slots):
        home[slot] = _FREE
        aside[slot] = 0
    return np.uint64(n_slots - 1)


@njit(cache=True, nogil=True)
def _hash(item: np.uint64, mask: np.uint64) -> np.uint64:
    return ((item * GOLDEN) >> _HALF) & mask


@njit(cache=True, nogil=True)
def find_row(tally: Tally, mask: np.uint64, item: np.uint64) -> np.int64:
    """Row of an item; 0 where it was not visited."""
    slot = _hash(item, mask)
    home, aside, rows = tally.home, tally.aside, tally.row
    if home[slot] >> _HALF == item:
        return np.int64(home[slot] & _LOW_HALF)
    while aside[slot] != 0:
        row = np.int64(aside[slot])
        if rows[row, ITEM] == item:
            return row
        slot = (slot + _1) & mask
    return np.int64(0)


@njit(cache=True, nogil=True)
def _visit(
    rows: NDArray[np.uint64],
    total: NDArray[np.float64],
    row: np.uint64,
    by_seed: np.uint64,
    boosted: bool,
) -> np.uint64:
    """Count one visit; the open count. `by_seed` is one visit by the seed."""
    word = rows[row, OPEN]
    same = (word & _LOW_HALF) == (by_seed & _LOW_HALF)
    part = np.float64(np.int64(word >> _HALF))
    if boosted:
        part = np.sqrt(part)
    total[row, TOTAL] += 0.0 if same else part
    rows[row, BEST] = max(rows[row, BEST], word)
    word = word + _ONE_VISIT if same else by_seed
    rows[row, OPEN] = word
    return word >> _HALF


@njit(cache=True, nogil=True)
def _visit_aside(
    tally: Tally,
    mask: np.uint64,
    n_waiting: np.uint64,
    n_rows: np.uint64,
    high: np.uint64,
    boosted: bool,
) -> tuple[np.uint64, np.uint64]:
    """Count the visits put aside; the last row in use, and counts that reached `high`."""
    rows, total = tally.row, tally.total
    aside, waiting = tally.aside, tally.waiting
    n_high = _0
    for at in range(_0, n_waiting):
        item = np.uint64(waiting[at, _0])
        slot = _hash(item, mask)
        while aside[slot] != 0 and rows[np.uint64(aside[slot]), ITEM] != item:
            slot = (slot + _1) & mask
        if aside[slot] == 0:
            n_rows += _1
            aside[slot] = np.uint32(n_rows)
            rows[n_rows, ITEM] = item
        by_seed = _ONE_VISIT | np.uint64(waiting[at, _1])
        count = _visit(rows, total, np.uint64(aside[slot]), by_seed, boosted)
        n_high += np.uint64(count == high)
    return n_rows, n_high


@njit(cache=True, nogil=True)
def count_visits(
    visited: NDArray[np.uint32],
    seed_stop: NDArray[np.uint64],
    first_seed: np.uint64,
    n_visits: np.uint64,
    tally: Tally,
    mask: np.uint64,
    boosted: bool,
    n_rows: np.uint64,
    high: np.uint64,
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Count the visits of a wave; those of seed s end at `seed_stop[s]`.

    Returns:
        The last row in use (0 at first), visits that took place, and items whose count from one
        seed reached `high` here.
    """
    # Looked up once: each look into the tuple counts references.
    home, rows, total, waiting = tally.home, tally.row, tally.total, tally.waiting
    n_missing = _0
    n_high = _0
    n_waiting = _0
    visit = _0
    seed = first_seed
    while visit < n_visits:
        seed_bits = _LOW_HALF - seed
        by_seed = _ONE_VISIT | seed_bits
        for at in range(visit, seed_stop[seed]):
            if visited[at] == NO_VISIT:
                n_missing += _1
                continue
            item = np.uint64(visited[at])
            slot = _hash(item, mask)
            owner = home[slot]
            is_new = owner == _FREE
            n_rows += np.uint64(is_new)
            owner = (item << _HALF) | n_rows if is_new else owner
            home[slot] = owner
            is_other = np.uint64(owner >> _HALF != item)
            waiting[n_waiting, _0] = np.uint32(item)
            waiting[n_waiting, _1] = np.uint32(seed_bits)
            n_waiting += is_other
            row = (owner & _LOW_HALF) * (_1 - is_other)
            rows[row, ITEM] = item
            count = _visit(rows, total, row, by_seed, boosted)
            n_high += np.uint64(count == high) * (_1 - is_other)
        visit = seed_stop[seed]
        seed += _1
    n_rows, n_high_aside = _visit_aside(tally, mask, n_waiting, n_rows, high, boosted)
    return n_rows, n_visits - n_missing, n_high + n_high_aside


@njit(cache=True, nogil=True)
def close_all(tally: Tally, n_rows: np.uint64, boosted: bool) -> None:
    """Close every open count: totals and best seeds are then final."""
    rows, total = tally.row, tally.total
    for row in range(_1, n_rows + _1):
        word = rows[row, OPEN]
        part = np.float64(np.int64(word >> _HALF))
        if boosted:
            part = np.sqrt(part)
        total[row, TOTAL] += part
        rows[row, BEST] = max(rows[row, BEST], word)


@njit(cache=True, nogil=True)
def free_rows(tally: Tally, n_rows: np.uint64) -> None:
    """Free every row, for the next request."""
    rows = tally.row
    for row in range(_0, n_rows + _1):
        rows[row, OPEN] = _0
        rows[row, BEST] = _0
        rows[row, TOTAL] = _0


@njit(cache=True, nogil=True)
def best_seed(tally: Tally, row: np.int64, boosted: bool) -> tuple[np.int64, np.float64]:
    """Seed with the largest part of an item's total, of equal ones the first, and its share."""
    best = tally.row[row, BEST]
    part = np.float64(np.int64(best >> _HALF))
    if boosted:
        part = np.sqrt(part)
    return np.int64(_LOW_HALF - (best & _LOW_HALF)), part / tally.total[row, TOTAL]
