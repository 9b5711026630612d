"""The co-watch graph in the forms of SciPy and NetworkX."""

from typing import Final

import networkx as nx
import numpy as np
import scipy.sparse as sp

from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.edges import COLD_START_NODE

COLD_START: Final = "cold start"


def item_matrix(graph: CoWatchGraph, at_s: int) -> sp.csr_array:
    """Weights at `at_s` from item (row) to item (column), float32, without the cold-start node."""
    nodes = np.arange(1, graph.n_items + 1, dtype=np.int32)
    edges = graph.weighted_edges(at_s, nodes)
    shape = (graph.n_items, graph.n_items)
    return sp.csr_array((edges.weight, edges.target_row, edges.ptr), shape=shape)


def directed_graph(graph: CoWatchGraph, at_s: int) -> nx.DiGraph:
    """Weights at `at_s` as edges between item rows, and from `"cold start"` to item rows."""
    edges = graph.weighted_edges(at_s)
    exported = nx.DiGraph()
    exported.add_node(COLD_START)
    exported.add_nodes_from(range(graph.n_items))
    sources = np.repeat(np.arange(graph.n_items + 1) - 1, np.diff(edges.ptr)).tolist()
    exported.add_weighted_edges_from(
        (COLD_START if source == COLD_START_NODE - 1 else source, target, weight)
        for source, target, weight in zip(
            sources, edges.target_row.tolist(), edges.weight.tolist(), strict=True
        )
    )
    return exported
