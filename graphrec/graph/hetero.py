"""The co-watch graph in the form of PyTorch Geometric; the one door to torch."""

from typing import TYPE_CHECKING

import numpy as np

from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.weighing import entry_weights

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


def hetero_data(graph: CoWatchGraph, at_s: int) -> "HeteroData":
    """Typed edges with weights at `at_s` and the time their cohort starts.

    Node types are `item` (node i is item row i) and `cold_start` (one node); edge types are
    `(item, co_watch, item)` and `(cold_start, first_watch, item)`, each with `edge_index`,
    `edge_weight` (float32) and `edge_time` (int64 UTC seconds, 0 where nothing ages). An item pair
    has one edge for each cohort; their weights sum to the weight of `weighted_edges`.

    Args:
        graph: The graph; with `max_neighbors` set, only edges that pruning keeps are exported.
        at_s: The moment, UTC seconds.
    """
    import torch
    from torch_geometric.data import HeteroData

    dated = graph.dated_edges()
    weight = entry_weights(dated, graph.settings, at_s)
    source = np.repeat(dated.node.astype(np.int64), dated.stop - dated.start)
    kept = graph.weighted_edges(at_s)
    kept_source = np.repeat(dated.node.astype(np.int64), np.diff(kept.ptr))
    n = np.int64(graph.n_items)
    exported = np.isin(source * n + dated.target_row, kept_source * n + kept.target_row)
    exported &= weight > 0
    cohort_s = graph.settings.ageing.cohort_s
    time_s = (
        dated.cohort.astype(np.int64) * cohort_s if cohort_s else np.zeros(len(source), np.int64)
    )
    data = HeteroData()
    data["item"].num_nodes = graph.n_items
    data["cold_start"].num_nodes = 1
    for kind, mask, first_node in (
        (("item", "co_watch", "item"), exported & (source > 0), 1),
        (("cold_start", "first_watch", "item"), exported & (source == 0), 0),
    ):
        ends = np.stack([source[mask] - first_node, dated.target_row[mask].astype(np.int64)])
        data[kind].edge_index = torch.from_numpy(ends)
        data[kind].edge_weight = torch.from_numpy(weight[mask])
        data[kind].edge_time = torch.from_numpy(time_s[mask])
    return data
