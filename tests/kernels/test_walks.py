import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.graph.walk_table import WalkTable
from graphrec.kernels.hash_random import draw_uniforms, fold_queries
from graphrec.kernels.walk_requests import (
    SEEN_ALLOWED,
    Kept,
    Limits,
    Requests,
    WalkRule,
    answer_requests,
    score_requests,
)
from graphrec.kernels.walks import NO_VISIT, count_steps, key_seeds, walk_visits
from tests.graph.walk_worlds import edges_of, random_rows
from tests.reference import walks as twin


def thresholds(restart, max_depth):
    return np.floor((1 - restart) ** np.arange(max_depth) * 2.0**32 + 0.5).astype(np.uint64)


def keys_of(query_key, n_seeds):
    keys = np.empty(n_seeds, np.uint64)
    key_seeds(np.array([query_key], np.uint64), np.array([0, n_seeds]), keys)
    return keys


def visits_of(table, key, nodes, n_walks, restart, max_depth, every_visit):
    """Item rows in order of seed, walk and depth, and where each seed's end."""
    survival = thresholds(restart, max_depth)
    keys = keys_of(key, len(nodes))
    n_walks = np.array(n_walks, np.int32)
    n = count_steps(keys, n_walks, survival) if every_visit else int(n_walks.sum())
    visited = np.empty(n, np.uint32)
    stop = np.zeros(len(nodes), np.int64)
    walk_visits(
        table.place,
        table.cells,
        np.array(nodes, np.int32),
        keys,
        n_walks,
        survival,
        every_visit,
        visited,
        stop,
    )
    return visited, stop


