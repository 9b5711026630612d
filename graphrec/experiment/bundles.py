"""A data set and its co-watch graph as one snapshot, and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Final, cast

import numpy as np
from jaxtyping import Shaped

from graphrec.errors import SnapshotError
from graphrec.events.dataset import Dataset
from graphrec.events.ids import IdMap
from graphrec.events.log import EdgeType, EventLog, NodeType
from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from graphrec.snapshot import Snapshot, read_snapshot, write_snapshot

_LOG_ARRAYS: Final = ("time_s", "edge_type", "source_row", "target_row", "weight")
_GRAPH: Final = "graph."
_IDS: Final = "ids."
_EVENT_ID: Final = "event_id"


def write_bundle(dataset: Dataset, graph: CoWatchGraph, folder: Path) -> dict[str, int]:
    """Write a log, its ids and tables, and the co-watch graph built from it.

    Args:
        dataset: The log; everything in it has been learnt by `graph`.
        graph: The co-watch graph.
        folder: Where; an existing snapshot is replaced.

    Returns:
        Sizes by name.

    Raises:
        SnapshotError: `folder` exists and is no snapshot, or cannot be written.
    """
    log = dataset.log
    arrays: dict[str, Shaped[np.ndarray, " ..."]] = {
        name: getattr(log, name) for name in _LOG_ARRAYS
    }
    if log.event_id is not None:
        arrays[_EVENT_ID] = log.event_id
    arrays |= {_GRAPH + name: array for name, array in graph.to_arrays().items()}
    tables = {"items": dataset.items, "users": dataset.users}
    if dataset.impressions is not None:
        tables["impressions"] = dataset.impressions
    tables |= {_IDS + node: ids.keys.to_frame("id") for node, ids in dataset.ids.items()}
    counts = {
        "events": len(log),
        **{f"{node}s": count for node, count in log.n_nodes.items()},
        "edges": len(graph.target_row),
        "pairs": graph.n_pairs,
    }
    settings = {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "edge_types": [asdict(kind) for kind in log.edge_types],
        "n_nodes": dict(log.n_nodes),
        "graph": graph.settings.model_dump(mode="json"),
    }
    cut_s = int(log.time_s[-1]) + 1 if len(log) else 0
    write_snapshot(Snapshot(arrays, tables, settings, cut_s, counts), folder)
    return counts


def read_bundle(folder: Path) -> tuple[Dataset, CoWatchGraph]:
    """The log and the graph of a snapshot.

    Raises:
        SnapshotError: It is damaged, or is a snapshot of something else.
    """
    snapshot = read_snapshot(folder)
    settings, arrays, tables = snapshot.settings, snapshot.arrays, snapshot.tables
    missing = {*_LOG_ARRAYS} - arrays.keys() | {"items", "users"} - tables.keys()
    if missing or "edge_types" not in settings:
        raise SnapshotError(
            f"{folder} is no snapshot of a log — it lacks {min(missing, default='')}"
        )
    log = EventLog(
        **{name: arrays[name] for name in _LOG_ARRAYS},
        edge_types=tuple(EdgeType(**kind) for kind in settings["edge_types"]),
        n_nodes=settings["n_nodes"],
        event_id=arrays.get(_EVENT_ID),
    )
    ids: dict[NodeType, IdMap] = {
        cast(NodeType, name.removeprefix(_IDS)): IdMap(table["id"], what=name.removeprefix(_IDS))
        for name, table in tables.items()
        if name.startswith(_IDS)
    }
    dataset = Dataset(
        settings["name"],
        log,
        ids,
        tables["items"],
        tables["users"],
        tables.get("impressions"),
        settings["sha256"],
    )
    graph = CoWatchGraph.from_arrays(
        {
            name.removeprefix(_GRAPH): array
            for name, array in arrays.items()
            if name.startswith(_GRAPH)
        },
        CoWatchSettings.model_validate(settings["graph"]),
    )
    return dataset, graph
