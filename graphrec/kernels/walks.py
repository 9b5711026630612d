"""Restart walks: many short walks of one request advanced together.

A step waits for two cache misses: its node's place, then one cell of the node's row. So up to
`LANES` walks advance together in two short loops, each of which asks for what the other will read.
Indices are unsigned, which spares the check for negative ones, and nothing branches on a drawn
number, as a wrong guess would throw away the loads in flight.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.alias_rows import DEGREE_BITS
from graphrec.kernels.hash_random import GOLDEN, fold
from graphrec.kernels.hashing import mix_integer
from graphrec.kernels.prefetch import prefetch_row

LANES: Final = 256
NO_VISIT: Final = np.uint32(0xFFFFFFFF)
DRAWS_PER_WALK: Final = 64
"""Draw 0 of a walk is its length, draw d its step at depth d; so depth stays below 64."""

_1: Final = np.uint64(1)
_DEGREE_BITS: Final = np.uint64(DEGREE_BITS)
_DEGREE_MASK: Final = np.uint64((1 << DEGREE_BITS) - 1)
_LOW_HALF: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_WALK_STRIDE: Final = np.uint64((DRAWS_PER_WALK * int(GOLDEN)) & 0xFFFFFFFFFFFFFFFF)


class Lanes(NamedTuple):
    """What is known of each walk under way: arrays of `LANES`."""

    node: NDArray[np.uint32]
    key: NDArray[np.uint64]
    visit: NDArray[np.uint32]
    left: NDArray[np.uint32]
    cell: NDArray[np.uint64]
    coin: NDArray[np.uint32]


@njit(cache=True, nogil=True)
def new_lanes() -> Lanes:
    """Lanes without walks."""
    return Lanes(
        np.empty(LANES, np.uint32),
        np.empty(LANES, np.uint64),
        np.empty(LANES, np.uint32),
        np.empty(LANES, np.uint32),
        np.empty(LANES, np.uint64),
        np.empty(LANES, np.uint32),
    )


@njit(cache=True, nogil=True)
def key_seeds(
    query_key: NDArray[np.uint64], ptr: NDArray[np.int64], seed_key: NDArray[np.uint64]
) -> None:
    """Write the key of each seed: a hash of its query's key and its place among the seeds."""
    for query in range(len(query_key)):
        for seed in range(ptr[query], ptr[query + 1]):
            seed_key[seed] = fold(query_key[query], np.uint64(seed - ptr[query]))


@njit(cache=True, nogil=True)
def _length(draw: np.uint64, survival: NDArray[np.uint64]) -> np.uint64:
    # Summed without leaving early: a branch on a drawn number is guessed wrong half of the time.
    coin = draw >> _HALF
    length = _1
    for depth in range(_1, np.uint64(len(survival))):
        length += np.uint64(coin < survival[depth])
    return length


@njit(cache=True, nogil=True)
def count_steps(
    seed_key: NDArray[np.uint64], n_walks: NDArray[np.int32], survival: NDArray[np.uint64]
) -> np.int64:
    """Steps that the walks of one request take where no walk meets a dead end."""
    n_steps = np.uint64(0)
    for seed in range(len(n_walks)):
        key = seed_key[seed]
        for _ in range(n_walks[seed]):
            n_steps += _length(mix_integer(key), survival)
            key += _WALK_STRIDE
    return np.int64(n_steps)


