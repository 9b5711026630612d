"""The co-watch graph: who watched what after what, by date, read with weights of any moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Shaped

from graphrec.graph.cowatch_state import DTYPES, check_arrays
from graphrec.graph.edges import COLD_START_NODE, WeightedEdges
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.weighing import DatedEdges, check_nodes, prune, weigh

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse as sp
    from torch_geometric.data import HeteroData


@dataclass(frozen=True, slots=True)
class CoWatchGraph:
    """Pairs of events merged by (source node, target, cohort).

    Node 0 is the cold-start node, item row i is node i + 1. The graph knows no "now": it holds
    every pair it was built from, and pairs dated after the moment of a question count with age 0.
    Whoever asks about the past builds from the past.

    Attributes:
        ptr: Node n's entries are `[ptr[n], ptr[n + 1])`, ascending by (target, cohort).
        target_row: Item row each entry leads to.
        cohort: Span its pairs are dated in, counted from 1970 in `settings.ageing.cohort_s`;
            empty where nothing ages.
        count: Pairs of events that each entry merges, > 0.
        strength: Sum of their strengths as of the cohort's start, unitless; empty where it is the
            count.
        settings: Which pairs count, and how they age.
    """

    ptr: Int64[np.ndarray, " nodes_and_end"]
    target_row: Int32[np.ndarray, " edges"]
    cohort: Int32[np.ndarray, " _"]
    count: Int32[np.ndarray, " edges"]
    strength: Float64[np.ndarray, " _"]
    settings: CoWatchSettings

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return len(self.ptr) - 2

    @property
    def n_pairs(self) -> int:
        """Pairs of events, first events of users included."""
        return int(self.count.sum(dtype=np.int64))

    def dated_edges(self, nodes: Int32[np.ndarray, " nodes"] | None = None) -> DatedEdges:
        """Edges of `nodes` (None: of every node) by cohort.

        Raises:
            DataError: A node does not exist.
        """
        if nodes is None:
            nodes = np.arange(self.n_items + 1, dtype=np.int32)
        check_nodes(nodes, self.n_items + 1)
        start, stop = self.ptr[nodes], self.ptr[nodes + 1]
        return DatedEdges(
            nodes, start, stop, self.target_row, self.cohort, self.count, self.strength
        )

    def weighted_edges(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> WeightedEdges:
        """Outgoing edges as they weigh at `at_s`, cut to `max_neighbors` where that is set.

        Args:
            at_s: The moment, UTC seconds.
            nodes: Nodes to read, in any order; None reads every node in order.

        Returns:
            One row for each node asked for.

        Raises:
            DataError: A node does not exist.
        """
        edges = weigh(self.dated_edges(nodes), self.settings, at_s)
        limit = self.settings.max_neighbors
        return edges if limit is None else prune(edges, limit)[0]

    def pruned_share(
        self, at_s: int, nodes: Int32[np.ndarray, " nodes"] | None = None
    ) -> Float64[np.ndarray, " nodes"]:
        """Share of each node's weight that `max_neighbors` drops at `at_s`: its error.

        Args:
            at_s: The moment, UTC seconds.
            nodes: Nodes to read; None reads every node.

        Returns:
            Shares in [0, 1); half the L1 distance between the walk's steps with and without
            pruning. All 0 where `max_neighbors` is not set.

        Raises:
            DataError: A node does not exist.
        """
        edges = weigh(self.dated_edges(nodes), self.settings, at_s)
        limit = self.settings.max_neighbors
        return np.zeros(len(edges.ptr) - 1) if limit is None else prune(edges, limit)[1]

    def cold_start_weights(self, at_s: int) -> Float32[np.ndarray, " items"]:
        """Weight of the cold-start node's edge to every item at `at_s`; 0 where there is none."""
        edges = self.weighted_edges(at_s, np.array([COLD_START_NODE], np.int32))
        weights = np.zeros(self.n_items, np.float32)
        weights[edges.target_row] = edges.weight
        return weights

    def to_scipy(self, at_s: int) -> "sp.csr_array":
        """Weights at `at_s`, a float32 matrix (items, items); `cold_start_weights` stand apart."""
        from graphrec.graph.exports import item_matrix

        return item_matrix(self, at_s)

    def to_networkx(self, at_s: int) -> "nx.DiGraph":
        """Item rows and the node `"cold start"`, with edges of attribute `weight` at `at_s`."""
        from graphrec.graph.exports import directed_graph

        return directed_graph(self, at_s)

    def to_hetero_data(self, at_s: int) -> "HeteroData":
        """The graph at `at_s` for PyTorch Geometric, which has to be installed; see `hetero.py`."""
        from graphrec.graph.hetero import hetero_data

        return hetero_data(self, at_s)

    def to_arrays(self) -> dict[str, Shaped[np.ndarray, " _"]]:
        """Arrays that `from_arrays` takes back; the settings are saved by the caller."""
        return {name: getattr(self, name) for name in DTYPES}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Shaped[np.ndarray, " _"]], settings: CoWatchSettings
    ) -> "CoWatchGraph":
        """The graph that `to_arrays` gave.

        Args:
            arrays: Arrays by name; others than the graph's are left alone.
            settings: Settings the graph was built with.

        Raises:
            SnapshotError: An array is missing, of another type or length, or holds what no graph
                of these settings can.
        """
        check_arrays(arrays, settings)
        return cls(**{name: arrays[name] for name in DTYPES}, settings=settings)
