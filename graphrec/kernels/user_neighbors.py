"""Users whose past resembles a query's, and what they used."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _score_query(
    query: int,
    user_ptr: NDArray[np.int64],
    user_item: NDArray[np.int32],
    user_value: NDArray[np.float32],
    item_ptr: NDArray[np.int64],
    item_user: NDArray[np.int32],
    item_value: NDArray[np.float32],
    user_norm: NDArray[np.float64],
    asking: NDArray[np.int32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    n_neighbors: int,
    shrinkage: float,
    score: NDArray[np.float32],
) -> None:
    n_users = len(user_ptr) - 1
    n_known = len(item_ptr) - 1
    likeness = np.zeros(n_users)
    squared = 0.0
    for place in range(past_ptr[query], past_ptr[query + 1]):
        item = past_item[place]
        by = past_weight[place]
        squared += by * by
        if item < n_known:
            for entry in range(item_ptr[item], item_ptr[item + 1]):
                likeness[item_user[entry]] += by * item_value[entry]
    norm = np.sqrt(squared)
    n_alike = 0
    for user in range(n_users):
        if user == asking[query]:
            likeness[user] = 0.0
        if likeness[user] > 0.0:
            likeness[user] /= norm * user_norm[user] + shrinkage
            n_alike += 1
    least = 0.0
    room = n_alike
    if n_alike > n_neighbors:
        least = np.partition(likeness, n_users - n_neighbors)[n_users - n_neighbors]
        room = n_neighbors
        for user in range(n_users):
            if likeness[user] > least:
                room -= 1
    total = np.zeros(score.shape[1])
    for user in range(n_users):
        own = likeness[user]
        if own <= 0.0 or own < least:
            continue
        if own == least:
            if room == 0:
                continue
            room -= 1
        for entry in range(user_ptr[user], user_ptr[user + 1]):
            total[user_item[entry]] += own * user_value[entry]
    for item in range(score.shape[1]):
        score[query, item] = total[item]


@njit(cache=True, nogil=True)
def score_by_neighbors(
    user_ptr: NDArray[np.int64],
    user_item: NDArray[np.int32],
    user_value: NDArray[np.float32],
    item_ptr: NDArray[np.int64],
    item_user: NDArray[np.int32],
    item_value: NDArray[np.float32],
    user_norm: NDArray[np.float64],
    asking: NDArray[np.int32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    n_neighbors: int,
    shrinkage: float,
    score: NDArray[np.float32],
) -> None:
    """Set each query's scores to the similarity-weighted rows of its nearest users.

    Similarity is the cosine with `shrinkage` added to its denominator. Whoever asks is no neighbour
    of their own. Users as similar as the last neighbour count from the lowest row up.
    """
    for query in range(len(asking)):
        _score_query(
            query,
            user_ptr,
            user_item,
            user_value,
            item_ptr,
            item_user,
            item_value,
            user_norm,
            asking,
            past_ptr,
            past_item,
            past_weight,
            n_neighbors,
            shrinkage,
            score,
        )


@njit(cache=True, nogil=True, parallel=True)
def score_by_neighbors_parallel(
    user_ptr: NDArray[np.int64],
    user_item: NDArray[np.int32],
    user_value: NDArray[np.float32],
    item_ptr: NDArray[np.int64],
    item_user: NDArray[np.int32],
    item_value: NDArray[np.float32],
    user_norm: NDArray[np.float64],
    asking: NDArray[np.int32],
    past_ptr: NDArray[np.int64],
    past_item: NDArray[np.int32],
    past_weight: NDArray[np.float32],
    n_neighbors: int,
    shrinkage: float,
    score: NDArray[np.float32],
) -> None:
    """The same on several threads; where Numba has no OpenMP, for one caller at a time."""
    for query in prange(len(asking)):
        _score_query(
            query,
            user_ptr,
            user_item,
            user_value,
            item_ptr,
            item_user,
            item_value,
            user_norm,
            asking,
            past_ptr,
            past_item,
            past_weight,
            n_neighbors,
            shrinkage,
            score,
        )