@given(
    st.integers(0, 2**32),
    st.integers(0, 2**64 - 1),
    st.floats(0, 1),
    st.integers(1, 63),
    st.booleans(),
    st.lists(st.integers(0, 300), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_walks_equal_the_slow_twin(seed, key, restart, max_depth, every_visit, n_walks):
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(1, 12))
    edges = edges_of(random_rows(rng, n_items))
    nodes = rng.integers(0, n_items + 1, len(n_walks)).tolist()
    visited, stop = visits_of(
        WalkTable.build(edges), key, nodes, n_walks, restart, max_depth, every_visit
    )
    expected = twin.request_visits(
        twin.alias_rows(edges), key, nodes, n_walks, restart, max_depth, ends=not every_visit
    )
    start = 0
    for end, walks in zip(stop.tolist(), expected, strict=True):
        own = visited[start:end]
        assert own[own != NO_VISIT].tolist() == [item for walk in walks for item in walk]
        start = end


def test_a_chain_is_walked_to_its_dead_end():
    # item 0 -> item 1 -> item 2, which leads nowhere; no walk stops by chance
    table = WalkTable.build(edges_of([{0: 1}, {1: 1}, {2: 1}, {}]))
    visited, stop = visits_of(table, 5, [1, 3], [2, 2], 0.0, 4, True)
    assert visited.tolist() == [1, 2, NO_VISIT, NO_VISIT] * 2 + [NO_VISIT] * 8
    assert stop.tolist() == [8, 16]
    visited, _ = visits_of(table, 5, [1, 3], [2, 2], 0.0, 4, False)
    assert visited.tolist() == [2, 2, NO_VISIT, NO_VISIT]


def test_walk_lengths_are_geometric_up_to_the_greatest_depth():
    table = WalkTable.build(edges_of([{0: 1}, {0: 1}]))
    n = 20_000
    for restart, max_depth in ((0.5, 4), (0.25, 10)):
        visited, _ = visits_of(table, 9, [1], [n], restart, max_depth, True)
        mean = ((1 - restart) ** np.arange(max_depth)).sum()
        assert len(visited) / n == pytest.approx(mean, rel=0.02)


def test_steps_follow_the_weights():
    weights = {0: 1.0, 1: 2.0, 2: 5.0}
    table = WalkTable.build(edges_of([weights, {}, {}, {}]))
    visited, _ = visits_of(table, 77, [0], [80_000], 0.5, 1, True)
    share = np.bincount(visited) / len(visited)
    # Five standard deviations of a share of 80,000 draws are below 0.009.
    np.testing.assert_allclose(share, np.array([1, 2, 5]) / 8, atol=0.009)


@given(
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, (1, 1), (2, 3), (3, 40)]),
)
@settings(max_examples=40, deadline=None)
def test_scores_answers_and_reasons_equal_the_slow_twin(seed, every_visit, boosted, stop):
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(2, 40))
    edges = edges_of(random_rows(rng, n_items))
    table, rows = WalkTable.build(edges), twin.alias_rows(edges)
    n_seeds = rng.integers(1, 6, 3)
    ptr = np.concatenate([[0], np.cumsum(n_seeds)])
    nodes = rng.integers(0, n_items + 1, ptr[-1]).astype(np.int32)
    n_walks = rng.integers(1, 700, ptr[-1]).astype(np.int32)
    keys = rng.integers(0, 2**63, 3).astype(np.uint64)
    seed_keys = np.empty(ptr[-1], np.uint64)
    key_seeds(keys, ptr, seed_keys)
    requests = Requests(ptr, nodes, seed_keys, n_walks)
    rule = WalkRule(thresholds(0.4, 5), every_visit, boosted, *(stop or (0, 0)))
    scores = np.empty((3, n_items), np.float32)
    which = np.arange(3)
    score_requests(table.place, table.cells, requests, rule, which, scores)
    k = 7
    kept = Kept(
        np.empty((3, k), np.int32),
        np.empty((3, k), np.float32),
        np.empty((3, k), np.int32),
        np.empty((3, k), np.float32),
        np.empty(3, np.int32),
    )
    limits = Limits(np.zeros(4, np.int64), np.empty(0, np.int32), SEEN_ALLOWED, np.empty(0, bool))
    answer_requests(table.place, table.cells, requests, rule, limits, which[::-1].copy(), kept)
    for query in range(3):
        own = slice(ptr[query], ptr[query + 1])
        visits = twin.request_visits(
            rows, int(keys[query]), nodes[own], n_walks[own], 0.4, 5, ends=not every_visit
        )
        if stop:
            visits = [twin.stopped(walks, *stop) for walks in visits]
        scored = twin.score_visits(visits, boosted=boosted)
        expected = np.zeros(n_items, np.float32)
        for item, (score, _, _) in scored.items():
            expected[item] = score
        np.testing.assert_allclose(scores[query], expected, rtol=1e-6)
        best = sorted(scored, key=lambda item: (-scores[query, item], item))[:k]
        assert kept.item_row[query].tolist() == best + [-1] * (k - len(best))
        for place, item in enumerate(best):
            _, reason, share = scored[item]
            node = nodes[own][reason]
            assert kept.score[query, place] == scores[query, item]
            assert kept.reason_node[query, place] == node
            assert kept.reason_share[query, place] == pytest.approx(share if node else 0, rel=1e-6)
        assert (kept.score[query, len(best) :] == -np.inf).all()
        assert kept.n_dropped[query] == 0


def test_keys_and_uniforms_equal_the_slow_twin():
    users = np.array([-1, 0, 5, 2**31 - 1], np.int32)
    times = np.array([-3, 0, 10**9, 2**40])
    keys = np.empty(4, np.uint64)
    fold_queries(42, users, times, keys)
    expected = [
        twin.query_key(42, u, t) for u, t in zip(users.tolist(), times.tolist(), strict=True)
    ]
    assert keys.tolist() == expected
    uniform = np.empty(4)
    draw_uniforms(keys, times, uniform)
    assert uniform.tolist() == [
        twin.uniform(k, t) for k, t in zip(expected, times.tolist(), strict=True)
    ]
    assert ((uniform > 0) & (uniform < 1)).all()
