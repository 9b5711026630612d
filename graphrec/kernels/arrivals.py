"""Events that arrived lately, chained by user, and joined with the histories of an index."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def link_arrivals(
    user_row: NDArray[np.int32],
    first: int,
    last: NDArray[np.int32],
    previous: NDArray[np.int32],
) -> None:
    """Chain events to the ones of the same user before them.

    Args:
        user_row: Users of the events that arrived, all so far.
        first: The first of them that is not chained yet.
        last: Per user the newest event, or -1; moves on.
        previous: Receives per event the same user's one before it, or -1.
    """
    for event in range(first, len(user_row)):
        user = user_row[event]
        previous[event] = last[user]
        last[user] = event


@njit(cache=True, nogil=True)
def count_arrivals(
    user_row: NDArray[np.int32],
    cut_s: NDArray[np.int64],
    last: NDArray[np.int32],
    previous: NDArray[np.int32],
    time_s: NDArray[np.int64],
    ptr: NDArray[np.int64],
) -> int:
    """How many chained events each query's user has before its cut.

    Args:
        user_row: User of each query; a row below 0 or past `last` has none.
        cut_s: Time before which events count.
        last: Per user the newest event, or -1.
        previous: Per event the same user's one before it, or -1.
        time_s: Time of each event.
        ptr: Receives the sums so far, from 0 on, one more than there are queries.

    Returns:
        Their sum.
    """
    ptr[0] = 0
    for query in range(len(user_row)):
        n = 0
        user = user_row[query]
        event = last[user] if 0 <= user < len(last) else -1
        while event >= 0:
            n += time_s[event] < cut_s[query]
            event = previous[event]
        ptr[query + 1] = ptr[query] + n
    return ptr[-1]


@njit(cache=True, nogil=True)
def join_arrivals(
    user_row: NDArray[np.int32],
    cut_s: NDArray[np.int64],
    known_ptr: NDArray[np.int64],
    known_item: NDArray[np.int32],
    known_time_s: NDArray[np.int64],
    known_weight: NDArray[np.float32],
    last: NDArray[np.int32],
    previous: NDArray[np.int32],
    item_row: NDArray[np.int32],
    time_s: NDArray[np.int64],
    weight: NDArray[np.float32],
    arrived_ptr: NDArray[np.int64],
    joined_item: NDArray[np.int32],
    joined_time_s: NDArray[np.int64],
    joined_weight: NDArray[np.float32],
) -> None:
    """Histories newest first, of equal times the later arrival, arrivals before what was known.

    Args:
        user_row: User of each query.
        cut_s: Time before which events count.
        known_ptr: Query i's known history is `[known_ptr[i], known_ptr[i + 1])`.
        known_item: Items of known histories, newest first.
        known_time_s: Their times.
        known_weight: Their weights.
        last: Per user the newest event that arrived, or -1.
        previous: Per event the same user's one before it, or -1.
        item_row: Item of each event that arrived.
        time_s: Its time.
        weight: Its weight.
        arrived_ptr: What `count_arrivals` found.
        joined_item: Receives items; query i's begin at `known_ptr[i] + arrived_ptr[i]`.
        joined_time_s: Receives times.
        joined_weight: Receives weights.
    """
    for query in range(len(user_row)):
        n = arrived_ptr[query + 1] - arrived_ptr[query]
        own = np.empty(n, np.int64)
        in_order = True
        if n:
            event = last[user_row[query]]
            at = 0
            while event >= 0:
                if time_s[event] < cut_s[query]:
                    own[at] = event
                    in_order &= at == 0 or time_s[own[at - 1]] >= time_s[event]
                    at += 1
                event = previous[event]
        if not in_order:
            own = own[np.argsort(-time_s[own], kind="mergesort")]
        known = known_ptr[query]
        out = known + arrived_ptr[query]
        for event in own:
            while known < known_ptr[query + 1] and known_time_s[known] > time_s[event]:
                joined_item[out] = known_item[known]
                joined_time_s[out] = known_time_s[known]
                joined_weight[out] = known_weight[known]
                known += 1
                out += 1
            joined_item[out] = item_row[event]
            joined_time_s[out] = time_s[event]
            joined_weight[out] = weight[event]
            out += 1
        while known < known_ptr[query + 1]:
            joined_item[out] = known_item[known]
            joined_time_s[out] = known_time_s[known]
            joined_weight[out] = known_weight[known]
            known += 1
            out += 1
