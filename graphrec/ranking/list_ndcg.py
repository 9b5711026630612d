"""Normalised discounted gain of scored lists, where items have gains rather than a yes or no."""

import numpy as np
from jaxtyping import Float32, Float64, Int64


def ndcg_of_lists(
    score: Float32[np.ndarray, " pairs"],
    gain: Float64[np.ndarray, " pairs"],
    list_ptr: Int64[np.ndarray, " borders"],
    k: int,
) -> Float64[np.ndarray, " lists"]:
    """Discounted gain of each list's first `k` by score, over the best possible one.

    Items of equal score share the mean discount of the places they fill together.

    Args:
        score: Higher is ahead.
        gain: Worth of each item, >= 0.
        list_ptr: List i holds the pairs `[list_ptr[i], list_ptr[i + 1])`.
        k: Places that count, >= 1.

    Returns:
        Values in [0, 1]; NaN for a list in which nothing has a gain.

    Source:
        Järvelin and Kekäläinen 2002; ties as in McSherry and Najork 2008.
    """
    list_of = np.repeat(np.arange(len(list_ptr) - 1), np.diff(list_ptr))
    discount = _discounts(list_ptr, list_of, k)
    order = np.lexsort([-score, list_of])
    found = _per_list(gain[order] * _shared_by_ties(discount, score[order], list_of), list_ptr)
    best = _per_list(gain[np.lexsort([-gain, list_of])] * discount, list_ptr)
    share = np.full(len(best), np.nan)
    np.divide(found, best, out=share, where=best > 0)
    return share


def _discounts(
    list_ptr: Int64[np.ndarray, " borders"], list_of: Int64[np.ndarray, " pairs"], k: int
) -> Float64[np.ndarray, " pairs"]:
    place = np.arange(len(list_of)) - list_ptr[list_of]
    return np.where(place < k, 1.0 / np.log2(place + 2.0), 0.0)


def _shared_by_ties(
    discount: Float64[np.ndarray, " pairs"],
    score: Float32[np.ndarray, " pairs"],
    list_of: Int64[np.ndarray, " pairs"],
) -> Float64[np.ndarray, " pairs"]:
    if not len(score):
        return discount
    starts = np.concatenate([[True], (np.diff(list_of) != 0) | (np.diff(score) != 0)])
    tie = np.cumsum(starts) - 1
    mean: Float64[np.ndarray, " ties"] = np.bincount(tie, discount) / np.bincount(tie)
    shared: Float64[np.ndarray, " pairs"] = mean[tie]
    return shared


def _per_list(
    value: Float64[np.ndarray, " pairs"], list_ptr: Int64[np.ndarray, " borders"]
) -> Float64[np.ndarray, " lists"]:
    list_of = np.repeat(np.arange(len(list_ptr) - 1), np.diff(list_ptr))
    total: Float64[np.ndarray, " lists"] = np.bincount(list_of, value, len(list_ptr) - 1)
    return total
