"""Weigh edges at a moment: age each cohort, sum over cohorts, keep the heaviest."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer

_UNIT: Final = 2.0**-53
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def count_survivors(
    seed: int, node: int, target: int, cohort: int, n_units: int, chance: float
) -> np.int64:
    """How many of the units of one edge and cohort are left when each is left by `chance`.

    A unit that is left at some chance is left at every greater one: its fate is one hash of (seed,
    node, target, cohort, unit), so that no draw depends on order or threads.
    """
    state = mix_integer(np.uint64(seed) + _GOLDEN)
    state = mix_integer(state ^ (np.uint64(node) << np.uint64(32)) ^ np.uint64(target))
    state = mix_integer(state ^ np.uint64(np.uint32(cohort)))
    n_left = np.int64(0)
    for unit in range(n_units):
        draw = mix_integer(state + np.uint64(unit) * _GOLDEN)
        n_left += np.float64(draw >> np.uint64(11)) * _UNIT < chance
    return n_left


@njit(cache=True, nogil=True)
def weigh_edges(
    node: NDArray[np.int32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    target_row: NDArray[np.int32],
    cohort: NDArray[np.int32],
    count: NDArray[np.int32],
    strength: NDArray[np.float64],
    first_cohort: int,
    left: NDArray[np.float64],
    thinned: bool,
    seed: int,
    n_edges: NDArray[np.int64],
    out_target: NDArray[np.int32],
    out_weight: NDArray[np.float32],
    out: int,
) -> int:
    """Sum what is left of each edge over its cohorts, and drop edges of which nothing is.

    Args:
        node: Source node of each row.
        start: First entry of each row.
        stop: One past its last.
        target_row: Target of each entry, ascending within a row.
        cohort: Cohort of each entry; empty where edges bear no date.
        count: Pairs that each entry merges.
        strength: Their sum as of the cohort's start; empty where it is the count.
        first_cohort: Cohort of `left[0]`.
        left: Factor left of each cohort; with `thinned` the chance of each unit to be left.
        thinned: Count which units are left, rather than multiply.
        seed: Decides which.
        n_edges: Receives the edges of each row.
        out_target: Receives targets.
        out_weight: Receives weights, > 0.
        out: First place to write.

    Returns:
        The place after the last edge written.
    """
    dated = len(cohort) > 0
    real = len(strength) > 0
    for row in range(len(node)):
        before = out
        at = start[row]
        while at < stop[row]:
            target = target_row[at]
            weight = 0.0
            while at < stop[row] and target_row[at] == target:
                value = strength[at] if real else np.float64(count[at])
                day = cohort[at] if dated else 0
                share = left[day - first_cohort]
                if thinned:
                    n_left = count_survivors(seed, node[row], target, day, count[at], share)
                    share = n_left / count[at]
                weight += value * share
                at += 1
            rounded = np.float32(weight)
            if rounded > 0:
                out_target[out] = target
                out_weight[out] = rounded
                out += 1
        n_edges[row] = out - before
    return out


@njit(cache=True, nogil=True)
def _kth_heaviest(weight: NDArray[np.float32], k: int) -> np.float32:
    """The k-th heaviest weight, counted from 1; positive floats sort like their bits."""
    bits = weight.view(np.uint32)
    found = np.uint32(0)
    known = np.uint32(0)
    size = np.empty(256, np.int64)
    for shift in (24, 16, 8, 0):
        size[:] = 0
        for i in range(len(bits)):
            if bits[i] & known == found:
                size[(bits[i] >> np.uint32(shift)) & np.uint32(255)] += 1
        digit = 255
        while size[digit] < k:
            k -= size[digit]
            digit -= 1
        found |= np.uint32(digit) << np.uint32(shift)
        known |= np.uint32(255) << np.uint32(shift)
    return np.array([found], np.uint32).view(np.float32)[0]


@njit(cache=True, nogil=True)
def keep_heaviest(
    ptr: NDArray[np.int64],
    target_row: NDArray[np.int32],
    weight: NDArray[np.float32],
    max_edges: int,
    out_ptr: NDArray[np.int64],
    out_target: NDArray[np.int32],
    out_weight: NDArray[np.float32],
    dropped_share: NDArray[np.float64],
) -> None:
    """Keep the `max_edges` heaviest edges of each row in their order, ties to the first.

    `dropped_share` receives the share of each row's weight that is lost, 0 for an empty row.
    """
    out = 0
    out_ptr[0] = 0
    for row in range(len(ptr) - 1):
        start, stop = ptr[row], ptr[row + 1]
        size = stop - start
        least = np.float32(0.0)
        n_ties = 0
        if size > max_edges:
            least = _kth_heaviest(weight[start:stop], max_edges)
            n_heavier = 0
            for at in range(start, stop):
                n_heavier += weight[at] > least
            n_ties = max_edges - n_heavier
        total = 0.0
        dropped = 0.0
        for at in range(start, stop):
            total += weight[at]
            tied = size > max_edges and weight[at] == least
            if weight[at] < least or (tied and n_ties == 0):
                dropped += weight[at]
                continue
            n_ties -= tied
            out_target[out] = target_row[at]
            out_weight[out] = weight[at]
            out += 1
        out_ptr[row + 1] = out
        dropped_share[row] = dropped / total if total > 0 else 0.0
