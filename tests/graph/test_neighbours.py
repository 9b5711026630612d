"""What goes with an item: weights, dates of pairs, links, against a look at every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError
from graphrec.graph import live as live_module
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.walk_graph import WalkGraph
from tests.worlds import watched

EVENTS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40
)


def newest_by_hand(rows, graph_settings):
    """Every pair of every user, one by one."""
    newest = {}
    for user in {user for _, user, _ in rows}:
        own = sorted((row for row in rows if row[1] == user), key=lambda row: row[0])
        # Equal times stand in order of their items in a timeline that packs both.
        for place, (time_s, _, item) in enumerate(own):
            for later_s, _, later in own[place + 1 : place + 1 + graph_settings.max_successors]:
                if later_s - time_s <= graph_settings.window_s:
                    newest[item, later] = max(newest.get((item, later), 0), later_s)
    return newest


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 40))
def test_newest_pairs_are_those_of_a_look_at_every_pair(rows, cut):
    # Distinct times, so that no order among ties is at stake.
    rows = [(100 * place + time_s, user, item) for place, (time_s, user, item) in enumerate(rows)]
    graph_settings = CoWatchSettings(window_hours=0.5, max_successors=2)
    graph = LiveCoWatchGraph(graph_settings, n_threads=1)
    graph.reset(watched(rows[:cut], n_users=4, n_items=6))
    graph.absorb(watched(rows[cut:][::-1], n_users=4, n_items=6))
    by_hand = newest_by_hand(rows, graph_settings)
    targets = np.arange(6, dtype=np.int32)
    for item in range(6):
        found = graph.newest_pairs_s(item, targets).tolist()
        assert found == [by_hand.get((item, target), NEVER_S) for target in range(6)]


def drawn_graph():
    # ann: 0 1 2, bob: 0 1, eve: 1 2 0, a day apart from each other.
    rows = [(10, 0, 0), (20, 0, 1), (30, 0, 2), (90_010, 1, 0), (90_020, 1, 1)]
    rows += [(180_010, 2, 1), (180_020, 2, 2), (180_030, 2, 0)]
    graph = WalkGraph(LiveCoWatchGraph(CoWatchSettings(), n_threads=1))
    graph.fit(watched(rows), 200_000, "drawn")
    return graph


def test_neighbours_stand_by_weight_with_dates_and_links_among_them():
    found = drawn_graph().neighbours_of(0, 5)
    assert found.item_row.tolist() == [1, 2] and found.weight.tolist() == [2.0, 1.0]
    assert found.newest_s.tolist() == [90_020, 30]
    assert (found.n_out, found.weight_out) == (2, 3.0)
    links = zip(found.link_source, found.link_target, found.link_weight, strict=True)
    # Item 1 stands in place 0 and leads to item 2 twice; item 2 leads to 0 alone, which asks.
    assert list(links) == [(0, 1, 2.0)]


def test_only_the_heaviest_are_shown_and_all_are_counted():
    found = drawn_graph().neighbours_of(0, 1)
    assert found.item_row.tolist() == [1]
    assert (found.n_out, found.weight_out) == (2, 3.0)
    assert len(found.link_source) == 0


def test_an_item_without_edges_has_no_neighbours():
    graph = WalkGraph(LiveCoWatchGraph(CoWatchSettings(), n_threads=1))
    graph.fit(watched([(1, 0, 0)], n_items=2), 2, "drawn")
    found = graph.neighbours_of(1, 3)
    assert len(found.item_row) == 0 and found.n_out == 0 and found.weight_out == 0
    with pytest.raises(DataError, match="node 3"):
        graph.neighbours_of(2, 3)
    with pytest.raises(DataError, match="at least 1 neighbour"):
        graph.neighbours_of(0, 0)


def test_pairs_of_a_long_log_are_not_dated(monkeypatch):
    monkeypatch.setattr(live_module, "MOST_DATED", 7)
    found = drawn_graph().neighbours_of(0, 5)
    assert found.newest_s.tolist() == [NEVER_S, NEVER_S]


def test_edges_are_counted_as_they_are_held():
    graph = drawn_graph()
    before = graph.n_entries
    assert before == len(graph.edges().weight)
    graph.absorb(watched([(200_000, 3, 2), (200_010, 3, 0)]))
    assert graph.n_entries > before
