"""Run an experiment: data, sources, protocols, figures, report."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from jaxtyping import Int64

from graphrec.errors import DataError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.figures import SplitFigures, figures_of
from graphrec.evaluation.last_out import evaluate_last_out
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.report import write_report
from graphrec.evaluation.results import EvaluationResult
from graphrec.evaluation.stream import evaluate_stream
from graphrec.evaluation.time_split import evaluate_time_split
from graphrec.events.dataset import Dataset
from graphrec.events.readers import read_dataset
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.reading import read_yaml, settings_of
from graphrec.experiment.seeds import with_seed
from graphrec.experiment.settings import (
    DataSettings,
    ExperimentSettings,
    LastOutProtocol,
    Method,
    Protocol,
    StreamProtocol,
    TimeSplitProtocol,
)
from graphrec.experiment.sources import build_source, with_baselines
from graphrec.experiment.worlds import world_settings
from graphrec.stages import CandidateSource, Interactions

Progress = Callable[[str, int, int], None]
"""Told what is being measured, how many queries are answered, and how many there are."""


@dataclass(frozen=True, slots=True)
class ExperimentRun:
    """A finished experiment.

    Attributes:
        settings: What was asked.
        figures: A table per protocol and split, the test before validation.
        report: Path of the HTML page; `result.json` lies beside it.
    """

    settings: ExperimentSettings
    figures: list[SplitFigures]
    report: Path


def load_experiment(path: Path, *, seed: int | None = None) -> ExperimentSettings:
    """The experiment in a YAML file; relative paths in it count from the file's folder.

    Args:
        path: The file.
        seed: Seed of every method that is trained; None: as the file says.

    Raises:
        SettingsError: The file cannot be read or a setting is wrong.
    """
    settings = settings_of(ExperimentSettings, read_yaml(path), str(path))
    folder = path.resolve().parent
    found: dict[str, Path | WorldSettings] = {}
    if settings.data.path is not None:
        found["path"] = folder / settings.data.path
    if isinstance(settings.data.world, Path):
        found["world"] = world_settings(folder / settings.data.world)
    data = settings.data.model_copy(update=found)
    methods = tuple(
        method.model_copy(update={"weights": folder / method.weights})
        if isinstance(method, TemporalNetworkMethod) and method.weights is not None
        else method
        for method in settings.methods
    )
    if seed is not None:
        methods = tuple(with_seed(method, seed) for method in methods)
    return settings.model_copy(update={"data": data, "methods": methods})


def load_data(data: DataSettings) -> Dataset:
    """The data set an experiment names.

    Raises:
        DataError: It cannot be read.
    """
    match data:
        case DataSettings(world=WorldSettings() as world):
            return generate_world(world).dataset
        case DataSettings(path=Path() as path):
            return read_dataset(path, data.columns)
    raise DataError(f"{data.world} — an experiment's world is read by load_experiment")


def run_experiment(
    settings: ExperimentSettings, folder: Path, progress: Progress | None = None
) -> ExperimentRun:
    """Measure every method under every protocol, and write the report.

    Args:
        settings: What to measure; the forced baselines are added.
        folder: Where `result.json` and `report.html` go; made if it is not there.
        progress: Told how far each method is.

    Raises:
        DataError: The data cannot be read, or two methods have the same name.
        SettingsError: A setting does not fit the data.
    """
    dataset = load_data(settings.data)
    events = events_of(dataset, settings.data)
    if any(isinstance(m, TemporalNetworkMethod) and m.weights for m in settings.methods):
        # Importing torch takes seconds.
        from graphrec.experiment.trained import refuse_weights_of_another_protocol

        refuse_weights_of_another_protocol(settings, dataset)
    methods = with_baselines(settings.methods)
    sources = [build_source(method, dataset) for method in methods]
    results: list[EvaluationResult] = []
    for protocol in settings.evaluate:
        answers = _evaluate(protocol, sources, events, _available(settings, dataset), progress)
        results += [_named(answer, method) for answer, method in zip(answers, methods, strict=True)]
    figures = figures_of(results, settings, vectors=content_vectors(dataset.items))
    provenance = provenance_of(
        dataset.name,
        dataset.sha256,
        settings.intervals.seed,
        settings.model_dump(mode="json", exclude={"data": {"path"}}),
    )
    report = write_report(figures, folder, provenance, title=settings.name)
    return ExperimentRun(settings, figures, report)


def events_of(dataset: Dataset, data: DataSettings) -> Interactions:
    """The events that count as a watch.

    Raises:
        DataError: None do, or an event type is unknown.
    """
    for name in data.event_types or ():
        dataset.log.type_index(name)
    events = dataset.log.interactions(
        roles=data.learn_from, names=data.event_types, weighted=data.weighted
    )
    if not len(events):
        raise DataError(f"{dataset.name} has no event that counts as a watch — see learn_from")
    return events


def content_vectors(items: pl.DataFrame) -> sp.csr_array | None:
    """One row per item, one column per publisher and keyword that occurs; None without any."""
    parts = []
    for column in ("publisher", "keywords"):
        if column in items.columns:
            names = items.select(pl.int_range(pl.len()).alias("row"), pl.col(column))
            parts.append(
                names.explode(column, empty_as_null=True).drop_nulls().rename({column: "name"})
            )
    if not parts or not sum(len(part) for part in parts):
        return None
    entries = pl.concat(
        part.with_columns(pl.lit(place).alias("place")) for place, part in enumerate(parts)
    ).unique(maintain_order=True)
    column_of = entries.select(pl.struct("place", "name").rank("dense") - 1).to_series()
    column_row = column_of.to_numpy().astype(np.int64)
    values = np.ones(len(entries), np.float32)
    shape = (len(items), int(column_row.max()) + 1)
    return sp.csr_array((values, (entries["row"].to_numpy(), column_row)), shape=shape)


def _evaluate(
    protocol: Protocol,
    sources: list[CandidateSource],
    events: Interactions,
    available_from_s: Int64[np.ndarray, " items"] | None,
    progress: Progress | None,
) -> list[EvaluationResult]:
    match protocol:
        case StreamProtocol():
            cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
            return evaluate_stream(
                sources,
                events,
                cuts,
                protocol,
                available_from_s=available_from_s,
                progress=progress,
            )
        case TimeSplitProtocol():
            cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
            return evaluate_time_split(
                sources,
                events,
                cuts,
                protocol,
                available_from_s=available_from_s,
                progress=progress,
            )
        case LastOutProtocol():
            return evaluate_last_out(
                sources, events, protocol, available_from_s=available_from_s, progress=progress
            )


def _available(
    settings: ExperimentSettings, dataset: Dataset
) -> Int64[np.ndarray, " items"] | None:
    return dataset.published_s() if settings.catalogue == "published" else None


def _named(result: EvaluationResult, method: Method) -> EvaluationResult:
    return result if method.name is None else replace(result, source=method.name)
