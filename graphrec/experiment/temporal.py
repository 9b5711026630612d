"""Train the temporal networks of an experiment, judge them once, and keep their weights."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from graphrec.errors import SettingsError, SnapshotError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.last_out import hold_out
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.ranks import ItemLists
from graphrec.evaluation.stream import same_second_lists
from graphrec.events.dataset import Dataset
from graphrec.events.history import HistoryIndex
from graphrec.experiment.running import events_of, load_data
from graphrec.experiment.settings import (
    ExperimentSettings,
    LastOutProtocol,
    Protocol,
    StreamProtocol,
    TemporalNetworkMethod,
    TimeSplitProtocol,
)
from graphrec.snapshot import Snapshot, is_snapshot, read_snapshot, write_snapshot
from graphrec.stages import Interactions
from graphrec.tgn.checkpoint import arrays_of_training, resume_training
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import (
    HeldOut,
    HeldOutPositions,
    HeldOutQueries,
    figures_of_ranks,
    held_out_ranks,
)
from graphrec.tgn.live import LiveItems
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.training import Epoch, Trainer, Verdict, train_network
from graphrec.tgn.weights import arrays_of_network, network_of_arrays

RESULT = "training.json"


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """One network, trained and judged.

    Attributes:
        method: Its name in tables.
        protocol: What it was judged by, such as `stream, strict`.
        seed: What it was started from.
        epochs: Every epoch; the best by validation was kept.
        validation: Figures of the kept weights on the validation part.
        test: Figures on the test part, computed once.
        weights: Folder of its snapshot.
    """

    method: str
    protocol: str
    seed: int
    epochs: list[Epoch]
    validation: dict[str, float]
    test: dict[str, float]
    weights: Path


@dataclass(frozen=True, slots=True)
class _Task:
    """What a network learns and is judged by.

    Attributes:
        label: Name of the protocol.
        events: The log that is indexed.
        n_training: The first so many of `events` are predicted in training.
        stale_batch: As in `TrainingSettings`.
        judges: Makes the validation and test parts.
        cut_s: All that is learnt lies before this time, UTC seconds.
    """

    label: str
    events: Interactions
    n_training: int
    stale_batch: int
    judges: Callable[[EventIndex, TemporalNetwork], tuple[HeldOut, HeldOut]]
    cut_s: int


Progress = Callable[[str, int, Epoch], None]
"""Told the run's name, how many epochs it may take, and the epoch that ended."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where networks are trained and kept, who is told, and whether to go on from checkpoints."""

    dataset: Dataset
    folder: Path
    device: torch.device
    progress: Progress | None
    resume: bool


def train_experiment(
    settings: ExperimentSettings,
    folder: Path,
    *,
    n_seeds: int = 1,
    device: torch.device,
    progress: Progress | None = None,
    resume: bool = False,
) -> list[TrainedRun]:
    """Train every temporal network of an experiment under every protocol, and judge each once.

    Args:
        settings: The experiment; its other methods are left alone.
        folder: Where `training.json` and the weights go; made if it is not there.
        n_seeds: How many seeds, counted up from each method's own.
        device: Where to train.
        progress: Told of each epoch.
        resume: Go on from the checkpoints of a training of the same experiment in `folder`.

    Raises:
        SettingsError: The experiment holds no temporal network, or a protocol does not fit.
        DataError: The data cannot be read.
        SnapshotError: The weights cannot be written.
    """
    methods = [m for m in settings.methods if isinstance(m, TemporalNetworkMethod)]
    if not methods:
        raise SettingsError(f"{settings.name} has no method tgn — there is nothing to train")
    dataset = load_data(settings.data)
    events = events_of(dataset, settings.data)
    place = _Place(dataset, folder, device, progress, resume)
    runs: list[TrainedRun] = []
    for protocol in settings.evaluate:
        task = _task_of(protocol, events)
        for method in methods:
            first = method.training.seed
            runs += [_train(method, seed, task, place) for seed in range(first, first + n_seeds)]
    provenance = provenance_of(
        dataset.name,
        dataset.sha256,
        methods[0].training.seed,
        settings.model_dump(mode="json", exclude={"data": {"path"}}),
    )
    _write_result(runs, folder, asdict(provenance) | {"device": device_name(device)})
    return runs


