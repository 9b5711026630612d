"""Distinct past items of each query, in order of their newest event."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.alias_rows import DEGREE_BITS
from graphrec.kernels.row_table import FREE, new_table, slot_of

_DEGREE_MASK: Final = np.uint64((1 << DEGREE_BITS) - 1)


@njit(cache=True, nogil=True)
def merge_history(
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    event_weight: NDArray[np.float64],
    place: NDArray[np.uint64],
    with_edges: bool,
    at_most: int,
    cold_node: int,
    ptr: NDArray[np.int64],
    node: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> int:
    """List each query's distinct past items as nodes, weights of an item's events added up.

    Args:
        history_ptr: Query i's history is `[history_ptr[i], history_ptr[i + 1])`, newest first.
        history_item: Items of histories; an item's node is one above its row.
        event_weight: How much each event counts.
        place: Per node of the walk table `start << 26 | degree`.
        with_edges: Only items that have edges.
        at_most: Only the newest so many of a query.
        cold_node: Node of weight 1 that stands for a query that has none; below 0: nothing does.
        ptr: Receives where each query's nodes end, after a 0.
        node: Receives nodes; has room for all events, and for one of each query.
        weight: Receives their weights.

    Returns:
        How many nodes there are.
    """
    n = 0
    ptr[0] = 0
    for query in range(len(ptr) - 1):
        first = n
        begin, end = history_ptr[query], history_ptr[query + 1]
        table = new_table(end - begin)
        at = np.empty(len(table), np.int64)
        for event in range(begin, end):
            item = history_item[event]
            slot = slot_of(table, item)
            if table[slot] == FREE:
                table[slot] = item
                own = item + 1
                has_edges = own < len(place) and (place[own] & _DEGREE_MASK) != 0
                if n - first == at_most or (with_edges and not has_edges):
                    at[slot] = -1
                    continue
                at[slot] = n
                node[n] = own
                weight[n] = 0.0
                n += 1
            if at[slot] >= 0:
                weight[at[slot]] += event_weight[event]
        if n == first and cold_node >= 0:
            node[n] = cold_node
            weight[n] = 1.0
            n += 1
        ptr[query + 1] = n
    return n
