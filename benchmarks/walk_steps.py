"""Steps per second of the walk kernel against one walk at a time, visits counted per request.

All walk the same walks on the same threads, in turns, and the sums of all scores are compared.
`plain` is what one writes first: rows of separate alias arrays, one counter per item and thread.
`one by one` differs from the product's kernel in the order of the walks alone: packed alias rows,
and the same tally. Run: `python -m benchmarks.walk_steps`.
"""

import argparse
import statistics
import time

import numpy as np
from numba import njit

from benchmarks.walk_world import made_up_edges, report
from graphrec.graph.threads import available_threads, run_blocks
from graphrec.graph.walk_table import WalkTable
from graphrec.kernels.alias_rows import DEGREE_BITS
from graphrec.kernels.hash_random import GOLDEN
from graphrec.kernels.hashing import mix_integer
from graphrec.kernels.visit_tally import (
    TOTAL,
    clear_tally,
    close_all,
    count_visits,
    free_rows,
    new_tally,
)
from graphrec.kernels.walk_requests import Requests, WalkRule, _tally_request
from graphrec.kernels.walks import DRAWS_PER_WALK, LANES, count_steps, new_lanes
from graphrec.retrieval.budgets import mean_length, survival_thresholds, walks_per_seed
from graphrec.retrieval.walk_settings import WalkSettings

BLOCK = 64


@njit(nogil=True)
def walk_together(graph, requests, rule, span, room, result):
    place, cells = graph
    lanes = new_lanes()
    visited = np.empty(LANES * len(rule.survival), np.uint32)
    tally = new_tally(room, room)
    for request in range(span[0], span[1]):
        mask = clear_tally(tally, room)
        n_rows, n_visits = _tally_request(
            place, cells, requests, request, rule, lanes, visited, tally, mask
        )
        result[request, 0] = n_visits
        for row in range(1, np.int64(n_rows) + 1):
            result[request, 1] += tally.total[row, TOTAL] ** 2
        free_rows(tally, n_rows)


@njit(nogil=True)
def walk_one_by_one(graph, requests, rule, span, room, result):
    place, cells = graph
    tally = new_tally(room, room)
    visited = np.empty(room, np.uint32)
    degree_mask = np.uint64((1 << DEGREE_BITS) - 1)
    for request in range(span[0], span[1]):
        mask = clear_tally(tally, room)
        start, stop_seed = requests.ptr[request], requests.ptr[request + 1]
        seed_stop = np.empty(stop_seed - start, np.uint64)
        n = 0
        for seed in range(start, stop_seed):
            for walk in range(requests.n_walks[seed]):
                key = requests.key[seed] + np.uint64(walk * DRAWS_PER_WALK) * GOLDEN
                coin = mix_integer(key) >> np.uint64(32)
                node = requests.node[seed]
                depth = 0
                while depth == 0 or (depth < len(rule.survival) and coin < rule.survival[depth]):
                    node_place = place[node]
                    degree = node_place & degree_mask
                    if degree == 0:
                        break
                    key += GOLDEN
                    draw = mix_integer(key)
                    cell = (node_place >> np.uint64(DEGREE_BITS)) + (
                        ((draw >> np.uint64(32)) * degree) >> np.uint64(32)
                    )
                    low = draw & np.uint64(0xFFFFFFFF)
                    item = cells[cell, 1] if low < cells[cell, 0] else cells[cell, 2]
                    visited[n] = item
                    n += 1
                    node = np.int32(item) + 1
                    depth += 1
            seed_stop[seed - start] = n
        n_rows, n_visits, _ = count_visits(
            visited,
            seed_stop,
            np.uint64(0),
            np.uint64(n),
            tally,
            mask,
            rule.boosted,
            np.uint64(0),
            np.uint64(0),
        )
        close_all(tally, n_rows, rule.boosted)
        result[request, 0] = n_visits
        for row in range(1, np.int64(n_rows) + 1):
            result[request, 1] += tally.total[row, TOTAL] ** 2
        free_rows(tally, n_rows)


