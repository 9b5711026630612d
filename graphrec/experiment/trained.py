"""Trained networks on disk: kept with what they were trained on, and refused anywhere else."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from graphrec.errors import SettingsError, SnapshotError
from graphrec.events.dataset import Dataset
from graphrec.events.event_keys import event_keys
from graphrec.events.log import NodeType
from graphrec.experiment.item_columns import item_features_of
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.settings import ExperimentSettings
from graphrec.experiment.side_log import side_log_of
from graphrec.experiment.temporal_parts import temporal_parts
from graphrec.snapshot import Snapshot, read_snapshot, write_snapshot
from graphrec.tgn.content import NodeContent
from graphrec.tgn.name_text import sentence_vectors
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.side_events import SideNodes
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.weights import arrays_of_network, network_of_arrays


class TrainedWeights(NamedTuple):
    """A trained network and how it came about.

    Attributes:
        network: The network.
        cut_s: Everything it learnt lies before this time, UTC seconds.
        protocol: What it was trained for, such as `stream`.
        training: How; it goes on learning by this, where it does.
    """

    network: TemporalNetwork
    cut_s: int
    protocol: str
    training: TrainingSettings


def build_temporal_source(method: TemporalNetworkMethod, dataset: Dataset) -> TemporalNetworkSource:
    """The source a method describes: with the weights it names, or to be trained by `fit`.

    Raises:
        SnapshotError: The weights are damaged, or belong to another log or another network.
        SettingsError: The method needs more than a source is told of events.
    """
    if method.weights is None and (method.target_weights or method.learn_refusals):
        raise SettingsError(
            "target_weights and learn_refusals are learnt by `graphrec train` alone — train the "
            "network there and name its weights"
        )
    if method.weights is None:
        return TemporalNetworkSource(
            method.network,
            method.training,
            content_for(method, dataset),
            side=side_log_of(dataset, method.network, method.side_types),
        )
    return source_of_weights(read_weights(method.weights, dataset), dataset)


def source_of_weights(trained: TrainedWeights, dataset: Dataset) -> TemporalNetworkSource:
    """A source with a trained network and the side events that it reads.

    Raises:
        SettingsError: The log has no events of the types that it was trained with.
    """
    network = trained.network
    names = [kind.name for kind in network.side_nodes.kinds]
    return TemporalNetworkSource(
        training=trained.training,
        trained=network,
        trained_until_s=trained.cut_s,
        side=side_log_of(dataset, network.settings, names),
    )


def content_for(method: TemporalNetworkMethod, dataset: Dataset) -> NodeContent:
    """What a method's network is told of the items.

    Raises:
        SettingsError: A column of `item_features` is no feature, or no sentence model is installed.
    """
    known = content_of(dataset) if method.content else NodeContent.nothing(dataset.n_items)
    if method.network.text != "none" and known.n_names:
        known = replace(known, text=_names_in_letters(dataset))
    if method.network.text == "minilm" and known.n_names:
        known = replace(known, sentence=sentence_vectors(known.text))
    return replace(known, features=item_features_of(dataset.items, method.item_features))


def content_of(dataset: Dataset) -> NodeContent:
    """Publishers and keywords of each item, by the log's edges.

    The whole log counts: what stands at an item is known once it is published, and nothing is known
    of who will want it.
    """
    log = dataset.log
    n_publishers = log.n_nodes.get("publisher", 0)
    n_keywords = log.n_nodes.get("keyword", 0)
    item, name = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for place, kind in enumerate(log.edge_types):
        if kind.source != "item" or kind.target not in ("publisher", "keyword"):
            continue
        mine = log.edge_type == place
        first = 0 if kind.target == "publisher" else n_publishers
        item.append(log.source_row[mine].astype(np.int64))
        name.append(log.target_row[mine].astype(np.int64) + first)
    items, names = np.concatenate(item), np.concatenate(name)
    order = np.lexsort([names, items])
    ptr = np.searchsorted(items[order], np.arange(dataset.n_items + 1))
    return NodeContent(
        dataset.n_items, n_publishers, n_keywords, ptr.astype(np.int64), names[order]
    )


def write_weights(trained: TrainedWeights, dataset: Dataset, folder: Path) -> None:
    """Keep a trained network as a snapshot.

    Args:
        trained: What to keep.
        dataset: The log its rows belong to.
        folder: Where; an existing snapshot is replaced.

    Raises:
        SnapshotError: `folder` is something else, or cannot be written.
    """
    network = trained.network
    content = network.content
    settings = {
        "network": network.settings.model_dump(mode="json"),
        "training": trained.training.model_dump(mode="json"),
        "n_publishers": content.n_publishers if content else 0,
        "n_keywords": content.n_keywords if content else 0,
        "side": asdict(network.side_nodes),
        "data": dataset.name,
        "data_sha256": data_key(dataset),
        "protocol": trained.protocol,
    }
    counts = {"items": network.n_items, "parameters": sum(p.numel() for p in network.parameters())}
    arrays = arrays_of_network(network)
    write_snapshot(Snapshot(arrays, {}, settings, trained.cut_s, counts), folder)


def read_weights(folder: Path, dataset: Dataset) -> TrainedWeights:
    """What `write_weights` kept.

    Raises:
        SnapshotError: It is damaged, no network, or was trained on another log.
    """
    snapshot = read_snapshot(folder)
    if "network" not in snapshot.settings:
        raise SnapshotError(f"{folder} is no snapshot of a temporal network")
    try:
        kept = _Kept.model_validate(snapshot.settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SnapshotError(f"{folder / 'manifest.json'}: {place} — {first['msg']}") from error
    if kept.data_sha256 != data_key(dataset):
        raise SnapshotError(
            f"{folder} was trained on {kept.data}, which differs from {dataset.name} — its rows "
            "would name other items; train it again"
        )
    try:
        network = network_of_arrays(
            snapshot.arrays, kept.network, kept.n_publishers, kept.n_keywords, kept.side
        )
    except SettingsError as error:
        raise SnapshotError(f"{folder / 'manifest.json'}: side — {error}") from error
    return TrainedWeights(network, snapshot.cut_s, kept.protocol, kept.training)


def refuse_weights_of_another_protocol(settings: ExperimentSettings, dataset: Dataset) -> None:
    """Check that no network is judged on events it may have been trained on.

    A `last_out` protocol holds out events of all times, so that no cut tells them apart.

    Raises:
        SnapshotError: Weights cannot be read, or were trained for a protocol of another kind.
    """
    for part in (part for method in settings.methods for part in temporal_parts(method)):
        if part.weights is None:
            continue
        protocol = read_weights(part.weights, dataset).protocol
        for asked in settings.evaluate:
            if (asked.protocol == "last_out") != (protocol == "last_out"):
                raise SnapshotError(
                    f"{part.weights} was trained for {protocol} and may have learnt what "
                    f"{asked.protocol} holds out — train it for {asked.protocol}"
                )


def data_key(dataset: Dataset) -> str:
    """Hash of a log and of the order of its ids, which its rows count in; hex.

    Of a log that was read its files stand for the events; of one that was made the events
    themselves.
    """
    digest = hashlib.sha256(dataset.sha256.encode())
    log = dataset.log
    if not dataset.sha256:
        for column in (log.time_s, log.edge_type, log.source_row, log.target_row, log.weight):
            digest.update(np.ascontiguousarray(column).tobytes())
    for node, ids in sorted(dataset.ids.items()):
        digest.update(f"{node} {len(ids)} ".encode())
        digest.update(event_keys(ids.keys).tobytes())
    return digest.hexdigest()


def _names_in_letters(dataset: Dataset) -> tuple[str, ...]:
    kinds: tuple[NodeType, ...] = ("publisher", "keyword")
    return tuple(
        str(key)
        for kind in kinds
        if dataset.log.n_nodes.get(kind, 0)
        for key in dataset.ids[kind].keys.to_list()
    )


class _Kept(BaseModel):
    """What the manifest of weights says."""

    network: NetworkSettings
    training: TrainingSettings = Field(TrainingSettings(), description="How it was trained.")
    n_publishers: int = Field(ge=0, description="Publishers the network knows.")
    n_keywords: int = Field(ge=0, description="Keywords the network knows.")
    side: SideNodes = Field(SideNodes(), description="What its side events may be.")
    data: str = Field(description="Name of the log.")
    data_sha256: str = Field(description="Its hash.")
    protocol: str = Field(description="What the network was trained for.")
