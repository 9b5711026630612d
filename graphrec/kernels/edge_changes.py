"""Keep sums of changed pairs in a table beside the batch-built graph, and read both together.

A change is a row (source node, target row, cohort, +1 or -1). The table holds their sums: open
addressing over rows (source, target, cohort, count), source -1 where free, and per source a chain
through its slots.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer
from graphrec.kernels.prefetch import prefetch_row

_AHEAD: Final = 32


@njit(cache=True, nogil=True)
def _slot(source: int, target: int, cohort: int, mask: np.uint64) -> np.uint64:
    key = (np.uint64(source) << np.uint64(32)) | np.uint64(target)
    return mix_integer(key ^ (np.uint64(np.uint32(cohort)) * np.uint64(0x9E3779B97F4A7C15))) & mask


@njit(cache=True, nogil=True)
def add_changes(
    n: int,
    change: NDArray[np.int32],
    change_strength: NDArray[np.float64],
    table: NDArray[np.int32],
    table_strength: NDArray[np.float64],
    next_slot: NDArray[np.int32],
    head: NDArray[np.int32],
    batch: int,
    changed: NDArray[np.int32],
    n_changed: NDArray[np.int64],
) -> int:
    """Add changes to the table.

    Args:
        n: How many changes there are.
        change: Rows (source node, target, cohort, sign).
        change_strength: Signed strengths; empty where they are the signs.
        table: Rows (source node, target, cohort, count), a power of two of them, with room.
        table_strength: Sum of strengths; empty where it is the count.
        next_slot: Next slot of the same source; -1 ends the chain.
        head: Per node the first slot of its chain, or -1, and the last batch that changed it.
        batch: Number of this batch.
        changed: Receives nodes that this batch had not changed before.
        n_changed: One entry: gains how many.

    Returns:
        How many rows the table gained.
    """
    mask = np.uint64(len(table) - 1)
    real = len(table_strength) > 0
    n_new = 0
    places = np.empty(_AHEAD, np.uint64)
    for begin in range(0, n, _AHEAD):
        end = min(begin + _AHEAD, n)
        for i in range(begin, end):
            places[i - begin] = _slot(change[i, 0], change[i, 1], change[i, 2], mask)
        for i in range(begin, end):
            prefetch_row(table, np.int64(places[i - begin]))
            prefetch_row(next_slot, np.int64(places[i - begin]))
            prefetch_row(head, np.int64(change[i, 0]))
        for i in range(begin, end):
            source, target, cohort = change[i, 0], change[i, 1], change[i, 2]
            at = places[i - begin]
            while table[at, 0] != -1 and (
                table[at, 0] != source or table[at, 1] != target or table[at, 2] != cohort
            ):
                at = (at + np.uint64(1)) & mask
            if table[at, 0] == -1:
                table[at, 0] = source
                table[at, 1] = target
                table[at, 2] = cohort
                next_slot[at] = head[source, 0]
                head[source, 0] = at
                n_new += 1
            table[at, 3] += change[i, 3]
            if real:
                table_strength[at] += change_strength[i]
            if head[source, 1] != batch:
                head[source, 1] = batch
                changed[n_changed[0]] = source
                n_changed[0] += 1
    return n_new


@njit(cache=True, nogil=True)
def move_table(
    table: NDArray[np.int32],
    table_strength: NDArray[np.float64],
    new_table: NDArray[np.int32],
    new_strength: NDArray[np.float64],
    next_slot: NDArray[np.int32],
    head: NDArray[np.int32],
) -> int:
    """Copy the rows that are not 0 to a larger, free table; return how many there are."""
    mask = np.uint64(len(new_table) - 1)
    n = 0
    head[:, 0] = -1
    for old in range(len(table)):
        source = table[old, 0]
        if source == -1 or table[old, 3] == 0:
            continue
        at = _slot(source, table[old, 1], table[old, 2], mask)
        while new_table[at, 0] != -1:
            at = (at + np.uint64(1)) & mask
        new_table[at] = table[old]
        if len(new_strength) > 0:
            new_strength[at] = table_strength[old]
        next_slot[at] = head[source, 0]
        head[source, 0] = at
        n += 1
    return n


@njit(cache=True, nogil=True)
def count_chains(
    node: NDArray[np.int32], head: NDArray[np.int32], next_slot: NDArray[np.int32]
) -> int:
    """Rows that the table holds for some nodes."""
    n = 0
    for i in range(len(node)):
        at = head[node[i], 0]
        while at != -1:
            n += 1
            at = next_slot[at]
    return n


@njit(cache=True, nogil=True)
def _collect_chain(
    node: int,
    head: NDArray[np.int32],
    next_slot: NDArray[np.int32],
    table: NDArray[np.int32],
    slots: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Slots of one node's rows, ascending by target and cohort."""
    n = 0
    at = head[node, 0]
    while at != -1:
        slots[n] = at
        n += 1
        at = next_slot[at]
    mine = slots[:n]
    if n < 2:
        return mine
    key = np.empty(n, np.int64)
    for i in range(n):
        key[i] = (np.int64(table[mine[i], 1]) << 32) + np.int64(table[mine[i], 2])
    return mine[np.argsort(key)]


