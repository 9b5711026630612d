"""How far the sources of an experiment's pipelines reach."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from graphrec.errors import SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.stream_retrieval import Recall, reach_of_stream, recalls_of
from graphrec.events.dataset import Dataset
from graphrec.experiment.running import events_of, load_data
from graphrec.experiment.settings import ExperimentSettings, Method, StreamProtocol
from graphrec.experiment.sources import build_source
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.retrieval.blend import BlendedSource
from graphrec.stages import CandidateSource

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PipelineRecall:
    """What the sources of one pipeline bring.

    Attributes:
        pipeline: Its name.
        regime: Regime of the stream.
        k: Places that count.
        recalls: By source and split.
    """

    pipeline: str
    regime: str
    k: int
    recalls: list[Recall]


def measure_retrieval(
    settings: ExperimentSettings,
    k: int,
    folder: Path,
    progress: Progress | None = None,
    *,
    build: Callable[[Method, Dataset], CandidateSource] = build_source,
) -> list[PipelineRecall]:
    """Recall at `k` of every source of every pipeline, and of them together, on the streams.

    Every source is asked for `k`, whatever its quota, so that they can be compared; the merged list
    is cut to `k`, too.

    Args:
        settings: The experiment; methods that are no pipeline are left alone.
        k: Places that count, at least 1.
        folder: Where `retrieval.json` goes; made if it is not there.
        progress: Told how far it is.
        build: Makes a source of its settings.

    Raises:
        SettingsError: There is no pipeline, or no stream.
        DataError: The data cannot be read.
    """
    pipelines = [method for method in settings.methods if isinstance(method, PipelineMethod)]
    streams = [one for one in settings.evaluate if isinstance(one, StreamProtocol)]
    if not pipelines or not streams:
        raise SettingsError(
            f"{settings.name} — retrieval is measured of methods `pipeline` under protocols "
            f"`stream`, and there are {len(pipelines)} and {len(streams)}"
        )
    dataset = load_data(settings.data)
    events = events_of(dataset, settings.data)
    measured = []
    for protocol in streams:
        cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
        for pipeline in pipelines:
            parts = [build(part.source, dataset) for part in pipeline.sources]
            quotas = [part.quota.model_copy(update={"n": k}) for part in pipeline.sources]
            # All that any source brings has to be kept, or it could not be seen.
            blend = BlendedSource(parts, quotas, pipeline.blend)
            reach = reach_of_stream(
                blend, events, cuts, protocol, k * len(parts), progress=progress
            )
            name = pipeline.name or "pipeline"
            recalls = recalls_of(reach, k, settings.intervals)
            measured.append(PipelineRecall(name, protocol.regime_name, k, recalls))
    provenance = provenance_of(
        dataset.name,
        dataset.sha256,
        settings.intervals.seed,
        settings.model_dump(mode="json", exclude={"data": {"path"}}),
    )
    folder.mkdir(parents=True, exist_ok=True)
    result = {"provenance": asdict(provenance), "pipelines": [asdict(one) for one in measured]}
    text = json.dumps(result, indent=1) + "\n"
    (folder / "retrieval.json").write_text(text, encoding="utf-8")
    return measured