def build_temporal_source(method: TemporalNetworkMethod, dataset: Dataset) -> TemporalNetworkSource:
    """The source a method describes: with the weights it names, or to be trained by `fit`.

    Raises:
        SnapshotError: The weights are damaged, or belong to another log or another network.
    """
    content = content_of(dataset) if method.content else None
    if method.weights is None:
        return TemporalNetworkSource(method.network, method.training, content)
    trained = read_weights(method.weights, dataset)
    return TemporalNetworkSource(trained=trained)


def content_of(dataset: Dataset) -> NodeContent:
    """Publishers and keywords of each item, by the log's edges."""
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


def write_weights(network: TemporalNetwork, dataset: Dataset, cut_s: int, folder: Path) -> None:
    """Keep a trained network as a snapshot.

    Raises:
        SnapshotError: `folder` is something else, or cannot be written.
    """
    content = content_of(dataset) if network.content is not None else None
    settings = {
        "network": network.settings.model_dump(mode="json"),
        "n_publishers": content.n_publishers if content else 0,
        "n_keywords": content.n_keywords if content else 0,
        "data": dataset.name,
        "data_sha256": dataset.sha256,
    }
    counts = {"items": network.n_items, "parameters": sum(p.numel() for p in network.parameters())}
    write_snapshot(Snapshot(arrays_of_network(network), {}, settings, cut_s, counts), folder)


def read_weights(folder: Path, dataset: Dataset) -> TemporalNetwork:
    """A network that `write_weights` kept.

    Raises:
        SnapshotError: It is damaged, no network, or was trained on another log.
    """
    snapshot = read_snapshot(folder)
    if "network" not in snapshot.settings:
        raise SnapshotError(f"{folder} is no snapshot of a temporal network")
    if snapshot.settings["data_sha256"] != dataset.sha256:
        raise SnapshotError(
            f"{folder} was trained on {snapshot.settings['data']}, whose files differ from "
            f"{dataset.name}'s — its rows would name other items; train it again"
        )
    return network_of_arrays(
        snapshot.arrays,
        NetworkSettings.model_validate(snapshot.settings["network"]),
        snapshot.settings["n_publishers"],
        snapshot.settings["n_keywords"],
    )


