"""An event log as PyTorch Geometric's typed graph: every event a timed edge."""

from typing import TYPE_CHECKING

import numpy as np

from graphrec.events.log import EventLog

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


def hetero_data_of_log(log: EventLog) -> "HeteroData":
    """Typed nodes and timed, weighted edges of a log.

    Every node type of the log has `num_nodes`; node i is row i. Every edge type with an event has
    the key `(source type, name, target type)` with `edge_index` (int64), `time` (int64 UTC seconds,
    never decreasing, so that PyG's temporal samplers read it) and `edge_weight` (float32: the
    event's value times its type's weight).

    Args:
        log: The events.
    """
    import torch
    from torch_geometric.data import HeteroData

    data = HeteroData()
    for node, count in log.n_nodes.items():
        data[node].num_nodes = count
    for place, kind in enumerate(log.edge_types):
        events = log.take(log.edge_type == place)
        if not len(events):
            continue
        ends = np.stack([events.source_row, events.target_row]).astype(np.int64)
        edges = data[kind.source, kind.name, kind.target]
        edges.edge_index = torch.from_numpy(ends)
        edges.time = torch.from_numpy(events.time_s)
        edges.edge_weight = torch.from_numpy(events.weight * np.float32(kind.weight))
    return data
