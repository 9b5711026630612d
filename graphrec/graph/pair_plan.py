"""Divide the pairs of the co-watch graph among rounds, parts of nodes, and threads."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64, UInt16, UInt32

from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.threads import balanced_bounds, run_blocks
from graphrec.graph.timelines import Timelines
from graphrec.kernels.cowatch import count_pairs
from graphrec.kernels.timelines import ITEM_BITS

_PAIRS_PER_PART: Final = 1 << 16
"""Two such lists of keys fit in a second-level cache of 1 MiB."""

_NODES_PER_PART: Final = 1 << 11
_MOST_PARTS: Final = 1 << 14
_ROUNDS_OF_LONG_KEYS: Final = 2
"""Each round reads every event, and writes out one share of the pairs, 8 bytes each."""

_SMALL: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of events written out.

    Attributes:
        key: (source node, target, cohort) of each pair, in 32 bits where they fit.
        strength: Its strength as of the cohort's start; empty where that is 1.
    """

    key: UInt32[np.ndarray, " pairs"] | Int64[np.ndarray, " pairs"]
    strength: Float64[np.ndarray, " _"]

    @classmethod
    def empty(cls, plan: "PairPlan") -> "Pairs":
        """Room for the pairs of any round."""
        n = int(np.diff(plan.part_ptr[plan.rounds]).max())
        key_type = np.uint32 if plan.key_bits <= 32 else np.int64
        return cls(np.empty(n, key_type), np.empty(n if plan.settings.real else 0, np.float64))


@dataclass(frozen=True, slots=True)
class PairPlan:
    """Who writes which pairs where.

    Attributes:
        settings: Which pairs count.
        users: Thread t reads users `[users[t], users[t + 1])`.
        part_of_node: Part of each source node; parts are consecutive nodes of about as many pairs.
        first_node: First node of each part, and one past the last node.
        part_ptr: Pairs before each part.
        start: First pair of each part that each thread writes (threads, parts).
        rounds: Round r holds parts `[rounds[r], rounds[r + 1])`.
        first_cohort: First cohort that occurs; 0 where edges bear no date.
        cohort_bits: Bits that cohorts counted from it need.
        key_bits: Bits that a pair's key needs.
    """

    settings: CoWatchSettings
    users: Int64[np.ndarray, " threads_and_end"]
    part_of_node: UInt16[np.ndarray, " nodes"]
    first_node: Int64[np.ndarray, " parts_and_end"]
    part_ptr: Int64[np.ndarray, " parts_and_end"]
    start: Int64[np.ndarray, "threads parts"]
    rounds: Int64[np.ndarray, " rounds_and_end"]
    first_cohort: int
    cohort_bits: int
    key_bits: int

    @property
    def n_threads(self) -> int:
        """Threads that write."""
        return len(self.users) - 1

    @property
    def n_pairs(self) -> int:
        """All pairs."""
        return int(self.part_ptr[-1])


def plan_pairs(timelines: Timelines, settings: CoWatchSettings, n_threads: int) -> PairPlan:
    """Count the pairs of every node, and divide them."""
    users = balanced_bounds(timelines.user_ptr, n_threads)
    n_nodes = timelines.n_items + 1
    most = len(timelines.packed) * settings.max_successors
    # Half the memory is half the cache misses.
    counter = np.int32 if most <= np.iinfo(np.int32).max else np.int64
    n_pairs = np.zeros((n_threads, n_nodes), counter)
    run_blocks(
        lambda thread: count_pairs(
            timelines.packed,
            timelines.user_ptr,
            users[thread],
            users[thread + 1],
            settings.window_s,
            settings.max_successors,
            n_pairs[thread],
        ),
        n_threads,
        n_threads,
    )
    node_ptr = np.concatenate([[0], np.cumsum(n_pairs.sum(axis=0, dtype=np.int64))]).astype(
        np.int64
    )
    first_node = _divide_nodes(node_ptr)
    n_parts = len(first_node) - 1
    by_thread = np.add.reduceat(
        np.pad(n_pairs, ((0, 0), (0, 1))), first_node[:-1], axis=1, dtype=np.int64
    )
    by_thread[:, np.diff(first_node) == 0] = 0
    start = np.zeros(by_thread.size + 1, np.int64)
    np.cumsum(by_thread.T.ravel(), out=start[1:])
    part_ptr = node_ptr[first_node]
    first_cohort, last_cohort = _cohort_range(timelines, settings)
    cohort_bits = (last_cohort - first_cohort).bit_length()
    node_bits = (int(np.diff(first_node).max()) - 1).bit_length()
    key_bits = node_bits + max(timelines.n_items - 1, 0).bit_length() + cohort_bits
    in_rounds = node_ptr[-1] > _SMALL and (key_bits > 32 or settings.real)
    return PairPlan(
        settings,
        users,
        np.repeat(np.arange(n_parts, dtype=np.uint16), np.diff(first_node)),
        first_node,
        part_ptr,
        start[:-1].reshape(n_parts, n_threads).T.copy(),
        balanced_bounds(part_ptr, _ROUNDS_OF_LONG_KEYS if in_rounds else 1),
        first_cohort,
        cohort_bits,
        key_bits,
    )


def _divide_nodes(node_ptr: Int64[np.ndarray, " _"]) -> Int64[np.ndarray, " parts_and_end"]:
    """Cut nodes into parts of neither too many pairs nor too many nodes; one node is never cut."""
    n_nodes = len(node_ptr) - 1
    work_ptr = node_ptr + np.arange(n_nodes + 1) * (_PAIRS_PER_PART // _NODES_PER_PART)
    n_parts = int(np.clip(work_ptr[-1] // _PAIRS_PER_PART, 1, _MOST_PARTS))
    return balanced_bounds(work_ptr, n_parts)


def _cohort_range(timelines: Timelines, settings: CoWatchSettings) -> tuple[int, int]:
    cohort_s = settings.ageing.cohort_s
    user_ptr, packed = timelines.user_ptr, timelines.packed
    active = np.diff(user_ptr) > 1
    if not cohort_s or not active.any():
        return 0, 0
    first = packed[user_ptr[:-1][active]].min()
    last = packed[user_ptr[1:][active] - 2].max()
    return int(first >> ITEM_BITS) // cohort_s, int(last >> ITEM_BITS) // cohort_s