def device_name(device: torch.device) -> str:
    """The card's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


class _Checkpoint:
    """Where one training stands after its last epoch, on disk."""

    def __init__(self, folder: Path, training: TrainingSettings, dataset: Dataset) -> None:
        self._folder = folder
        self._settings = {
            "training": training.model_dump(mode="json"),
            "data_sha256": dataset.sha256,
        }

    def write(self, trainer: Trainer, verdict: Verdict) -> None:
        arrays, rest = arrays_of_training(trainer, verdict)
        settings = self._settings | {"rest": rest}
        counts = {"epochs": len(verdict.epochs)}
        write_snapshot(Snapshot(arrays, {}, settings, 0, counts), self._folder)

    def resume(self, trainer: Trainer) -> Verdict | None:
        if not is_snapshot(self._folder):
            return None
        snapshot = read_snapshot(self._folder)
        for name, value in self._settings.items():
            if snapshot.settings.get(name) != value:
                raise SnapshotError(
                    f"{self._folder} holds a training with another {name} — train without --resume"
                )
        return resume_training(trainer, snapshot.arrays, snapshot.settings["rest"])


def _train(
    method: TemporalNetworkMethod,
    seed: int,
    task: _Task,
    place: _Place,
) -> TrainedRun:
    dataset, device, progress = place.dataset, place.device, place.progress
    name = method.name or "tgn"
    update = {"seed": seed, "stale_batch": method.training.stale_batch or task.stale_batch}
    training = TrainingSettings.model_validate(method.training.model_dump() | update)
    content = content_of(dataset) if method.content else NodeContent.nothing(dataset.n_items)
    torch.manual_seed(seed)
    network = TemporalNetwork(method.network, content, seed=seed).to(device)
    index = EventIndex(task.events, network.scale_s, device)
    validation, test = task.judges(index, network)
    target = torch.arange(task.n_training, device=device)
    label = f"{name}, {task.label}, seed {seed}"
    words = f"{name} {task.label} {seed}".replace(",", "").split()
    run_name = "-".join(words)
    trainer = Trainer(network, index, target, training)
    checkpoint = _Checkpoint(place.folder / "checkpoints" / run_name, training, dataset)
    epochs = train_network(
        trainer,
        validation,
        lambda epoch: progress(label, training.epochs, epoch) if progress else None,
        verdict=checkpoint.resume(trainer) if place.resume else None,
        keep=lambda verdict: checkpoint.write(trainer, verdict),
    )
    weights = place.folder / "weights" / run_name
    write_weights(network, dataset, task.cut_s, weights)
    return TrainedRun(
        name,
        task.label,
        seed,
        epochs,
        figures_of_ranks(held_out_ranks(network, validation)),
        figures_of_ranks(held_out_ranks(network, test)),
        weights,
    )


def _task_of(protocol: Protocol, events: Interactions) -> _Task:
    match protocol:
        case StreamProtocol():
            return _stream_task(protocol, events)
        case LastOutProtocol():
            return _last_out_task(protocol, events)
        case TimeSplitProtocol():
            raise SettingsError(
                "protocol time_split — temporal networks are trained for stream and last_out; "
                "measure them under time_split with graphrec evaluate"
            )


def _stream_task(protocol: StreamProtocol, events: Interactions) -> _Task:
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    start, middle, end = cuts.positions(events)
    stale = protocol.batch_size if protocol.regime == "batch" else 0
    spans = ((start, middle), (middle, end))
    tied = same_second_lists(events.take(slice(start, end)))
    if protocol.same_second == "keep":
        tied = ItemLists.empty(end - start)

    def judges(index: EventIndex, network: TemporalNetwork) -> tuple[HeldOut, HeldOut]:
        del network
        validation, test = (
            HeldOutPositions(
                index,
                torch.arange(first, last, device=index.device),
                torch.from_numpy(_padded(tied.part(first - start, last - start))).to(index.device),
                stale_batch=stale,
                hide_seen=protocol.seen == "hide",
            )
            for first, last in spans
        )
        return validation, test

    label = f"stream, {protocol.regime_name}"
    return _Task(label, events.take(slice(0, end)), start, stale, judges, cuts.validation_s)


def _last_out_task(protocol: LastOutProtocol, events: Interactions) -> _Task:
    held = hold_out(events, protocol)
    learnt = events.take(held.learnt("training"))
    history = HistoryIndex(events)
    cut_s = int(events.time_s[-1]) + 1

    def judges(index: EventIndex, network: TemporalNetwork) -> tuple[HeldOut, HeldOut]:
        items = LiveItems(network.n_items, network.scale_s, index.device)
        items.absorb(learnt)
        parts = []
        for split in (0, 1):
            position = held.position[held.split == split]
            queries = history.queries(
                events.user_row[position], np.full(len(position), cut_s, np.int64), position
            )
            target = torch.from_numpy(events.item_row[position].astype(np.int64))
            parts.append(
                HeldOutQueries(
                    queries, target.to(index.device), items, hide=protocol.seen == "hide"
                )
            )
        return parts[0], parts[1]

    label = f"last_out, {protocol.regime_name}"
    return _Task(label, learnt, len(learnt), 0, judges, cut_s)


def _padded(lists: ItemLists) -> np.ndarray:
    length = lists.stop - lists.start
    place = np.arange(max(1, length.max(initial=0)))
    inside = place < length[:, None]
    at = np.minimum(lists.start[:, None] + place, max(0, len(lists.item) - 1))
    if not len(lists.item):
        return np.full(inside.shape, -1, np.int64)
    return np.where(inside, lists.item[at], -1).astype(np.int64)


def _write_result(runs: list[TrainedRun], folder: Path, provenance: dict[str, object]) -> None:
    rows = [asdict(run) | {"weights": run.weights.name} for run in runs]
    text = json.dumps({"provenance": provenance, "runs": rows}, indent=2, default=str)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT
    fresh = path.with_suffix(".json.part")
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(path)
