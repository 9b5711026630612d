"""A log as PyG's typed graph."""

import pytest
import torch

from graphrec.events.world import generate_world
from graphrec.events.world.settings import WorldSettings
from graphrec.graph.hetero_log import hetero_data_of_log

# PyTorch Geometric compiles with torch.jit as it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def log():
    return generate_world(WorldSettings(name="w", n_events=1500, days=20)).dataset.log


def test_every_event_is_an_edge_with_its_time_and_weight(log):
    data = hetero_data_of_log(log)
    assert sum(data[kind].edge_index.shape[1] for kind in data.edge_types) == len(log)
    for place, kind in enumerate(log.edge_types):
        mine = log.edge_type == place
        if not mine.any():
            assert (kind.source, kind.name, kind.target) not in data.edge_types
            continue
        edges = data[kind.source, kind.name, kind.target]
        assert edges.edge_index.tolist() == [
            log.source_row[mine].tolist(),
            log.target_row[mine].tolist(),
        ]
        assert edges.time.tolist() == log.time_s[mine].tolist()
        expected = torch.from_numpy(log.weight[mine]) * kind.weight
        torch.testing.assert_close(edges.edge_weight, expected)


def test_the_graph_is_valid_and_holds_all_nodes(log):
    data = hetero_data_of_log(log)
    assert data.validate()
    assert {node: data[node].num_nodes for node in data.node_types} == dict(log.n_nodes)
