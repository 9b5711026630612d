"""Run blocks of work that release the interpreter lock on several threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numpy as np
from jaxtyping import Int64, Shaped

Result = TypeVar("Result")


@cache
def available_threads() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_blocks(task: Callable[[int], Result], n_blocks: int, n_threads: int) -> list[Result]:
    """Results of `task(0)` to `task(n_blocks - 1)`, each block run by the next free thread."""
    if n_threads == 1 or n_blocks == 1:
        return [task(block) for block in range(n_blocks)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(task, range(n_blocks)))


def balanced_bounds(
    work_ptr: Int64[np.ndarray, " _"], n_blocks: int
) -> Int64[np.ndarray, " blocks_and_end"]:
    """Cut rows into blocks of about equal work.

    Args:
        work_ptr: Work before each row; its last entry is all work.
        n_blocks: Number of blocks; some are empty where single rows hold much of the work.

    Returns:
        Block b is rows `[bounds[b], bounds[b + 1])`.
    """
    goals = np.linspace(work_ptr[0], work_ptr[-1], n_blocks + 1)
    bounds = np.searchsorted(work_ptr, goals, side="left").astype(np.int64)
    bounds[0], bounds[-1] = 0, len(work_ptr) - 1
    return bounds


def close_gaps(
    columns: list[Shaped[np.ndarray, " _"]],
    starts: Int64[np.ndarray, " blocks"],
    sizes: list[int],
    n_threads: int = 1,
) -> None:
    """Move the filled start of every block together and cut the columns there, in place.

    Args:
        columns: Arrays that own their memory, of one length; those of length 0 are left.
        starts: Where each block starts, ascending.
        sizes: How much of each block is filled.
        n_threads: Threads to use, each for a column.
    """

    def close(which: int) -> None:
        column = columns[which]
        if not len(column):
            return
        end = 0
        for start, size in zip(starts.tolist(), sizes, strict=True):
            column[end : end + size] = column[start : start + size]
            end += size
        # The slices above are gone, so that nothing else sees this memory.
        column.resize(end, refcheck=False)

    run_blocks(close, len(columns), n_threads)
