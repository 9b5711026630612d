"""The graph is read, cut, saved and handed to other libraries without loss."""

import networkx as nx
import numpy as np
import pytest

from graphrec.errors import DataError, SnapshotError
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from tests.graph.logs import START_S, assert_same_graph, wide_log
from tests.reference.cowatch import weights_as_dict
from tests.worlds import watched

AT_S = START_S + 150 * 86_400
PLAIN = CoWatchSettings(ageing=AgeingSettings(mode="none"))


def some_graph(**settings):
    return build_cowatch_graph(wide_log(800), CoWatchSettings(**settings))


def test_selected_nodes_are_read_in_the_order_asked_for():
    graph = some_graph()
    every = graph.weighted_edges(AT_S)
    nodes = np.array([7, 0, 7], np.int32)
    some = graph.weighted_edges(AT_S, nodes)
    for row, node in enumerate(nodes):
        asked, whole = slice(*some.ptr[row : row + 2]), slice(*every.ptr[node : node + 2])
        assert some.target_row[asked].tolist() == every.target_row[whole].tolist() != []
        assert some.weight[asked].tolist() == every.weight[whole].tolist()


@pytest.mark.parametrize("node", [-1, 31])
def test_unknown_nodes_are_refused(node):
    with pytest.raises(DataError, match=f"node {node} "):
        some_graph().weighted_edges(AT_S, np.array([node], np.int32))


def test_large_graphs_are_weighed_as_small_ones(monkeypatch):
    graph = some_graph(ageing=AgeingSettings(mode="thinning"))
    small = weights_as_dict(graph.weighted_edges(AT_S))
    monkeypatch.setattr("graphrec.graph.weighing._SMALL", 0)
    monkeypatch.setattr("graphrec.graph.weighing.available_threads", lambda: 3)
    assert weights_as_dict(graph.weighted_edges(AT_S)) == small


def test_pruning_keeps_the_heaviest_and_states_what_it_drops():
    # A→B weighs 3, A→C 1, A→D 1: with 2 neighbours D goes (C has the lower row), a fifth of A.
    rows = [(0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1), (0, 2, 0), (1, 2, 1), (0, 3, 0), (1, 3, 3)]
    rows += [(0, 4, 0), (1, 4, 2)]
    graph = build_cowatch_graph(watched(rows), PLAIN.model_copy(update={"max_neighbors": 2}))
    edges = graph.weighted_edges(0, np.array([1], np.int32))
    assert edges.target_row.tolist() == [1, 2]
    assert edges.weight.tolist() == [3.0, 1.0]
    assert graph.pruned_share(0)[:2].tolist() == [0.0, pytest.approx(0.2)]
    assert build_cowatch_graph(watched(rows), PLAIN).pruned_share(0).tolist() == [0.0] * 5


def test_pruning_agrees_with_sorting():
    graph = some_graph(weighted=True)
    pruned = graph.settings.model_copy(update={"max_neighbors": 4})
    kept = weights_as_dict(CoWatchGraph.from_arrays(graph.to_arrays(), pruned).weighted_edges(AT_S))
    by_node = {}
    for (node, target), weight in weights_as_dict(graph.weighted_edges(AT_S)).items():
        by_node.setdefault(node, []).append((-weight, target))
    assert kept == {
        (node, target): -weight
        for node, edges in by_node.items()
        for weight, target in sorted(edges)[:4]
    }


def test_scipy_matrix_and_cold_start_hold_every_edge():
    graph = some_graph()
    matrix = graph.to_scipy(AT_S).toarray()
    cold = graph.cold_start_weights(AT_S)
    expected = np.zeros((31, 30), np.float32)
    for (node, target), weight in weights_as_dict(graph.weighted_edges(AT_S)).items():
        expected[node, target] = weight
    np.testing.assert_array_equal(matrix, expected[1:])
    np.testing.assert_array_equal(cold, expected[0])
    assert matrix.dtype == cold.dtype == np.float32


def test_networkx_graph_holds_every_edge():
    graph = some_graph()
    exported = graph.to_networkx(AT_S)
    assert isinstance(exported, nx.DiGraph)
    assert set(exported) == {"cold start", *range(30)}
    found = {
        (0 if source == "cold start" else source + 1, target): weight
        for source, target, weight in exported.edges(data="weight")
    }
    assert found == weights_as_dict(graph.weighted_edges(AT_S))


# PyTorch Geometric compiles with torch.jit as it is imported.
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("mode", ["none", "half_life", "expected", "thinning"])
@pytest.mark.parametrize("max_neighbors", [None, 3])
def test_hetero_data_holds_every_edge(mode, max_neighbors):
    graph = some_graph(ageing=AgeingSettings(mode=mode), max_neighbors=max_neighbors)
    data = graph.to_hetero_data(AT_S)
    assert data["item"].num_nodes == 30
    found = {}
    for kind, first_node in (("item", 1), ("cold_start", 0)):
        relation = "co_watch" if first_node else "first_watch"
        edges = data[kind, relation, "item"]
        assert data.validate()
        for source, target, weight in zip(
            *edges.edge_index.tolist(), edges.edge_weight.tolist(), strict=True
        ):
            key = (source + first_node, target)
            found[key] = found.get(key, 0.0) + weight
        if mode == "expected":
            assert edges.edge_time.min() >= START_S - 86_400
            assert edges.edge_time.max() <= START_S + 91 * 86_400
            assert not (edges.edge_time % 86_400).any()
    assert found == pytest.approx(weights_as_dict(graph.weighted_edges(AT_S)), rel=1e-5)


@pytest.mark.parametrize("mode", ["none", "half_life", "expected"])
def test_arrays_come_back(mode):
    graph = some_graph(ageing=AgeingSettings(mode=mode))
    back = CoWatchGraph.from_arrays({**graph.to_arrays(), "other": graph.ptr}, graph.settings)
    assert_same_graph(back, graph)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("count", lambda a: None, "lacks the array 'count'"),
        ("count", lambda a: a.astype(np.int64), "'count' is int64"),
        ("count", lambda a: a[:-1], "'count' has"),
        ("count", lambda a: a * 0, "'count' holds 0"),
        ("cohort", lambda a: a[:0], "'cohort' has 0 entries"),
        ("strength", lambda a: a[:0], "'strength' has 0 entries"),
        ("strength", lambda a: -a, "'strength'"),
        ("ptr", lambda a: a[:-1], "'ptr' must run"),
        ("ptr", lambda a: a[[0, 2, 1, *range(3, len(a))]], "'ptr' decreases"),
        ("target_row", lambda a: a + 25, "'target_row' leaves"),
        ("target_row", lambda a: a[::-1].copy(), "not ascending"),
    ],
)
def test_damaged_arrays_are_refused(name, spoil, message):
    graph = some_graph(weighted=True, ageing=AgeingSettings(mode="expected"))
    arrays = graph.to_arrays()
    arrays[name] = spoil(arrays[name])
    if arrays[name] is None:
        del arrays[name]
    with pytest.raises(SnapshotError, match=message):
        CoWatchGraph.from_arrays(arrays, graph.settings)


def test_arrays_of_other_settings_are_refused():
    with pytest.raises(SnapshotError, match="'cohort'"):
        aged = some_graph(ageing=AgeingSettings(mode="expected"))
        CoWatchGraph.from_arrays(aged.to_arrays(), PLAIN)