@njit(cache=True, nogil=True)
def merge_changes(
    node: NDArray[np.int32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    target_row: NDArray[np.int32],
    cohort: NDArray[np.int32],
    count: NDArray[np.int32],
    strength: NDArray[np.float64],
    head: NDArray[np.int32],
    next_slot: NDArray[np.int32],
    table: NDArray[np.int32],
    table_strength: NDArray[np.float64],
    out_ptr: NDArray[np.int64],
    out_target: NDArray[np.int32],
    out_cohort: NDArray[np.int32],
    out_count: NDArray[np.int32],
    out_strength: NDArray[np.float64],
) -> int:
    """Merge the entries of some nodes with their changes, dropping those that come to 0.

    Args:
        node: Source nodes.
        start: First entry of each in the batch-built graph.
        stop: One past its last.
        target_row: Target of each entry.
        cohort: Cohort of each entry; empty where edges bear no date.
        count: Pairs of each entry.
        strength: Their strengths; empty where it is the count.
        head: See `add_changes`.
        next_slot: See `add_changes`.
        table: See `add_changes`.
        table_strength: See `add_changes`.
        out_ptr: Receives where each node's entries start and end.
        out_target: Receives targets, ascending with cohorts within a node.
        out_cohort: Receives cohorts; empty where edges bear no date.
        out_count: Receives counts, > 0.
        out_strength: Receives strengths; empty where they are the counts.

    Returns:
        How many entries were written.
    """
    dated = len(out_cohort) > 0
    real = len(out_strength) > 0
    slots = np.empty(len(out_target), np.int64)
    out = 0
    out_ptr[0] = 0
    for row in range(len(node)):
        mine = _collect_chain(node[row], head, next_slot, table, slots)
        at = start[row]
        m = 0
        while at < stop[row] or m < len(mine):
            order = np.int64(0)
            if at == stop[row]:
                order = np.int64(1)
            elif m == len(mine):
                order = np.int64(-1)
            else:
                own = (np.int64(target_row[at]) << 32) + (np.int64(cohort[at]) if dated else 0)
                slot = mine[m]
                other = (np.int64(table[slot, 1]) << 32) + np.int64(table[slot, 2])
                order = np.int64(own > other) - np.int64(own < other)
            n_pairs = np.int32(0)
            value = 0.0
            target, day = 0, 0
            if order <= 0:
                n_pairs += count[at]
                target = target_row[at]
                day = cohort[at] if dated else 0
                if real:
                    value += strength[at]
                at += 1
            if order >= 0:
                slot = mine[m]
                n_pairs += table[slot, 3]
                target, day = table[slot, 1], table[slot, 2]
                if real:
                    value += table_strength[slot]
                m += 1
            if n_pairs > 0:
                out_target[out] = target
                out_count[out] = n_pairs
                if dated:
                    out_cohort[out] = day
                if real:
                    out_strength[out] = value
                out += 1
        out_ptr[row + 1] = out
    return out
