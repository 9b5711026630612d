import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.walk_table import WalkTable
from tests.graph.walk_worlds import edges_of, random_rows
from tests.reference.walks import alias_rows


def rows_in(table):
    """The alias rows as the table holds them."""
    rows = []
    for place in table.place.tolist():
        start, degree = place >> 26, place & ((1 << 26) - 1)
        rows.append(table.cells[start : start + degree].tolist())
    return rows


def chances_in(row):
    chances = {}
    for threshold, target, alias in row:
        chances[target] = chances.get(target, 0) + threshold / 2**32 / len(row)
        chances[alias] = chances.get(alias, 0) + (1 - threshold / 2**32) / len(row)
    return chances


def test_alias_rows_of_a_drawn_graph_are_those_worked_by_hand():
    # cold start -> item 0 (weight 1) and item 2 (weight 3); 0 -> 1; 1 and 2 are dead ends
    table = WalkTable.build(edges_of([{0: 1, 2: 3}, {1: 5}, {}, {}]))
    # Chances 2 * 1/4 and 2 * 3/4: the first cell keeps half of its coin, the second all.
    assert rows_in(table) == [
        [[2**31, 0, 2], [2**32 - 1, 2, 2]],
        [[2**32 - 1, 1, 1]],
        [],
        [],
    ]
    assert table.n_items == 3
    assert table.n_edges == 3
    assert table.max_degree == 1
    assert table.degree(np.array([0, 1, 2, 3, 4, -1], np.int32)).tolist() == [2, 1, 0, 0, 0, 0]


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_alias_rows_equal_the_slow_twin_and_give_each_edge_its_chance(seed, n_items):
    edges = edges_of(random_rows(np.random.default_rng(seed), n_items))
    rows = rows_in(WalkTable.build(edges))
    assert rows == alias_rows(edges)
    for node, row in enumerate(rows):
        own = slice(edges.ptr[node], edges.ptr[node + 1])
        weight = edges.weight[own].astype(float)
        for target, chance in zip(edges.target_row[own], weight / weight.sum(), strict=True):
            assert chances_in(row)[target] == pytest.approx(chance, abs=1e-8)


@given(st.integers(0, 2**32), st.integers(1, 10), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_updates_leave_the_rows_that_a_rebuild_gives(seed, n_items, n_updates):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, n_items)
    table = WalkTable.build(edges_of(rows))
    for _ in range(n_updates):
        n_items += int(rng.integers(0, 3))
        table.grow(n_items)
        rows += [{} for _ in range(n_items + 1 - len(rows))]
        nodes = rng.choice(len(rows), size=int(rng.integers(0, len(rows))), replace=False)
        fresh = random_rows(rng, n_items, max_degree=9)
        for node in nodes.tolist():
            rows[node] = fresh[node]
        table.update_nodes(nodes.astype(np.int32), edges_of([rows[node] for node in nodes]))
        rebuilt = WalkTable.build(edges_of(rows))
        assert rows_in(table) == rows_in(rebuilt)
        assert table.n_edges == rebuilt.n_edges
        assert table.max_degree == rebuilt.max_degree


def test_a_table_that_changes_for_long_stays_small():
    rng = np.random.default_rng(1)
    n_items = 300
    rows = random_rows(rng, n_items, max_degree=40, dead=0)
    table = WalkTable.build(edges_of(rows))
    for _ in range(100):
        nodes = rng.choice(n_items + 1, size=60, replace=False).astype(np.int32)
        fresh = random_rows(rng, n_items, max_degree=40, dead=0)
        for node in nodes.tolist():
            rows[node] = fresh[node]
        table.update_nodes(nodes, edges_of([rows[node] for node in nodes]))
        assert table.n_cells <= 2 * table.n_edges + 1024
    assert rows_in(table) == rows_in(WalkTable.build(edges_of(rows)))


def test_a_large_graph_is_built_alike_by_many_threads():
    rng = np.random.default_rng(2)
    n_items, degree = 2000, 60
    ptr = np.arange(n_items + 2, dtype=np.int64) * degree
    target = rng.integers(0, n_items, ptr[-1]).astype(np.int32)
    weight = rng.random(ptr[-1]).astype(np.float32) + np.float32(0.1)
    rows = rows_in(WalkTable.build(WeightedEdges(ptr, target, weight)))
    for node in (0, 1, 700, n_items):
        own = slice(ptr[node], ptr[node + 1])
        alone = WeightedEdges(np.array([0, degree]), target[own], weight[own])
        assert rows[node] == alias_rows(alone)[0]


def test_edges_that_cannot_be_walked_are_refused():
    with pytest.raises(DataError, match=r"item row 2 — must be in \[0, 2\)"):
        WalkTable.build(edges_of([{2: 1}, {}, {}]))
    for weight in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(DataError, match="finite and positive"):
            WalkTable.build(edges_of([{0: weight}, {}]))
    too_many = WeightedEdges(np.array([0, 1 << 26]), np.empty(0, np.int32), np.empty(0, np.float32))
    with pytest.raises(DataError, match="67,108,864 edges — at most 67,108,863"):
        WalkTable.build(too_many)


def test_updates_of_nodes_that_do_not_exist_or_stand_twice_are_refused():
    table = WalkTable.build(edges_of([{0: 1}, {}]))
    for nodes in ([2], [-1], [1, 1]):
        with pytest.raises(DataError, match=r"each once and in \[0, 2\)"):
            table.update_nodes(np.array(nodes, np.int32), edges_of([{} for _ in nodes]))


def test_an_empty_table_can_grow_and_be_walked():
    table = WalkTable()
    table.grow(2)
    table.update_nodes(np.array([0, 2], np.int32), edges_of([{1: 1}, {0: 2}]))
    assert rows_in(table) == [[[2**32 - 1, 1, 1]], [], [[2**32 - 1, 0, 0]]]
