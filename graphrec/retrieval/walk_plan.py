"""From seeds to kernels: how many walks, by which rule, under which limits, on which threads."""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Int64

from graphrec.graph.threads import available_threads, run_blocks
from graphrec.graph.walk_table import WalkTable
from graphrec.kernels.walk_requests import (
    SEEN_ALLOWED,
    SEEN_HIDDEN,
    SEEN_ONLY,
    Kept,
    Limits,
    Requests,
    WalkRule,
)
from graphrec.kernels.walks import key_seeds
from graphrec.retrieval.budgets import (
    mean_length,
    step_shares,
    survival_thresholds,
    walks_per_seed,
)
from graphrec.retrieval.seeds import SeedSets, query_keys
from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.stages import Eligibility, Queries

_LARGEST_BLOCK: Final = 64
_SMALLEST_BLOCK: Final = 8


def plan_walks(
    seeds: SeedSets, queries: Queries, settings: WalkSettings, table: WalkTable
) -> Requests:
    """How many walks start from each seed, and the keys of their random numbers."""
    share = step_shares(seeds, table, settings)
    n_walks = walks_per_seed(share, settings.n_steps, mean_length(settings))
    seed_keys = np.empty(len(seeds.node), np.uint64)
    key_seeds(query_keys(queries, settings.seed), seeds.ptr, seed_keys)
    return Requests(seeds.ptr, seeds.node, seed_keys, n_walks)


def walk_rule(settings: WalkSettings) -> WalkRule:
    """How walks go and what counts, for the kernels."""
    stop = settings.early_stop
    return WalkRule(
        survival_thresholds(settings),
        settings.score_on == "visits",
        settings.multi_hit_boost,
        0 if stop is None else stop.n_items,
        0 if stop is None else stop.n_visits,
    )


def limits_of(queries: Queries, eligibility: Eligibility) -> Limits:
    """What may be kept, for the kernels."""
    seen = {"allow": SEEN_ALLOWED, "hide": SEEN_HIDDEN, "only_again": SEEN_ONLY}[eligibility.seen]
    allowed = np.empty(0, np.bool_) if eligibility.allowed is None else eligibility.allowed
    return Limits(queries.history_ptr, queries.history_item, seen, allowed)


def empty_answers(n_requests: int, k: int) -> Kept:
    """Room for answers, not yet filled."""
    return Kept(
        np.empty((n_requests, k), np.int32),
        np.empty((n_requests, k), np.float32),
        np.empty((n_requests, k), np.int32),
        np.empty((n_requests, k), np.float32),
        np.empty(n_requests, np.int32),
    )


def fillable_places(
    queries: Queries, which: Int64[np.ndarray, " some"], k: int, eligibility: Eligibility
) -> Int64[np.ndarray, " some"]:
    """Places, at most `k`, that the limits leave something for, for each query of `which`."""
    allowed = eligibility.allowed
    if eligibility.seen != "only_again":
        n_allowed = k if allowed is None else int(allowed.sum())
        return np.full(len(which), min(k, n_allowed), np.int64)
    again = np.empty(len(which), np.int64)
    for at, query in enumerate(which.tolist()):
        past = np.unique(queries.history_item[queries.history(query)])
        again[at] = len(past) if allowed is None else int(allowed[past].sum())
    return np.minimum(again, k)


def run_requests(
    task: Callable[[Int64[np.ndarray, " some"]], None], which: Int64[np.ndarray, " requests"]
) -> None:
    """Run `task` on blocks of the requests `which`, a batch on all cores, a few on this thread."""
    n_threads = available_threads()
    size = min(_LARGEST_BLOCK, max(_SMALLEST_BLOCK, len(which) // (4 * n_threads)))
    blocks = [which[at : at + size] for at in range(0, len(which), size)]
    if blocks:
        run_blocks(lambda block: task(blocks[block]), len(blocks), n_threads)
