"""A path and words become a data set, or a pipeline that is fitted as of a moment."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, SettingsError
from graphrec.events.columns import ColumnMap
from graphrec.events.dataset import Dataset
from graphrec.events.readers import read_dataset
from graphrec.experiment.bundles import read_bundle, write_bundle
from graphrec.experiment.method_settings import PopularMethod, PropagateMethod, WalkMethod
from graphrec.experiment.reading import parse_words, read_yaml, settings_of
from graphrec.experiment.settings import Method
from graphrec.experiment.slates import NamedSlate, build_arranger, refuse_unknown_names
from graphrec.experiment.sources import build_source, method_named
from graphrec.experiment.temporal_parts import with_weights_beside
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.cowatch import CoWatchGraph
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from graphrec.pipeline import Pipeline
from graphrec.pipeline.answering import N_CANDIDATES
from graphrec.pipeline.staged import StagedSource
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.popular import PopularSettings
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.vector_source import VectorModel
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.snapshot import is_snapshot

FALLBACK = PopularMethod(settings=PopularSettings(half_life_days=30))


class PipelineFile(BaseModel):
    """What a file of one pipeline may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: Method = Field(description="A method, as in an experiment's list of methods.")
    slate: NamedSlate = Field(NamedSlate(), description="How slates are made of what it finds.")


def open_dataset(path: Path, columns: str | None = None) -> Dataset:
    """Read a log.

    Args:
        path: A folder or a file.
        columns: A preset's name, or `field=column` pairs with commas between; None guesses.

    Raises:
        DataError: The log cannot be read.
        SettingsError: `columns` is wrong.
    """
    return read_dataset(path, column_map(columns))


def column_map(words: str | None) -> ColumnMap:
    """Columns as a command line gives them.

    Raises:
        SettingsError: A preset or field is unknown.
    """
    if words is None:
        return ColumnMap()
    pairs = [word.strip() for word in words.split(",") if word.strip()]
    if len(pairs) == 1 and "=" not in pairs[0]:
        pairs = [f"preset={pairs[0]}"]
    return settings_of(ColumnMap, parse_words(pairs), "--columns")


def open_pipeline(
    data: Path,
    method: str = "walk",
    words: Sequence[str] = (),
    *,
    columns: str | None = None,
    at_s: int | None = None,
) -> Pipeline:
    """A pipeline fitted on a log as of a moment.

    Args:
        data: The log: a folder, a file, or a snapshot that `build_snapshot` wrote.
        method: Name of the method.
        words: Its settings, `name=value`.
        columns: Which column holds what.
        at_s: The moment, UTC seconds; None is just after the log's last event.

    Raises:
        DataError: The log cannot be read, or nothing lies before the moment.
        SettingsError: The method or a setting is unknown or wrong.
        SnapshotError: The snapshot is damaged.
    """
    values = parse_words(words)
    chosen = method_named(method, values)
    if not is_snapshot(data):
        return fit_pipeline(open_dataset(data, columns), chosen, at_s)
    dataset, graph = read_bundle(data)
    if not isinstance(chosen, WalkMethod | PropagateMethod) or at_s is not None:
        return fit_pipeline(dataset, chosen, at_s)
    if "graph" in values:
        raise SettingsError(f"{data} holds a graph with settings of its own — drop --set graph....")
    return follow_graph(dataset, graph, chosen)


def fit_pipeline(
    dataset: Dataset, method: Method, at_s: int | None = None, slate: NamedSlate | None = None
) -> Pipeline:
    """A pipeline of one method, topped up by what has been popular lately.

    Args:
        dataset: The log.
        method: The source, or sources and a ranker.
        at_s: The moment, UTC seconds; None is just after the log's last event.
        slate: How slates are made; None shows items as they are ranked.

    Raises:
        DataError: No event that counts as a watch lies before the moment.
        SettingsError: The slate names somebody unknown.
    """
    events = dataset.log.interactions()
    cut_s = at_s
    if cut_s is None:
        cut_s = int(dataset.log.time_s[-1]) + 1 if len(dataset.log) else 0
    known = events.take(events.time_s < cut_s)
    if not len(known):
        raise DataError(f"{dataset.name} has no watched item before {cut_s} s — nothing to learn")
    source, fallback = (build_source(chosen, dataset) for chosen in (method, FALLBACK))
    # Names of the slate are looked up before anything takes its time to learn.
    slate = slate or NamedSlate()
    refuse_unknown_names(slate, dataset)
    source.fit(known, cut_s)
    fallback.fit(known, cut_s)
    ranker, n_candidates = None, N_CANDIDATES
    if isinstance(source, StagedSource):
        ranker, n_candidates, source = source.ranker, source.n_candidates, source.retrieval
    parts = source.sources if isinstance(source, BlendedSource) else (source,)
    arranger = None
    if slate != NamedSlate():
        vectors = next((part for part in parts if isinstance(part, VectorModel)), None)
        arranger = build_arranger(slate, dataset, vectors)
    return Pipeline(
        dataset,
        source,
        ranker,
        arranger,
        fallback,
        n_candidates=n_candidates,
        cut_s=cut_s,
        events=events,
    )