@njit(cache=True, nogil=True)
def _start_walks(
    place: NDArray[np.uint64],
    seed_node: NDArray[np.int32],
    seed_key: NDArray[np.uint64],
    n_walks: NDArray[np.int32],
    seed: np.uint64,
    walk: np.uint64,
    one_seed: bool,
    survival: NDArray[np.uint64],
    every_visit: bool,
    lanes: Lanes,
    seed_stop: NDArray[np.uint64],
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    lane_node, lane_key, lane_visit, lane_left = lanes.node, lanes.key, lanes.visit, lanes.left
    n_seeds = np.uint64(len(seed_node))
    n_started = np.uint64(0)
    visit = np.uint64(0)
    while n_started < np.uint64(LANES) and seed < n_seeds:
        key = seed_key[seed]
        node = np.uint64(seed_node[seed])
        prefetch_row(place, node)
        until = min(np.uint64(n_walks[seed]), walk + np.uint64(LANES) - n_started)
        for index in range(walk, until):
            walk_key = key + np.uint64(index) * _WALK_STRIDE
            length = _length(mix_integer(walk_key), survival)
            lane_node[n_started] = np.uint32(node)
            lane_key[n_started] = walk_key
            lane_visit[n_started] = np.uint32(visit)
            lane_left[n_started] = np.uint32(length)
            visit += length if every_visit else _1
            n_started += _1
        walk = until
        seed_stop[seed] = visit
        if walk == np.uint64(n_walks[seed]):
            seed += _1
            walk = np.uint64(0)
        if one_seed:
            break
    return seed, walk, n_started, visit


@njit(cache=True, nogil=True)
def walk_wave(
    place: NDArray[np.uint64],
    cells: NDArray[np.uint32],
    seed_node: NDArray[np.int32],
    seed_key: NDArray[np.uint64],
    n_walks: NDArray[np.int32],
    seed: np.uint64,
    walk: np.uint64,
    one_seed: bool,
    survival: NDArray[np.uint64],
    every_visit: bool,
    lanes: Lanes,
    visited: NDArray[np.uint32],
    seed_stop: NDArray[np.uint64],
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Do the next walks of one request, at most `LANES`, from walk `walk` of seed `seed` on.

    Args:
        place: Per node `start << 26 | degree`.
        cells: Alias rows; see `alias_rows.fill_rows`.
        seed_node: Node each seed's walks start from.
        seed_key: Key of each seed.
        n_walks: Walks of each seed.
        seed: First seed with walks to do.
        walk: Its first walk to do.
        one_seed: Stop at the end of this seed's walks.
        survival: A walk goes on after depth d where its 32-bit coin is below `survival[d]`; the
            length is the most steps a walk takes.
        every_visit: Write every item visited; otherwise the last of each walk.
        lanes: Room for the walks.
        visited: Receives item rows, in order of seed, walk and depth; `NO_VISIT` stands where a
            dead end cut a walk short. Needs `LANES * len(survival)`.
        seed_stop: Receives where the visits of each seed of this wave end.

    Returns:
        The seed and walk to go on from, and how much of `visited` is filled.
    """
    seed, walk, alive, n_visits = _start_walks(
        place,
        seed_node,
        seed_key,
        n_walks,
        seed,
        walk,
        one_seed,
        survival,
        every_visit,
        lanes,
        seed_stop,
    )
    lane_node, lane_key, lane_visit = lanes.node, lanes.key, lanes.visit
    lane_left, lane_cell, lane_coin = lanes.left, lanes.cell, lanes.coin
    stride = np.uint64(every_visit)
    if not every_visit:
        for unset in range(np.uint64(0), n_visits):
            visited[unset] = NO_VISIT
    while alive > np.uint64(0):
        for lane in range(np.uint64(0), alive):
            row = place[np.uint64(lane_node[lane])]
            degree = row & _DEGREE_MASK
            key = lane_key[lane] + GOLDEN
            draw = mix_integer(key)
            cell = (row >> _DEGREE_BITS) + (((draw >> _HALF) * degree) >> _HALF)
            prefetch_row(cells, cell)
            lane_key[lane] = key
            lane_cell[lane] = (cell << _1) | np.uint64(degree == np.uint64(0))
            lane_coin[lane] = np.uint32(draw & _LOW_HALF)
        n_going = np.uint64(0)
        for lane in range(np.uint64(0), alive):
            visit = np.uint64(lane_visit[lane])
            left = np.uint64(lane_left[lane])
            cell = lane_cell[lane]
            if cell & _1:
                for unused in range(np.uint64(0), left * stride):
                    visited[visit + unused] = NO_VISIT
                continue
            cell >>= _1
            is_alias = np.uint64(lane_coin[lane] >= cells[cell, np.uint64(0)])
            item = cells[cell, _1 + is_alias]
            visited[visit] = item
            node = np.uint64(item) + _1
            prefetch_row(place, node)
            left -= _1
            lane_node[n_going] = np.uint32(node)
            lane_key[n_going] = lane_key[lane]
            lane_visit[n_going] = np.uint32(visit + stride)
            lane_left[n_going] = np.uint32(left)
            n_going += np.uint64(left > np.uint64(0))
        alive = n_going
    return seed, walk, n_visits


@njit(cache=True, nogil=True)
def walk_visits(
    place: NDArray[np.uint64],
    cells: NDArray[np.uint32],
    seed_node: NDArray[np.int32],
    seed_key: NDArray[np.uint64],
    n_walks: NDArray[np.int32],
    survival: NDArray[np.uint64],
    every_visit: bool,
    visited: NDArray[np.uint32],
    seed_stop: NDArray[np.int64],
) -> None:
    """Write all that the walks of one request visit, in order of seed, walk and depth.

    `visited` needs `count_steps` entries (or one a walk, without `every_visit`) and may hold
    `NO_VISIT`; the visits of seed s end at `seed_stop[s]`. The rest is as in `walk_wave`.
    """
    lanes = new_lanes()
    wave = np.empty(LANES * len(survival), np.uint32)
    wave_stop = np.empty(len(seed_node), np.uint64)
    seed = np.uint64(0)
    walk = np.uint64(0)
    n_written = np.int64(0)
    while seed < np.uint64(len(seed_node)):
        first = seed
        seed, walk, n_visits = walk_wave(
            place,
            cells,
            seed_node,
            seed_key,
            n_walks,
            seed,
            walk,
            False,
            survival,
            every_visit,
            lanes,
            wave,
            wave_stop,
        )
        for visit in range(np.int64(n_visits)):
            visited[n_written + visit] = wave[visit]
        n_begun = np.int64(seed) + (1 if walk > np.uint64(0) else 0)
        for done in range(np.int64(first), n_begun):
            seed_stop[done] = n_written + np.int64(wave_stop[done])
        n_written += np.int64(n_visits)
