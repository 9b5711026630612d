"""Train the temporal networks of an experiment, judge them once, and keep their weights."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from graphrec.errors import SettingsError, SnapshotError
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.results import SLICES, Questions
from graphrec.events.dataset import Dataset
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.reading import settings_of
from graphrec.experiment.running import events_of, load_data
from graphrec.experiment.settings import DataSettings, ExperimentSettings
from graphrec.experiment.side_log import side_log_of
from graphrec.experiment.target_weights import refused_items, weighed_events
from graphrec.experiment.trained import TrainedWeights, content_for, data_key, write_weights
from graphrec.experiment.training_tasks import Task, task_of
from graphrec.snapshot import Snapshot, is_snapshot, read_snapshot, write_snapshot
from graphrec.stages import Interactions
from graphrec.tgn.checkpoint import arrays_of_training, resume_training
from graphrec.tgn.epoch_log import EpochLog, forget_epochs, has_tensorboard
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOut, HeldOutPositions, figures_of_ranks, held_out_ranks
from graphrec.tgn.learning_on import LearningOn, ranks_learning_on
from graphrec.tgn.negatives import GivenNegatives
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.ranking import mean_ndcg
from graphrec.tgn.settings import TrainingSettings
from graphrec.tgn.side_index import SideIndex
from graphrec.tgn.training import Epoch, Trainer, Verdict, train_network

RESULT = "training.json"


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """One network, trained and judged.

    Attributes:
        method: Its name in tables.
        protocol: What it was judged by, such as `stream, strict`.
        seed: What it was started from.
        epochs: Every epoch; the best by validation was kept.
        validation: Figures on the validation part, of the kept weights, or with `learn_on` of what
            became of them on the way.
        test: Figures on the test part, computed once.
        slices: NDCG@10 on slices of the test part, as in `evaluation.results.SLICES`; those without
            an event are left out, and all are under `last_out`.
        weights: Folder of its snapshot.
    """

    method: str
    protocol: str
    seed: int
    epochs: list[Epoch]
    validation: dict[str, float]
    test: dict[str, float]
    slices: dict[str, float]
    weights: Path


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
    board: bool


def train_experiment(  # noqa: PLR0913 — what a command's options say is passed on one by one
    settings: ExperimentSettings,
    folder: Path,
    *,
    n_seeds: int = 1,
    device: torch.device,
    progress: Progress | None = None,
    resume: bool = False,
    tensorboard: bool | None = None,
) -> list[TrainedRun]:
    """Train every temporal network of an experiment under every protocol, and judge each once.

    Args:
        settings: The experiment; its other methods are left alone.
        folder: Where `training.json`, `metrics.jsonl` and the weights go; made if it is not there.
        n_seeds: How many seeds, counted up from each method's own.
        device: Where to train.
        progress: Told of each epoch.
        resume: Go on from the checkpoints of a training of the same experiment in `folder`.
        tensorboard: Whether epochs go to TensorBoard, too; None: where it is installed.

    Raises:
        SettingsError: The experiment holds no temporal network, a protocol does not fit, or
            TensorBoard is asked for and not installed.
        DataError: The data cannot be read.
        SnapshotError: The weights cannot be written.
    """
    methods = _methods_to_train(settings)
    board = has_tensorboard(tensorboard)
    dataset = load_data(settings.data)
    for method in methods:
        side_log_of(dataset, method.network, method.side_types)
    place = _Place(dataset, folder, device, progress, resume, board)
    plans = _plans_of(settings, methods, dataset, n_seeds)
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file — --out names a folder")
    if not resume:
        forget_epochs(folder)
    try:
        runs = [_train(plan, place) for plan in plans]
    except torch.OutOfMemoryError as error:
        raise SettingsError(
            f"out of memory on {device_name(device)} — lower batch_size, window, state_layers or "
            "neighbours"
        ) from error
    provenance = provenance_of(
        dataset.name,
        dataset.sha256,
        methods[0].training.seed,
        settings.model_dump(mode="json", exclude={"data": {"path"}}),
    )
    _write_result(runs, folder, asdict(provenance) | {"device": device_name(device)})
    return runs


def device_name(device: torch.device) -> str:
    """The card's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True, slots=True)
