"""Randomness by counting: a draw is a hash of (seed, stream, entity, number), never a sequence."""

import zlib

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import ndtri

from graphrec.kernels.world_response import fill_uniform


class Draws:
    """One stream of independent draws for each entity."""

    def __init__(self, seed: int, stream: str) -> None:
        """Open the stream called `stream`; streams of different names are independent."""
        mixed = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(stream.encode())) % 2**64
        mixed = ((mixed ^ (mixed >> 31)) * 0xBF58476D1CE4E5B9) % 2**64
        self._key = mixed ^ (mixed >> 29)

    def key_of(self, number: int) -> np.uint64:
        """A 64-bit key of one part of the stream, for a kernel that draws on its own."""
        return np.uint64((self._key + (number + 1) * 0xD1342543DE82EF95) % 2**64)

    def uniform(
        self, entity: Int64[np.ndarray, " n"] | int, draw: Int64[np.ndarray, " n"] | int = 0
    ) -> Float64[np.ndarray, " n"]:
        """A number in (0, 1) for each entity.

        Args:
            entity: Entities, or how many: then 0, 1, 2 and on.
            draw: Number of the draw, for all or for each.
        """
        which = np.arange(entity, dtype=np.int64) if isinstance(entity, int) else entity
        number = np.broadcast_to(np.asarray(draw, dtype=np.int64), which.shape)
        out = np.empty(len(which), dtype=np.float64)
        fill_uniform(np.uint64(self._key), which, number, out)
        return out

    def normal(
        self, entity: Int64[np.ndarray, " n"] | int, draw: Int64[np.ndarray, " n"] | int = 0
    ) -> Float64[np.ndarray, " n"]:
        """A standard normal number for each entity; arguments as `uniform`."""
        normal: Float64[np.ndarray, " n"] = ndtri(self.uniform(entity, draw))
        return normal

    def whole(
        self, n: int, entity: Int64[np.ndarray, " n"] | int, draw: Int64[np.ndarray, " n"] | int = 0
    ) -> Int64[np.ndarray, " n"]:
        """A whole number in `[0, n)` for each entity; other arguments as `uniform`."""
        return (self.uniform(entity, draw) * n).astype(np.int64)


def pick(
    cumulative: Float64[np.ndarray, " weights"], x: Float64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """The index whose weight holds share `x` of the whole.

    Args:
        cumulative: Running sum of weights, without a leading 0; the last is > 0.
        x: Numbers in (0, 1).
    """
    return pick_within(
        np.concatenate([[0.0], cumulative]),
        np.zeros(len(x), np.int64),
        np.full(len(x), len(cumulative), np.int64),
        x,
    )


def pick_within(
    cumulative: Float64[np.ndarray, " bounds"],
    lo: Int64[np.ndarray, " n"],
    hi: Int64[np.ndarray, " n"],
    x: Float64[np.ndarray, " n"],
) -> Int64[np.ndarray, " n"]:
    """The index in `[lo, hi)` whose weight holds share `x` of the weights there.

    Args:
        cumulative: Running sum of weights with a leading 0.
        lo: First index that may come out.
        hi: One past the last.
        x: Numbers in (0, 1).
    """
    goal = cumulative[lo] + x * (cumulative[hi] - cumulative[lo])
    found = np.searchsorted(cumulative, goal, side="right") - 1
    place: Int64[np.ndarray, " n"] = np.minimum(np.maximum(found, lo), hi - 1)
    return place
