"""Event ids to 64-bit keys: the same on every version, machine and file format."""

from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

_PRIME_1: Final = np.uint64(0x9E3779B185EBCA87)
_PRIME_2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME_3: Final = np.uint64(0x165667B19E3779F9)
_PRIME_4: Final = np.uint64(0x85EBCA77C2B2AE63)
_PRIME_5: Final = np.uint64(0x27D4EB2F165667C5)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
# Inverses of the two multipliers modulo 2^64.
_UNMIX_1: Final = np.uint64(0x96DE1B173F119089)
_UNMIX_2: Final = np.uint64(0x319642B2D24D8EC3)


@njit(cache=True, nogil=True)
def mix_integer(value: np.uint64) -> np.uint64:
    """Spread the bits of one integer; a one-to-one map of 64-bit integers (SplitMix64's end)."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def unmix_integer(key: np.uint64) -> np.uint64:
    """The integer that `mix_integer` turns into `key`."""
    key = np.uint64(key)
    key = (key ^ (key >> np.uint64(31)) ^ (key >> np.uint64(62))) * _UNMIX_2
    key = (key ^ (key >> np.uint64(27)) ^ (key >> np.uint64(54))) * _UNMIX_1
    return key ^ (key >> np.uint64(30)) ^ (key >> np.uint64(60))


@njit(cache=True, nogil=True, parallel=True)
def mix_integers(values: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """`out[i] = mix_integer(values[i])`."""
    for i in prange(len(values)):
        out[i] = mix_integer(values[i])


@njit(cache=True, nogil=True, parallel=True)
def unmix_integers(keys: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """`out[i] = unmix_integer(keys[i])`."""
    for i in prange(len(keys)):
        out[i] = unmix_integer(keys[i])


@njit(cache=True, nogil=True)
def _rotate(value: np.uint64, bits: int) -> np.uint64:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@njit(cache=True, nogil=True)
def _word(data: NDArray[np.uint8], start: int, width: int) -> np.uint64:
    value = np.uint64(0)
    for i in range(width):
        value |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return value


@njit(cache=True, nogil=True)
def _round(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _rotate(lane + word * _PRIME_2, 31) * _PRIME_1


@njit(cache=True, nogil=True)
def hash_text(data: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    """XXH64, seed 0, of the bytes `[start, stop)`."""
    length = stop - start
    at = start
    if length >= 32:
        a = _PRIME_1 + _PRIME_2
        b = _PRIME_2
        c = np.uint64(0)
        d = np.uint64(0) - _PRIME_1
        while at + 32 <= stop:
            a = _round(a, _word(data, at, 8))
            b = _round(b, _word(data, at + 8, 8))
            c = _round(c, _word(data, at + 16, 8))
            d = _round(d, _word(data, at + 24, 8))
            at += 32
        key = _rotate(a, 1) + _rotate(b, 7) + _rotate(c, 12) + _rotate(d, 18)
        for lane in (a, b, c, d):
            key = (key ^ _round(np.uint64(0), lane)) * _PRIME_1 + _PRIME_4
    else:
        key = _PRIME_5
    key += np.uint64(length)
    while at + 8 <= stop:
        key = _rotate(key ^ _round(np.uint64(0), _word(data, at, 8)), 27) * _PRIME_1 + _PRIME_4
        at += 8
    if at + 4 <= stop:
        key = _rotate(key ^ (_word(data, at, 4) * _PRIME_1), 23) * _PRIME_2 + _PRIME_3
        at += 4
    while at < stop:
        key = _rotate(key ^ (np.uint64(data[at]) * _PRIME_5), 11) * _PRIME_1
        at += 1
    key = (key ^ (key >> np.uint64(33))) * _PRIME_2
    key = (key ^ (key >> np.uint64(29))) * _PRIME_3
    return key ^ (key >> np.uint64(32))


@njit(cache=True, nogil=True)
def _is_integer_text(data: NDArray[np.uint8], start: int, stop: int) -> bool:
    """Whether the bytes are how an int64 is printed: no plus, no leading zero, in range."""
    first = start
    if first < stop and data[first] == 45:
        first += 1
    digits = stop - first
    if digits < 1 or digits > 19:
        return False
    if data[first] == 48 and (digits > 1 or first > start):
        return False
    value = np.uint64(0)
    for i in range(first, stop):
        if data[i] < 48 or data[i] > 57:
            return False
        value = value * np.uint64(10) + np.uint64(data[i] - 48)
    limit = np.uint64(0x7FFFFFFFFFFFFFFF)
    return bool(value <= limit or (first > start and value == limit + np.uint64(1)))


@njit(cache=True, nogil=True)
def _integer_of_text(data: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    first = start + 1 if data[start] == 45 else start
    value = np.uint64(0)
    for i in range(first, stop):
        value = value * np.uint64(10) + np.uint64(data[i] - 48)
    return np.uint64(0) - value if first > start else value


@njit(cache=True, nogil=True, parallel=True)
def hash_texts(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint64]
) -> None:
    """Key of each string of an Arrow string buffer.

    Args:
        data: UTF-8 bytes of all strings.
        offsets: String i is `data[offsets[i]:offsets[i + 1]]`.
        out: Receives the keys: of a string that prints an int64, the key of that integer; of any
            other its XXH64.
    """
    for i in prange(len(offsets) - 1):
        start, stop = offsets[i], offsets[i + 1]
        if _is_integer_text(data, start, stop):
            out[i] = mix_integer(_integer_of_text(data, start, stop))
        else:
            out[i] = hash_text(data, start, stop)
