"""The live graph ends where the batch build ends, however events arrive."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graphrec.errors import DataError, SnapshotError
from graphrec.graph import delta as delta_module
from graphrec.graph import live as live_module
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from tests.graph.logs import START_S, assert_same_graph, cowatch_settings, logs, wide_log
from tests.worlds import watched

PLAIN = CoWatchSettings(ageing=AgeingSettings(mode="none"))


def edges_of(graph, node, at_s=0):
    edges = graph.weighted_edges(at_s, np.array([node], np.int32))
    return dict(zip(edges.target_row.tolist(), edges.weight.tolist(), strict=True))


@hypothesis_settings(deadline=None, max_examples=60)
@given(logs(), cowatch_settings(), st.data())
def test_live_ends_where_the_batch_build_ends(events, settings, data):
    batch = build_cowatch_graph(events, settings)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4), label="cuts"))
    live = LiveCoWatchGraph(settings, n_threads=1)
    chunks = list(zip([0, *cuts], [*cuts, len(events)], strict=True))
    if data.draw(st.booleans(), label="from a batch"):
        live.reset(events.take(slice(*chunks.pop(0))))
    at_s = START_S + data.draw(st.integers(0, 10), label="age days") * 86_400
    for start, stop in chunks:
        before = live.weighted_edges(at_s)
        changed = live.absorb(events.take(slice(start, stop)))
        after = live.weighted_edges(at_s)
        for node in range(min(len(before.ptr), len(after.ptr)) - 1):
            if node not in changed:
                old, new = slice(*before.ptr[node : node + 2]), slice(*after.ptr[node : node + 2])
                assert before.target_row[old].tolist() == after.target_row[new].tolist()
                assert before.weight[old].tolist() == after.weight[new].tolist()
    read = live.weighted_edges(at_s) if chunks else batch.weighted_edges(at_s)
    expected = batch.weighted_edges(at_s)
    assert read.target_row.tolist() == expected.target_row.tolist()
    np.testing.assert_allclose(read.weight, expected.weight, rtol=1e-6)
    assert_same_graph(live.freeze(), batch)


def test_late_event_pushes_pairs_out_of_reach():
    # user 0 watches 1, 2, then it turns out: 3 in between; one successor counts.
    #   1 -> 2            becomes            1 -> 3 -> 2
    settings = PLAIN.model_copy(update={"max_successors": 1})
    live = LiveCoWatchGraph(settings)
    live.absorb(watched([(0, 0, 1), (20, 0, 2)], n_items=4))
    assert edges_of(live, 2) == {2: 1.0}
    changed = live.absorb(watched([(10, 0, 3)], n_items=4))
    assert changed.tolist() == [2, 4]
    assert edges_of(live, 2) == {3: 1.0}
    assert edges_of(live, 4) == {2: 1.0}


def test_earlier_first_event_moves_the_cold_start_edge():
    live = LiveCoWatchGraph(PLAIN)
    live.absorb(watched([(20, 0, 1)], n_items=3))
    assert edges_of(live, 0) == {1: 1.0}
    assert 0 in live.absorb(watched([(10, 0, 2)], n_items=3))
    assert edges_of(live, 0) == {2: 1.0}


def test_equal_times_keep_the_order_of_arrival():
    live = LiveCoWatchGraph(PLAIN)
    live.absorb(watched([(10, 0, 1)], n_items=3))
    live.absorb(watched([(10, 0, 2)], n_items=3))
    assert edges_of(live, 2) == {2: 1.0}
    assert edges_of(live, 3) == {}


def test_repeated_event_id_counts_once_over_batches():
    live = LiveCoWatchGraph(PLAIN)
    live.absorb(watched([(0, 0, 0), (1, 0, 1)], event_id=[0, 9]))
    live.absorb(watched([(1, 0, 1), (2, 0, 1), (3, 0, 0)], event_id=[9, 0, 7]))
    assert live.n_events == 3
    assert edges_of(live, 1) == {1: 1.0}
    assert edges_of(live, 2) == {0: 1.0}


def test_new_users_and_items_get_rows():
    live = LiveCoWatchGraph(PLAIN)
    live.reset(watched([(0, 0, 0), (1, 0, 1)]))
    live.absorb(watched([(5, 7, 9), (6, 7, 0)]))
    assert (live.n_users, live.n_items) == (8, 10)
    assert edges_of(live, 10) == {0: 1.0}
    assert live.freeze().n_items == 10
    live.absorb(watched([], n_users=9, n_items=12))
    assert live.freeze().n_items == 12
    assert live.settings == PLAIN


@pytest.mark.parametrize("mode", ["none", "half_life", "expected"])
def test_compaction_changes_no_answer(monkeypatch, mode):
    settings = CoWatchSettings(max_successors=20, weighted=True, ageing=AgeingSettings(mode=mode))
    events = wide_log(4000)
    late = events.take(np.random.default_rng(3).permutation(len(events)))
    live = LiveCoWatchGraph(settings)
    monkeypatch.setattr(live_module, "_FEWEST_TO_COMPACT", 500)
    monkeypatch.setattr(delta_module, "_FEWEST_SLOTS", 16)
    live.reset()
    n_changes = []
    for start in range(0, len(late), 300):
        live.absorb(late.take(slice(start, start + 300)))
        n_changes.append(live.n_changes)
    assert min(np.diff(n_changes)) < 0, "no compaction happened"
    assert_same_graph(live.freeze(), build_cowatch_graph(late, settings))


def test_refused_events_leave_the_graph_as_it_was():
    live = LiveCoWatchGraph(PLAIN)
    live.absorb(watched([(0, 0, 0), (1, 0, 1)], event_id=[1, 2]))
    before = live.freeze()
    with pytest.raises(DataError, match="item row 5"):
        live.absorb(watched([(2, 0, 1), (3, 0, 5)], n_items=2, event_id=[3, 4]))
    with pytest.raises(DataError, match="item row 5"):
        live.reset(watched([(3, 0, 5)], n_items=2))
    assert live.freeze() is before
    live.absorb(watched([(2, 0, 1), (3, 0, 0)], event_id=[3, 4]))
    assert live.n_events == 4


def test_too_many_events_are_refused(monkeypatch):
    live = LiveCoWatchGraph(PLAIN)
    monkeypatch.setattr(type(live), "n_events", property(lambda self: (1 << 31) - 3))
    with pytest.raises(DataError, match="2\\^31"):
        live.absorb(watched([(0, 0, 0), (1, 0, 0)]))


def test_pruning_reads_base_and_changes_together():
    live = LiveCoWatchGraph(PLAIN.model_copy(update={"max_neighbors": 1}))
    live.reset(watched([(0, 0, 0), (1, 0, 1)], n_items=3))
    live.absorb(watched([(0, 1, 0), (1, 1, 2), (0, 2, 0), (1, 2, 2)], n_items=3))
    assert edges_of(live, 1) == {2: 2.0}
    assert live.pruned_share(0, np.array([1, 2], np.int32)).tolist() == [pytest.approx(1 / 3), 0.0]
    open_graph = LiveCoWatchGraph(PLAIN)
    open_graph.absorb(watched([(0, 0, 0)]))
    assert open_graph.pruned_share(0).tolist() == [0.0, 0.0]


def test_unknown_node_is_refused():
    with pytest.raises(DataError, match="node 1 "):
        LiveCoWatchGraph(PLAIN).weighted_edges(0, np.array([1], np.int32))


@pytest.mark.parametrize("weighted", [False, True])
def test_saved_state_lives_on(weighted):
    settings = CoWatchSettings(weighted=weighted)
    events = replace(wide_log(600), event_id=np.arange(600, dtype=np.uint64))
    events = events.take(np.random.default_rng(5).permutation(600))
    live = LiveCoWatchGraph(settings)
    live.absorb(events.take(slice(0, 400)))
    revived = LiveCoWatchGraph.from_arrays(live.to_arrays(), settings)
    assert_same_graph(revived.freeze(), live.freeze())
    revived.absorb(events.take(slice(300, 600)))
    assert_same_graph(revived.freeze(), build_cowatch_graph(events, settings))


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("time_s", lambda a: None, "lacks the array 'time_s'"),
        ("item_row", lambda a: a.astype(np.int64), "'item_row' is int64"),
        ("item_row", lambda a: a[:-1], "'item_row' has 3 entries"),
        ("n_items", lambda a: a - 1, "item row 2"),
        ("user_ptr", lambda a: a[::-1].copy(), "'user_ptr'"),
        ("time_s", lambda a: a[::-1].copy(), "not sorted"),
        ("weight", lambda a: -a, "weight"),
    ],
)
def test_damaged_state_is_refused(name, spoil, message):
    settings = CoWatchSettings(weighted=True)
    live = LiveCoWatchGraph(settings)
    live.absorb(watched([(0, 0, 0), (5, 0, 1), (3, 1, 2), (9, 1, 0)]))
    arrays = live.to_arrays()
    arrays[name] = spoil(arrays[name])
    if arrays[name] is None:
        del arrays[name]
    with pytest.raises(SnapshotError, match=message):
        LiveCoWatchGraph.from_arrays(arrays, settings)
