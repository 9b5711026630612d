"""Tables that walks draw from: sharpened weights, and rows rewritten as the graph changes."""

import numpy as np
import pytest

from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval.walk_graph import WalkGraph, sharpen
from tests.graph.walk_worlds import HandMadeGraph, edges_of, random_rows
from tests.worlds import watched

DAY_S = 86_400


def test_sharpened_weights_are_those_worked_by_hand():
    # 3:1 to the power of 2 is 1 : 1/9 of the heaviest; a node without edges has none
    edges = edges_of([{0: 3, 1: 1}, {}, {2: 5}])
    sharp = sharpen(edges, 2.0)
    np.testing.assert_allclose(sharp.weight, [1, 1 / 9, 1], rtol=1e-6)
    assert sharp.ptr.tolist() == edges.ptr.tolist()
    assert sharp.target_row.tolist() == edges.target_row.tolist()
    assert sharpen(edges, 1.0) is edges
    far_apart = edges_of([{0: 1e-20, 1: 1e20}])
    assert (sharpen(far_apart, 8.0).weight > 0).all()
    assert len(sharpen(edges_of([{}, {}]), 2.0).weight) == 0


def live_graph(mode, rows):
    graph = HandMadeGraph(rows, CoWatchSettings(ageing=AgeingSettings(mode=mode)))
    walked = WalkGraph(graph)
    walked.restart(10 * DAY_S)
    walked.table()
    graph.asked.clear()
    return graph, walked


@pytest.mark.parametrize("mode", ["none", "half_life", "expected", "thinning"])
def test_tables_are_rewritten_row_by_row_within_a_day(mode):
    rows = random_rows(np.random.default_rng(1), 9)
    graph, walked = live_graph(mode, rows)
    graph.waiting = {3: {0: 1.0, 5: 2.0}}
    walked.absorb(watched([(10 * DAY_S + 5, 0, 1)], n_items=9))
    graph.waiting = {4: {}, 3: {1: 1.0}}
    walked.absorb(watched([(10 * DAY_S - 5, 0, 1)], n_items=11))
    table = walked.table()
    assert graph.asked == [(10 * DAY_S + 6, [3, 4])]
    assert table.n_items == 11
    everyone = np.arange(12, dtype=np.int32)
    rebuilt = WalkTable.build(edges_of(graph.rows))
    np.testing.assert_array_equal(table.degree(everyone), rebuilt.degree(everyone))
    assert walked.table() is table
    assert len(graph.asked) == 1


@pytest.mark.parametrize(
    ("mode", "whole"),
    [("none", False), ("half_life", False), ("expected", True), ("thinning", True)],
)
def test_tables_are_rewritten_whole_on_a_new_day_where_ageing_goes_by_days(mode, whole):
    graph, walked = live_graph(mode, random_rows(np.random.default_rng(1), 9))
    graph.waiting = {3: {0: 1.0}}
    walked.absorb(watched([(11 * DAY_S, 0, 1)], n_items=9))
    walked.table()
    assert graph.asked == [(11 * DAY_S + 1, None if whole else [3])]


def test_an_empty_batch_changes_nothing():
    _, walked = live_graph("expected", random_rows(np.random.default_rng(1), 9))
    table = walked.table()
    walked.absorb(watched([], n_items=9))
    assert walked.table() is table
    assert walked.clock_s == 10 * DAY_S


@pytest.mark.parametrize("mode", ["none", "half_life", "expected", "thinning"])
def test_time_that_passes_within_a_day_asks_the_graph_for_nothing(mode):
    graph, walked = live_graph(mode, random_rows(np.random.default_rng(1), 9))
    table, version = walked.table(), walked.version
    walked.advance(10 * DAY_S + 3600)
    walked.advance(9 * DAY_S)
    walked.settle()
    assert walked.table() is table
    assert graph.asked == []
    assert walked.version == version
    assert walked.clock_s == 10 * DAY_S + (3600 if mode == "half_life" else 0)


@pytest.mark.parametrize(
    ("mode", "whole"),
    [("none", False), ("half_life", False), ("expected", True), ("thinning", True)],
)
def test_a_day_that_begins_without_events_ages_what_goes_by_days(mode, whole):
    graph, walked = live_graph(mode, random_rows(np.random.default_rng(1), 9))
    table, version = walked.table(), walked.version
    walked.advance(11 * DAY_S + 7)
    walked.settle()
    assert graph.asked == ([(11 * DAY_S + 7, None)] if whole else [])
    assert (walked.table() is table, walked.version == version) == (not whole, not whole)


def test_what_is_settled_is_the_table_that_is_read():
    graph, walked = live_graph("none", random_rows(np.random.default_rng(1), 9))
    graph.waiting = {3: {0: 1.0}}
    walked.absorb(watched([(10 * DAY_S + 5, 0, 1)], n_items=9))
    walked.settle()
    assert len(graph.asked) == 1
    walked.table()
    assert len(graph.asked) == 1
