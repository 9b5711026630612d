"""Dot products that come out equal however many are asked for at once."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> np.float32:
    total = 0.0
    for d in range(len(one)):
        total += np.float64(one[d]) * np.float64(other[d])
    return np.float32(total)


@njit(cache=True, nogil=True)
def dot_pairs(
    query: NDArray[np.float32],
    vector: NDArray[np.float32],
    row: NDArray[np.int32],
    score: NDArray[np.float32],
) -> None:
    """Set each score to the query's dot product with its row's vector; -inf at rows below 0."""
    for i in range(row.shape[0]):
        for j in range(row.shape[1]):
            score[i, j] = -np.inf if row[i, j] < 0 else _dot(query[i], vector[row[i, j]])


@njit(cache=True, nogil=True)
def dot_all(
    query: NDArray[np.float32], vector: NDArray[np.float32], score: NDArray[np.float32]
) -> None:
    """Set every score to the dot product of its query with its vector."""
    for i in range(len(query)):
        for j in range(len(vector)):
            score[i, j] = _dot(query[i], vector[j])
