"""Random numbers that are hashes of counters, so that no draw depends on the order of others."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that counters times it never repeat in 64 bits; SplitMix64's step."""


@njit(cache=True, nogil=True)
def fold(key: np.uint64, value: np.uint64) -> np.uint64:
    """A key of its own for each `value` under `key`."""
    return mix_integer(key ^ mix_integer(np.uint64(value) + GOLDEN))


@njit(cache=True, nogil=True)
def fold_queries(
    seed: int,
    user_row: NDArray[np.int32],
    time_s: NDArray[np.int64],
    key: NDArray[np.uint64],
) -> None:
    """Write the key of each query: a hash of the seed, the user and the time."""
    for query in range(len(key)):
        of_user = fold(mix_integer(np.uint64(seed)), np.uint64(np.int64(user_row[query])))
        key[query] = fold(of_user, np.uint64(time_s[query]))


@njit(cache=True, nogil=True)
def draw_uniforms(
    key: NDArray[np.uint64], value: NDArray[np.int64], uniform: NDArray[np.float64]
) -> None:
    """Write a number in (0, 1) for each pair of a key and a value."""
    for i in range(len(key)):
        bits = fold(key[i], np.uint64(value[i])) >> np.uint64(11)
        uniform[i] = (np.float64(bits) + 0.5) * 2.0**-53