class _Plan:
    """One run: all that is checked before the first run starts."""

    name: str
    run_name: str
    method: TemporalNetworkMethod
    training: TrainingSettings
    task: Task
    identity: dict[str, object]


class _Checkpoint:
    """Where one training stands after its last epoch, on disk."""

    def __init__(self, folder: Path, identity: dict[str, object]) -> None:
        self._folder = folder
        self._settings = identity

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


def _plan_of(method: TemporalNetworkMethod, seed: int, task: Task, data: DataSettings) -> _Plan:
    name = method.name or "tgn"
    update = {"seed": seed, "stale_batch": method.training.stale_batch or task.stale_batch}
    training = settings_of(TrainingSettings, method.training.model_dump() | update, "training")
    if training.learn_on and task.protocol.protocol != "stream":
        raise SettingsError(
            f"training.learn_on with {task.label} — weights can follow a stream alone; drop it"
        )
    if training.learn_on and (method.target_weights or method.learn_refusals):
        raise SettingsError(
            "training.learn_on with target_weights or learn_refusals — whoever takes up the "
            "weights could not go on learning the same; drop one"
        )
    identity: dict[str, object] = {
        "network": method.network.model_dump(mode="json"),
        "content": method.content,
        "item_features": list(method.item_features),
        "side_types": list(method.side_types),
        "target_weights": dict(method.target_weights),
        "learn_refusals": method.learn_refusals,
        "training": training.model_dump(mode="json"),
        "protocol": task.protocol.model_dump(mode="json"),
        "data": data.model_dump(mode="json", exclude={"path"}),
    }
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", f"{name} {task.label} {seed}").strip("-")
    return _Plan(name, slug, method, training, task, identity)


def new_network(
    method: TemporalNetworkMethod,
    dataset: Dataset,
    events: Interactions,
    n_learnt: int,
    *,
    seed: int,
    device: torch.device,
) -> tuple[TemporalNetwork, EventIndex]:
    """A network as it is before training, and the index it reads.

    Args:
        method: What it is made of.
        dataset: Names, tables and side events.
        events: All that the index may hold.
        n_learnt: So many of them, the first, are learnt from.
        seed: What weights and identities are drawn from; PyTorch is seeded with it, too.
        device: Where both live.
    """
    content = content_for(method, dataset).learnt_from(events.item_row[:n_learnt])
    torch.manual_seed(seed)
    side = side_log_of(dataset, method.network, method.side_types)
    network = TemporalNetwork(
        method.network,
        content,
        n_users=dataset.n_users,
        seed=seed,
        side=side.nodes if side is not None else None,
    ).to(device)
    known = SideIndex(side, method.network, device) if side is not None else None
    return network, EventIndex(events, network.scale_s, device, known)


def _train(plan: _Plan, place: _Place) -> TrainedRun:
    method, training, task = plan.method, plan.training, plan.task
    dataset, device, progress = place.dataset, place.device, place.progress
    network, index = new_network(
        method, dataset, task.events, task.n_training, seed=training.seed, device=device
    )
    validation, test = task.judges(index, network)
    trainer = Trainer(
        network,
        index,
        torch.arange(task.n_training, device=device),
        training,
        weight=torch.from_numpy(task.events.weight),
        negatives=_refusals(plan, dataset, index),
    )
    checkpoint = _Checkpoint(
        place.folder / "checkpoints" / plan.run_name,
        plan.identity | {"data_sha256": data_key(dataset)},
    )
    verdict = checkpoint.resume(trainer) if place.resume else None
    log = EpochLog(place.folder, plan.run_name, training.seed, board=place.board)
    label = f"{plan.name}, {task.label}, seed {training.seed}"

    def report(epoch: Epoch) -> None:
        log.add(epoch)
        if progress:
            progress(label, training.epochs, epoch)

    with closing(log):
        log.start(verdict.epochs if verdict else [])
        keep = functools.partial(checkpoint.write, trainer)
        epochs = train_network(trainer, validation, report, verdict=verdict, keep=keep)
    weights = place.folder / "weights" / plan.run_name
    kept = TrainedWeights(network, task.cut_s, task.protocol.protocol, training)
    write_weights(kept, dataset, weights)
    ranks_of = _ranking(network, training, task, index)
    validated, tested = (ranks_of(part) for part in (validation, test))
    return TrainedRun(
        plan.name,
        task.label,
        training.seed,
        epochs,
        figures_of_ranks(validated),
        figures_of_ranks(tested),
        _figures_of_slices(tested, task.questions),
        weights,
    )


