"""Score a user's own past items again, and all others by how popular they are now."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.popularity import sum_decayed


@njit(cache=True, nogil=True)
def mark_remembered(
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    history_time_s: NDArray[np.int64],
    start_s: NDArray[np.float64],
    score: NDArray[np.float32],
) -> None:
    """Set the score of each query's past items used at or after its start to 1, all others to 0."""
    score[:] = 0.0
    for query in range(len(start_s)):
        for event in range(history_ptr[query], history_ptr[query + 1]):
            if history_time_s[event] >= start_s[query]:
                score[query, history_item[event]] = 1.0


@njit(cache=True, nogil=True)
def score_recency(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    block: int,
    half_life_s: float,
    checkpoint: NDArray[np.float64],
    cut_s: NDArray[np.int64],
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    history_time_s: NDArray[np.int64],
    unit: float,
    score: NDArray[np.float32],
) -> None:
    """Score past items by last use, and everything by popularity within that.

    An item scores p / (1 + p) for its decayed popularity p, and a past item, besides, the number of
    distinct last uses up to and including its own.
    """
    n_items = score.shape[1]
    popularity = np.empty(n_items)
    last_query = np.full(n_items, -1)
    place = np.zeros(n_items, np.int64)
    for query in range(len(cut_s)):
        sum_decayed(
            time_s,
            item_row,
            strength,
            n_events,
            block,
            half_life_s,
            checkpoint,
            cut_s[query],
            popularity,
        )
        for item in range(n_items):
            own = popularity[item] * unit
            score[query, item] = own / (1.0 + own)
        reached = 0
        reached_s = 0
        for event in range(history_ptr[query], history_ptr[query + 1]):
            item = history_item[event]
            if last_query[item] != query:
                last_query[item] = query
                if reached == 0 or history_time_s[event] < reached_s:
                    reached += 1
                    reached_s = history_time_s[event]
                place[item] = reached
        for event in range(history_ptr[query], history_ptr[query + 1]):
            item = history_item[event]
            if place[item] > 0:
                score[query, item] += reached - place[item] + 1
                place[item] = 0


@njit(cache=True, nogil=True)
def add_activation(
    cut_s: int,
    history_item: NDArray[np.int32],
    history_time_s: NDArray[np.int64],
    event_power: float,
    time_power: float,
    time_unit_s: float,
    habit: float,
    activation: NDArray[np.float64],
) -> float:
    """Add each past item's activation, and the habits of what followed the newest item.

    The event in place j, newest 0, adds (1 + j)^-a (1 + age / u)^-b to its item; and where it is of
    the newest item, what came next gets `habit` (1 + j)^-a. Returns the sum of all that was added.
    """
    total = 0.0
    for place in range(len(history_item)):
        item = history_item[place]
        by_place = (1.0 + place) ** -event_power
        age_s = max(0, cut_s - history_time_s[place])
        added = by_place * (1.0 + age_s / time_unit_s) ** -time_power
        activation[item] += added
        total += added
        if place > 0 and item == history_item[0]:
            activation[history_item[place - 1]] += habit * by_place
            total += habit * by_place
    return total


@njit(cache=True, nogil=True)
def score_activation(
    time_s: NDArray[np.int64],
    item_row: NDArray[np.int32],
    strength: NDArray[np.int64],
    n_events: int,
    block: int,
    half_life_s: float,
    checkpoint: NDArray[np.float64],
    cut_s: NDArray[np.int64],
    history_ptr: NDArray[np.int64],
    history_item: NDArray[np.int32],
    history_time_s: NDArray[np.int64],
    powers: tuple[float, float, float, float],
    new_events: float,
    score: NDArray[np.float32],
    repeat_share: NDArray[np.float32],
) -> None:
    """Mix each query's activations, as shares, with the shares of decayed popularity.

    After n events the mixture is n to `new_events`. `repeat_share` becomes the part of each score
    that the query's own history brings; it may have no columns where it is not wanted.
    """
    n_items = score.shape[1]
    popularity = np.empty(n_items)
    activation = np.zeros(n_items)
    for query in range(len(cut_s)):
        sum_decayed(
            time_s,
            item_row,
            strength,
            n_events,
            block,
            half_life_s,
            checkpoint,
            cut_s[query],
            popularity,
        )
        all_popularity = 0.0
        for item in range(n_items):
            all_popularity += popularity[item]
        first = history_ptr[query]
        stop = history_ptr[query + 1]
        n_past = stop - first
        activation[:] = 0.0
        all_activation = add_activation(
            cut_s[query],
            history_item[first:stop],
            history_time_s[first:stop],
            powers[0],
            powers[1],
            powers[2],
            powers[3],
            activation,
        )
        again = n_past / (n_past + new_events) if n_past > 0 else 0.0
        to_popular = (1.0 - again) / all_popularity if all_popularity > 0 else 0.0
        to_past = again / all_activation if n_past > 0 else 0.0
        for item in range(n_items):
            past = to_past * activation[item]
            both = past + to_popular * popularity[item]
            score[query, item] = both
            if repeat_share.shape[1] > 0:
                repeat_share[query, item] = past / both if both > 0 else 0.0
