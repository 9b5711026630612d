"""Items by name (a publisher, a keyword), oldest first, in one pool that grows."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.row_table import FREE, new_table, slot_of

_START, _SIZE, _ROOM = 0, 1, 2


@njit(cache=True, nogil=True)
def _first_not_before(
    pool: NDArray[np.int32],
    start: int,
    size: int,
    published_s: NDArray[np.int64],
    at_s: int,
    row: int,
) -> int:
    """Place of the first item published at `at_s` or later, of that second with `row` or above."""
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        item = pool[start + middle]
        if published_s[item] < at_s or (published_s[item] == at_s and item < row):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def insert_named(
    first: int,
    name: NDArray[np.int32],
    item: NDArray[np.int32],
    published_s: NDArray[np.int64],
    place: NDArray[np.int64],
    pool: NDArray[np.int32],
    used: int,
) -> tuple[int, int]:
    """Insert items into the lists of their names, from pair `first` on, until the pool is full.

    Args:
        first: First pair to insert.
        name: Name of each pair.
        item: Item of each pair.
        published_s: Publication of every item, UTC seconds, by which lists are sorted.
        place: Per name the start, length and room of its list in the pool.
        pool: The lists.
        used: End of what is used of the pool.

    Returns:
        The first pair not inserted, and the new end of what is used.
    """
    for pair in range(first, len(name)):
        one = name[pair]
        start, size = place[one, _START], place[one, _SIZE]
        if size == place[one, _ROOM]:
            room = size + size // 2 + 2
            if used + room > len(pool):
                return pair, used
            pool[used : used + size] = pool[start : start + size]
            place[one, _START], place[one, _ROOM] = used, room
            start = used
            used += room
        # Of items of the same second the one with the highest row counts as the newest.
        at = _first_not_before(pool, start, size, published_s, published_s[item[pair]], item[pair])
        for i in range(start + size, start + at, -1):
            pool[i] = pool[i - 1]
        pool[start + at] = item[pair]
        place[one, _SIZE] = size + 1
    return len(name), used


@njit(cache=True, nogil=True)
def remove_named(
    name: NDArray[np.int32],
    item: NDArray[np.int32],
    place: NDArray[np.int64],
    pool: NDArray[np.int32],
) -> None:
    """Take items out of the lists of their names; one that is not there is passed over."""
    for pair in range(len(name)):
        start, size = place[name[pair], _START], place[name[pair], _SIZE]
        for at in range(start + size - 1, start - 1, -1):
            if pool[at] == item[pair]:
                pool[at : start + size - 1] = pool[at + 1 : start + size].copy()
                place[name[pair], _SIZE] = size - 1
                break


@njit(cache=True, nogil=True)
def list_fresh(
    last_ptr: NDArray[np.int64],
    last_item: NDArray[np.int32],
    last_weight: NDArray[np.float64],
    names_ptr: NDArray[np.int64],
    names: NDArray[np.int32],
    names_weight: NDArray[np.float64],
    time_s: NDArray[np.int64],
    published_s: NDArray[np.int64],
    place: NDArray[np.int64],
    pool: NDArray[np.int32],
    n_newest: int,
    max_age_s: float,
    half_life_s: float,
    ptr: NDArray[np.int64],
    item: NDArray[np.int32],
    value: NDArray[np.float64],
    reason: NDArray[np.int32],
) -> int:
    """List the newest items of the names of each query's last items.

    A name's affinity is the sum over last items that bear it of their weight times the name's
    weight there; each of its `n_newest` newest items published before the query and not longer than
    `max_age_s` ago gets an entry of affinity × 2^(-age / half_life), whose reason is the last item
    that adds most to the affinity.

    Args:
        last_ptr: Query i's last items are `[last_ptr[i], last_ptr[i + 1])`.
        last_item: Last items.
        last_weight: How much each counts.
        names_ptr: Item i's names are `[names_ptr[i], names_ptr[i + 1])`; later items have none.
        names: Names of items.
        names_weight: How much each name counts for its item.
        time_s: UTC seconds of each query.
        published_s: UTC seconds at which items were published.
        place: Per name the start, length and room of its list in the pool.
        pool: The lists.
        n_newest: Most items of one name.
        max_age_s: Greatest age.
        half_life_s: Age at which an item counts half.
        ptr: Receives where each query's entries end, after a 0.
        item: Receives items, as far as there is room.
        value: Receives what entries add.
        reason: Receives their reasons.

    Returns:
        Entries there are, which may be more than there is room for.
    """
    n = 0
    ptr[0] = 0
    for query in range(len(time_s)):
        room = 0
        for seed in range(last_ptr[query], last_ptr[query + 1]):
            row = last_item[seed]
            if row + 1 < len(names_ptr):
                room += names_ptr[row + 1] - names_ptr[row]
        table = new_table(room)
        at = np.empty(len(table), np.int32)
        name = np.empty(room, np.int32)
        affinity = np.zeros(room, np.float64)
        largest = np.zeros(room, np.float64)
        speaker = np.empty(room, np.int32)
        n_names = 0
        for seed in range(last_ptr[query], last_ptr[query + 1]):
            row = last_item[seed]
            if row + 1 >= len(names_ptr):
                continue
            for i in range(names_ptr[row], names_ptr[row + 1]):
                slot = slot_of(table, names[i])
                if table[slot] == FREE:
                    table[slot] = names[i]
                    at[slot] = n_names
                    name[n_names] = names[i]
                    n_names += 1
                one = at[slot]
                part = last_weight[seed] * names_weight[i]
                affinity[one] += part
                if part > largest[one]:
                    largest[one] = part
                    speaker[one] = row
        for one in range(n_names):
            start, size = place[name[one], _START], place[name[one], _SIZE]
            until = _first_not_before(pool, start, size, published_s, time_s[query], -1)
            for back in range(1, min(until, n_newest) + 1):
                row = pool[start + until - back]
                age_s = np.float64(time_s[query] - published_s[row])
                if age_s > max_age_s:
                    break
                if n < len(item):
                    item[n] = row
                    value[n] = affinity[one] * 2.0 ** (-age_s / half_life_s)
                    reason[n] = speaker[one]
                n += 1
        ptr[query + 1] = n
    return n