def _refusals(plan: _Plan, dataset: Dataset, index: EventIndex) -> GivenNegatives | None:
    if not plan.method.learn_refusals:
        return None
    learnt = plan.task.events.take(slice(0, plan.task.n_training))
    position, item = refused_items(dataset, learnt)
    return GivenNegatives(torch.from_numpy(position), torch.from_numpy(item), index)


def _figures_of_slices(
    rank: Float[Tensor, " queries"], questions: Questions | None
) -> dict[str, float]:
    if questions is None:
        return {}
    masks = {name: questions.in_slice(name)[questions.split == 1] for name in SLICES}
    return {
        name: mean_ndcg(rank[torch.from_numpy(mask)]) for name, mask in masks.items() if mask.any()
    }


def _ranking(
    network: TemporalNetwork, training: TrainingSettings, task: Task, index: EventIndex
) -> Callable[[HeldOut], Float[Tensor, " queries"]]:
    """What ranks held-out events once training is over: validation first, then test."""
    if training.learn_on is None:
        return lambda held_out: held_out_ranks(network, held_out)
    learner = LearningOn(network, training, training.learn_on, task.n_training)
    weight = torch.from_numpy(task.events.weight)

    def ranks_of(held_out: HeldOut) -> Float[Tensor, " queries"]:
        if not isinstance(held_out, HeldOutPositions):
            raise TypeError("only a stream can be followed")
        return ranks_learning_on(network, held_out, learner, index, weight)

    return ranks_of


def _methods_to_train(settings: ExperimentSettings) -> list[TemporalNetworkMethod]:
    methods = [m for m in settings.methods if isinstance(m, TemporalNetworkMethod)]
    if not methods:
        raise SettingsError(f"{settings.name} has no method tgn — there is nothing to train")
    if settings.catalogue != "all":
        raise SettingsError(
            f"catalogue {settings.catalogue} — networks are trained and judged on all items; "
            "measure the trained weights under it with graphrec evaluate"
        )
    for method in methods:
        if method.weights is not None:
            raise SettingsError(f"weights {method.weights} — a method to be trained has none yet")
    return methods


def _plans_of(
    settings: ExperimentSettings,
    methods: Sequence[TemporalNetworkMethod],
    dataset: Dataset,
    n_seeds: int,
) -> list[_Plan]:
    """Every run, in the order in which they are trained.

    Raises:
        SettingsError: A protocol does not fit, or two runs would have one name.
    """
    events = events_of(dataset, settings.data)
    plans = []
    for protocol in settings.evaluate:
        for method in methods:
            weighed = weighed_events(events, dataset, settings.data, method.target_weights)
            task, first = task_of(protocol, weighed), method.training.seed
            plans += [
                _plan_of(method, seed, task, settings.data)
                for seed in range(first, first + n_seeds)
            ]
    names = [plan.run_name for plan in plans]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise SettingsError(
            f"two runs would be kept as {repeated[0]} — give methods names that differ"
        )
    return plans


def _write_result(runs: list[TrainedRun], folder: Path, provenance: dict[str, object]) -> None:
    rows = [asdict(run) | {"weights": run.weights.name} for run in runs]
    text = json.dumps({"provenance": provenance, "runs": rows}, indent=2, default=str)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT
    fresh = path.with_suffix(".json.part")
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(path)
