"""Write out every pair of events by parts of the source nodes, and merge each part into edges.

A pair is a key of (source node, target, cohort), the node counted from the first of its part.
Events are read in the order they lie in, pairs are written to as many places as there are parts,
and a part is sorted within the second-level cache, digit by digit: nothing waits for memory.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.timelines import END_S, ITEM_BITS, ITEM_MASK

_DIGIT_BITS: Final = 11


@njit(cache=True, nogil=True)
def bit_length(value: int) -> int:
    """Bits that numbers from 0 to `value`, which is not negative, need."""
    bits = 0
    while value >> bits:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def count_pairs(
    packed: NDArray[np.int64],
    user_ptr: NDArray[np.int64],
    first_user: int,
    last_user: int,
    window_s: int,
    max_successors: int,
    n_pairs: NDArray[np.int64],
) -> None:
    """Add to `n_pairs` the pairs of users `[first_user, last_user)` by source node.

    Pairs of an item with itself, which will be left out, are counted: that needs no look at them.

    Args:
        packed: Events by user and time.
        user_ptr: User u's events and their `END` are `[user_ptr[u], user_ptr[u + 1])`.
        first_user: First user to look at.
        last_user: One past the last.
        window_s: Greatest distance in time of a successor, seconds.
        max_successors: Greatest distance in places.
        n_pairs: Gains the counts; node 0 counts users that have an event.
    """
    for user in range(first_user, last_user):
        start, stop = user_ptr[user], user_ptr[user + 1] - 1
        n_pairs[0] += stop > start
        reach = start
        for event in range(start, stop):
            limit = (packed[event] >> ITEM_BITS) + window_s
            while reach < stop and (packed[reach] >> ITEM_BITS) <= limit:
                reach += 1
            n_pairs[(packed[event] & ITEM_MASK) + 1] += min(reach - event - 1, max_successors)


@njit(cache=True, nogil=True)
def write_pairs(
    packed: NDArray[np.int64],
    weight: NDArray[np.float32],
    user_ptr: NDArray[np.int64],
    first_user: int,
    last_user: int,
    window_s: int,
    max_successors: int,
    cohort_s: int,
    first_cohort: int,
    cohort_bits: int,
    half_life_s: float,
    part_of_node: NDArray[np.uint16],
    first_node: NDArray[np.int64],
    first_part: int,
    last_part: int,
    position: NDArray[np.int64],
    key: NDArray[np.int64],
    strength: NDArray[np.float64],
) -> None:
    """Write the pairs of users `[first_user, last_user)` whose source is in some parts.

    Args:
        packed: Events by user and time.
        weight: Strength of each event; empty where events are counted.
        user_ptr: User u's events and their `END` are `[user_ptr[u], user_ptr[u + 1])`.
        first_user: First user to look at.
        last_user: One past the last.
        window_s: Greatest distance in time of a successor, seconds.
        max_successors: Greatest distance in places.
        cohort_s: Length of a cohort, seconds; 0 where edges bear no date.
        first_cohort: No pair has an earlier cohort; 0 where edges bear no date.
        cohort_bits: Bits that cohorts counted from the first need.
        half_life_s: Half-life, seconds; 0 for none.
        part_of_node: Part of each node.
        first_node: First node of each part.
        first_part: Pairs of earlier parts are left out.
        last_part: Pairs of this and later parts are left out.
        position: Next place of each part; advanced.
        key: Receives (node, target, cohort) of each pair, 32 or 64 bits.
        strength: Receives its strength as of the cohort's start; empty where that is 1.
    """
    weighted = len(weight) > 0
    real = len(strength) > 0
    item_bits = bit_length(max(len(part_of_node) - 2, 0))
    for user in range(first_user, last_user):
        start, stop = user_ptr[user], user_ptr[user + 1] - 1
        # The place before a user's first event stands for the cold start.
        for event in range(start - 1 if stop > start else stop, stop):
            node = np.int64(0)
            last = event + 1
            limit = packed[event + 1]
            if event >= start:
                last_s = min((packed[event] >> ITEM_BITS) + window_s, END_S - 1)
                limit = (last_s << ITEM_BITS) | ITEM_MASK
                if packed[event + 1] > limit:
                    continue
                node = (packed[event] & ITEM_MASK) + 1
                last = event + max_successors
            part = part_of_node[node]
            if part < first_part or part >= last_part:
                continue
            prefix = (node - first_node[part]) << item_bits
            cohort = np.int64(first_cohort)
            next_cohort_s = np.int64(0)
            if cohort_s > 0:
                cohort = (packed[event + 1] >> ITEM_BITS) // cohort_s
                next_cohort_s = (cohort + 1) * cohort_s
            at = position[part]
            successor = event + 1
            while successor <= last and packed[successor] <= limit:
                target = packed[successor] & ITEM_MASK
                if cohort_s > 0:
                    time_s = packed[successor] >> ITEM_BITS
                    while time_s >= next_cohort_s:
                        cohort += 1
                        next_cohort_s += cohort_s
                if target != node - 1:
                    key[at] = ((prefix | target) << cohort_bits) | (cohort - first_cohort)
                    if real:
                        value = 1.0
                        if weighted:
                            value = np.float64(weight[successor])
                            if node > 0:
                                value *= np.float64(weight[event])
                        if half_life_s > 0.0:
                            time_s = packed[successor] >> ITEM_BITS
                            value *= 2.0 ** ((time_s - cohort * cohort_s) / half_life_s)
                        strength[at] = value
                    at += 1
                successor += 1
            position[part] = at


@njit(cache=True, nogil=True)
def _sort_by_digit(
    shift: int,
    digit_bits: int,
    n: int,
    start: NDArray[np.int32],
    key: NDArray[np.int64],
    strength: NDArray[np.float64],
    key_out: NDArray[np.int64],
    strength_out: NDArray[np.float64],
) -> None:
    real = len(strength) > 0
    mask = (np.int64(1) << digit_bits) - 1
    start[: mask + 2] = 0
    for i in range(n):
        start[((key[i] >> shift) & mask) + 1] += 1
    for digit in range(mask):
        start[digit + 1] += start[digit]
    for i in range(n):
        digit = (key[i] >> shift) & mask
        at = start[digit]
        start[digit] = at + 1
        key_out[at] = key[i]
        if real:
            strength_out[at] = strength[i]


@njit(cache=True, nogil=True)
def sort_keys(
    bits: int,
    n: int,
    key: NDArray[np.int64],
    strength: NDArray[np.float64],
    key_swap: NDArray[np.int64],
    strength_swap: NDArray[np.float64],
) -> bool:
    """Sort the first `n` keys of `bits` bits, strengths along; stable.

    Returns:
        Whether the sorted keys lie in `key_swap`.
    """
    n_passes = max((bits + _DIGIT_BITS - 1) // _DIGIT_BITS, 1)
    digit_bits = (bits + n_passes - 1) // n_passes
    start = np.empty((1 << digit_bits) + 1, np.int32)
    for digit in range(n_passes):
        shift = digit * digit_bits
        if digit % 2 == 0:
            _sort_by_digit(shift, digit_bits, n, start, key, strength, key_swap, strength_swap)
        else:
            _sort_by_digit(shift, digit_bits, n, start, key_swap, strength_swap, key, strength)
    return n_passes % 2 == 1


@njit(cache=True, nogil=True)
def _merge_sorted(
    n: int,
    key: NDArray[np.int64],
    pair_strength: NDArray[np.float64],
    first_node: int,
    item_bits: int,
    cohort_bits: int,
    first_cohort: int,
    out: int,
    n_edges: NDArray[np.int64],
    target_row: NDArray[np.int32],
    cohort: NDArray[np.int32],
    count: NDArray[np.int32],
    strength: NDArray[np.float64],
) -> int:
    """Write one edge for each run of equal keys from place `out` on; return the place after."""
    dated = len(cohort) > 0
    real = len(strength) > 0
    item_mask = (np.int64(1) << item_bits) - 1
    cohort_mask = (np.int64(1) << cohort_bits) - 1
    last = np.int64(-1)
    for i in range(n):
        one = np.int64(key[i])
        if one == last:
            count[out - 1] += 1
            if real:
                strength[out - 1] += pair_strength[i]
            continue
        last = one
        node_and_item = last >> cohort_bits
        target_row[out] = node_and_item & item_mask
        count[out] = 1
        n_edges[first_node + (node_and_item >> item_bits)] += 1
        if dated:
            cohort[out] = (last & cohort_mask) + first_cohort
        if real:
            strength[out] = pair_strength[i]
        out += 1
    return out


@njit(cache=True, nogil=True)
def merge_parts(
    first_part: int,
    last_part: int,
    part_ptr: NDArray[np.int64],
    first_node: NDArray[np.int64],
    offset: int,
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    key: NDArray[np.int64],
    pair_strength: NDArray[np.float64],
    first_cohort: int,
    cohort_bits: int,
    n_edges: NDArray[np.int64],
    target_row: NDArray[np.int32],
    cohort: NDArray[np.int32],
    count: NDArray[np.int32],
    strength: NDArray[np.float64],
) -> int:
    """Write the edges of parts `[first_part, last_part)` from where the first one's pairs start.

    Args:
        first_part: First part.
        last_part: One past the last.
        part_ptr: Part p holds pairs `[part_ptr[p], part_ptr[p + 1])` of all.
        first_node: First node of each part, and one past the last node.
        offset: Pairs before those in `key`.
        start: Where in `key` each thread's pairs of each part start (threads, parts).
        stop: Where they end.
        key: Pairs of some parts; overwritten.
        pair_strength: Their strengths; empty where each is 1; overwritten.
        first_cohort: Cohort of key 0.
        cohort_bits: Bits of the cohort in a key.
        n_edges: Gains the number of edges of each node.
        target_row: Receives targets.
        cohort: Receives cohorts; empty where edges bear no date.
        count: Receives how many pairs each edge merges.
        strength: Receives sums of pair strengths; empty where they are the counts.

    Returns:
        The place after the last edge.
    """
    item_bits = bit_length(max(len(n_edges) - 2, 0))
    real = len(pair_strength) > 0
    most = 0
    for part in range(first_part, last_part):
        most = max(most, part_ptr[part + 1] - part_ptr[part])
    key_swap = np.empty(most, key.dtype)
    strength_swap = np.empty(most if real else 0, np.float64)
    out = part_ptr[first_part]
    for part in range(first_part, last_part):
        begin = part_ptr[part] - offset
        end = begin
        for thread in range(len(start)):
            if start[thread, part] == end:
                end = stop[thread, part]
                continue
            for at in range(start[thread, part], stop[thread, part]):
                key[end] = key[at]
                if real:
                    pair_strength[end] = pair_strength[at]
                end += 1
        n = end - begin
        own_key = key[begin:end]
        own_strength = pair_strength[begin:end] if real else pair_strength
        n_nodes = first_node[part + 1] - first_node[part]
        bits = cohort_bits + item_bits + bit_length(max(n_nodes - 1, 0))
        swapped = sort_keys(bits, n, own_key, own_strength, key_swap, strength_swap)
        out = _merge_sorted(
            n,
            key_swap if swapped else own_key,
            strength_swap if swapped else own_strength,
            first_node[part],
            item_bits,
            cohort_bits,
            first_cohort,
            out,
            n_edges,
            target_row,
            cohort,
            count,
            strength,
        )
    return out