@njit(nogil=True)
def walk_plainly(graph, requests, rule, span, room, result):
    ptr, kept, target, alias = graph
    count = np.zeros(len(ptr), np.int64)
    score = np.zeros(len(ptr))
    of_seed = np.empty(room, np.int32)
    of_request = np.empty(room, np.int32)
    for request in range(span[0], span[1]):
        n_touched = n_visits = 0
        for seed in range(requests.ptr[request], requests.ptr[request + 1]):
            n = 0
            for walk in range(requests.n_walks[seed]):
                key = requests.key[seed] + np.uint64(walk * DRAWS_PER_WALK) * GOLDEN
                coin = mix_integer(key) >> np.uint64(32)
                node = requests.node[seed]
                depth = 0
                while depth == 0 or (depth < len(rule.survival) and coin < rule.survival[depth]):
                    degree = ptr[node + 1] - ptr[node]
                    if degree == 0:
                        break
                    key += GOLDEN
                    draw = mix_integer(key)
                    cell = ptr[node] + np.int64(
                        ((draw >> np.uint64(32)) * np.uint64(degree)) >> np.uint64(32)
                    )
                    keeps = (draw & np.uint64(0xFFFFFFFF)) < kept[cell]
                    item = target[cell] if keeps else alias[cell]
                    if count[item] == 0:
                        of_seed[n] = item
                        n += 1
                    count[item] += 1
                    n_visits += 1
                    node = item + 1
                    depth += 1
            for i in range(n):
                item = of_seed[i]
                if score[item] == 0:
                    of_request[n_touched] = item
                    n_touched += 1
                score[item] += np.sqrt(count[item])
                count[item] = 0
        result[request, 0] = n_visits
        for i in range(n_touched):
            result[request, 1] += score[of_request[i]] ** 2
            score[of_request[i]] = 0


def plain_arrays(table):
    """The packed table as offsets and three arrays, one value an edge each."""
    cells = table.cells
    return (
        np.append(0, np.cumsum(table.place & np.uint64((1 << DEGREE_BITS) - 1))).astype(np.int64),
        cells[:, 0].astype(np.uint64),
        cells[:, 1].astype(np.int32),
        cells[:, 2].astype(np.int32),
    )


def make_requests(table, n_requests, n_seeds, settings):
    rng = np.random.default_rng(1)
    ptr = np.arange(n_requests + 1) * n_seeds
    nodes = rng.integers(1, table.n_items + 1, ptr[-1]).astype(np.int32)
    keys = rng.integers(0, 2**63, ptr[-1]).astype(np.uint64)
    share = np.full(ptr[-1], 1 / n_seeds)
    return Requests(
        ptr, nodes, keys, walks_per_seed(share, settings.n_steps, mean_length(settings))
    )


def timed(kernel, graph, requests, rule, room):
    n = len(requests.ptr) - 1
    result = np.zeros((n, 2))
    started, cpu = time.perf_counter(), time.process_time()
    run_blocks(
        lambda block: kernel(
            graph,
            requests,
            rule,
            (block * BLOCK, min(n, (block + 1) * BLOCK)),
            room,
            result,
        ),
        -(-n // BLOCK),
        available_threads(),
    )
    steps = result[:, 0].sum() / 1e6
    by_clock = steps / (time.perf_counter() - started)
    return by_clock, steps / (time.process_time() - cpu), result


def times(fast, slow):
    return statistics.median([a / b for a, b in zip(fast, slow, strict=True)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=20_400_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    rows = []
    for skew in (3.0, 1.0):
        table = WalkTable.build(made_up_edges(chosen.items, chosen.edges, skew=skew))
        for n_steps, restart, max_depth in ((1000, 0.5, 8), (1000, 0.1, 20)):
            settings = WalkSettings(n_steps=n_steps, restart=restart, max_depth=max_depth)
            requests = make_requests(table, chosen.requests, chosen.seeds, settings)
            rule = WalkRule(survival_thresholds(settings), True, True, 0, 0)
            room = max(
                count_steps(requests.key[a:b], requests.n_walks[a:b], rule.survival)
                for a, b in zip(requests.ptr[:-1], requests.ptr[1:], strict=True)
            )
            few = Requests(requests.ptr[:2], *requests[1:])
            packed = (table.place, table.cells)
            kernels = {
                "together": (walk_together, packed),
                "one by one": (walk_one_by_one, packed),
                "plain": (walk_plainly, plain_arrays(table)),
            }
            rates = {name: [] for name in kernels}
            per_core = []
            for kernel, graph in kernels.values():
                timed(kernel, graph, few, rule, room)
            for _ in range(chosen.repeats):
                results = []
                for name, (kernel, graph) in kernels.items():
                    rate, core_rate, result = timed(kernel, graph, requests, rule, room)
                    rates[name].append(rate)
                    results.append(result)
                    if name == "together":
                        per_core.append(core_rate)
                for result in results[1:]:
                    np.testing.assert_allclose(results[0], result)
            fast = rates["together"]
            rows.append(
                {
                    "skew": skew,
                    "restart": restart,
                    "depth": max_depth,
                    "M steps/s": statistics.median(fast),
                    "best": max(fast),
                    "per core-second": statistics.median(per_core),
                    "one by one": statistics.median(rates["one by one"]),
                    "times one by one": times(fast, rates["one by one"]),
                    "plain": statistics.median(rates["plain"]),
                    "times plain": times(fast, rates["plain"]),
                }
            )
    report("walk_steps", rows)


if __name__ == "__main__":
    main()