def open_pipeline_file(
    data: Path, file: Path, *, columns: str | None = None, at_s: int | None = None
) -> Pipeline:
    """A pipeline by a file of its own: a method as in an experiment, and how slates are made.

    Args:
        data: The log: a folder, a file, or a snapshot.
        file: YAML with `pipeline` (a method) and, if wanted, `slate`; relative paths in it count
            from its folder.
        columns: Which column holds what.
        at_s: The moment, UTC seconds; None is just after the log's last event.

    Raises:
        DataError: The log cannot be read, or nothing lies before the moment.
        SettingsError: A setting is wrong, or the slate names somebody unknown.
        SnapshotError: A snapshot is damaged.
    """
    method, slate = _read_pipeline_file(file)
    dataset = read_bundle(data)[0] if is_snapshot(data) else open_dataset(data, columns)
    return fit_pipeline(dataset, method, at_s, slate)


def fit_pipeline_file(dataset: Dataset, file: Path | None, at_s: int | None = None) -> Pipeline:
    """A pipeline by a file of its own on a data set; see `open_pipeline_file`.

    Args:
        dataset: The log.
        file: As there; None is walks.
        at_s: The moment, UTC seconds; None is just after the log's last event.
    """
    if file is None:
        return fit_pipeline(dataset, WalkMethod(), at_s)
    method, slate = _read_pipeline_file(file)
    return fit_pipeline(dataset, method, at_s, slate)


def _read_pipeline_file(file: Path) -> tuple[Method, NamedSlate]:
    settings = settings_of(PipelineFile, read_yaml(file), str(file))
    return with_weights_beside(settings.pipeline, file.resolve().parent), settings.slate


def follow_graph(
    dataset: Dataset, graph: CoWatchGraph, method: WalkMethod | PropagateMethod
) -> Pipeline:
    """A pipeline of walks on a graph that was built before, from all of the log."""
    events = dataset.log.interactions()
    cut_s = int(dataset.log.time_s[-1]) + 1
    live = LiveCoWatchGraph(graph.settings)
    live.reset(events, graph)
    kind = PropagateSource if isinstance(method, PropagateMethod) else RandomWalkSource
    source: PropagateSource | RandomWalkSource = kind(graph.settings, method.walk)
    source.follow(live, cut_s)
    fallback = build_source(FALLBACK, dataset)
    fallback.fit(events, cut_s)
    return Pipeline(dataset, source, fallback=fallback, cut_s=cut_s, events=events)


def build_snapshot(
    data: Path, folder: Path, words: Sequence[str] = (), *, columns: str | None = None
) -> dict[str, int]:
    """Build the co-watch graph of a log and write both as a snapshot.

    Args:
        data: The log.
        folder: Where; an existing snapshot is replaced.
        words: Settings of the graph, `name=value`.
        columns: Which column holds what.

    Returns:
        Sizes by name.

    Raises:
        DataError: The log cannot be read, or nothing in it counts as a watch.
        SettingsError: A setting is unknown or wrong.
        SnapshotError: `folder` is something else, or cannot be written.
    """
    settings = settings_of(CoWatchSettings, parse_words(words), "--set")
    dataset = open_dataset(data, columns)
    events = dataset.log.interactions()
    if not len(events):
        raise DataError(f"{dataset.name} has no event that counts as a watch — nothing to build")
    return write_bundle(dataset, build_cowatch_graph(events, settings), folder)
