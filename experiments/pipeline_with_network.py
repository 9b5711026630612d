"""Does the pipeline rank better than its best source, where that is the temporal network?

Protocol: stream, strict; network, sources and ranker as the experiment file says, the network's
weights learning on along the stream. The network answers every question of the stream ahead, in
batches on a GPU, each from what lies before it: the same scores to 1e-5 as asked one by one, in
minutes instead of hours. The pipeline takes these answers as those of one of its sources. For the
ranker's lists a network is trained on what lies before them; another, trained on the whole training
part, answers validation and test. Epochs are chosen on the first half of what a network answers:
for the second one that is validation. The test is ranked once.

    python -m experiments.pipeline_with_network experiments/demo-world-pipeline.yaml --out FOLDER

writes `result.json` as `graphrec evaluate` does.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.figures import figures_of
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.report import as_json
from graphrec.evaluation.stream import evaluate_stream
from graphrec.events.dataset import Dataset
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.running import content_vectors, events_of, load_data, load_experiment
from graphrec.experiment.settings import StreamProtocol
from graphrec.experiment.side_log import side_log_of
from graphrec.experiment.sources import build_source
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.experiment.staging import build_staged
from graphrec.experiment.trained import content_for
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries
from graphrec.terminal import follow, progress
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions
from graphrec.tgn.learning_on import LearningOn
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.side_index import SideIndex
from graphrec.tgn.training import Trainer, train_network
from graphrec.top_k import top_candidates


@dataclass(frozen=True, slots=True)
class Span:
    """Answers to the events of a span of the log."""

    first: int
    score: Float32[np.ndarray, "events items"]


class AnsweredAhead:
    """A source whose answers to the events of a log are known, by user and time."""

    absorbs = False

    def __init__(self, events: Interactions, spans: list[Span]) -> None:
        """Know the answers for each fit, in the order of the fits."""
        self._events, self._spans, self._n_fits = events, spans, 0
        self._row: dict[tuple[int, int], int] = {}

    @property
    def name(self) -> str:
        """`tgn`."""
        return "tgn"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Take up the answers of the next span."""
        del events, cut_s
        span = self._spans[min(self._n_fits, len(self._spans) - 1)]
        self._n_fits += 1
        self._score = span.score
        asked = slice(span.first, span.first + len(span.score))
        keys = zip(
            self._events.user_row[asked].tolist(), self._events.time_s[asked].tolist(), strict=True
        )
        self._row = {key: row for row, key in enumerate(keys)}

    def absorb(self, events: Interactions) -> None:
        """Nothing to learn: the answers know what lies before them."""

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """The answers, the lowest of a query made 1e-6."""
        keys = zip(queries.user_row.tolist(), queries.time_s.tolist(), strict=True)
        score = self._score[[self._row[key] for key in keys]].astype(np.float32)
        return score - score.min(axis=1, keepdims=True) + np.float32(1e-6)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items."""
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)


def main() -> None:
    """Train, answer ahead, rank, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    settings = load_experiment(asked.experiment, seed=asked.seed)
    dataset = load_data(settings.data)
    events = events_of(dataset, settings.data)
    (protocol,) = settings.evaluate
    if not isinstance(protocol, StreamProtocol):
        raise SystemExit("the protocol must be stream")
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    start, _, end = cuts.positions(events)
    (network,) = (m for m in settings.methods if isinstance(m, TemporalNetworkMethod))
    (pipeline,) = (m for m in settings.methods if isinstance(m, PipelineMethod))
    wanted = round((1 - pipeline.staged.replayed) * start)
    border = int(np.searchsorted(events.time_s, events.time_s[wanted]))
    spans = [
        Span(first, _answers(network, dataset, events, first, last))
        for first, last in ((border, start), (start, end))
    ]

    def source_of(method: object) -> CandidateSource:
        if isinstance(method, TemporalNetworkMethod):
            return AnsweredAhead(events, spans)
        return build_source(method, dataset)  # type: ignore[arg-type]

    parts = [source_of(part.source) for part in pipeline.sources]
    staged = build_staged(pipeline, dataset, parts)
    alone = AnsweredAhead(events, spans[1:])
    others = [
        source_of(method)
        for method in settings.methods
        if not isinstance(method, TemporalNetworkMethod | PipelineMethod)
    ]
    with progress("methods", None) as bar:
        results = evaluate_stream(
            [staged, alone, *others], events, cuts, protocol, progress=follow(bar)
        )
    figures = figures_of(results, settings, vectors=content_vectors(dataset.items))
    provenance = provenance_of(
        dataset.name,
        dataset.sha256,
        asked.seed,
        settings.model_dump(mode="json", exclude={"data": {"path"}}),
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    result = json.dumps(as_json(figures, provenance), indent=1)
    (asked.out / "result.json").write_text(result, encoding="utf-8")
    for split in figures:
        for one in split.sources:
            print(split.split, one.source, {n: round(m.value, 4) for n, m in one.accuracy.items()})


def _answers(
    method: TemporalNetworkMethod, dataset: Dataset, events: Interactions, first: int, last: int
) -> Float32[np.ndarray, "events items"]:
    """Train on the events before `first`; score every item for each event up to `last`."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = method.training
    torch.manual_seed(training.seed)
    content = content_for(method, dataset).learnt_from(events.item_row[:first])
    side = side_log_of(dataset, method.network, method.side_types)
    network = TemporalNetwork(
        method.network,
        content,
        n_users=dataset.n_users,
        seed=training.seed,
        side=side.nodes if side is not None else None,
    ).to(device)
    known = SideIndex(side, method.network, device) if side is not None else None
    index = EventIndex(events.take(slice(0, last)), network.scale_s, device, known)
    weight = torch.from_numpy(events.weight[:last])
    target = torch.arange(first, device=device)
    trainer = Trainer(network, index, target, training, weight=weight)
    position = torch.arange(first, last, device=device)
    nothing = torch.full((len(position), 1), -1, device=device)
    # Epochs are chosen on the first half: the ranker's lists, or validation before the test.
    judged = HeldOutPositions(index, position[: len(position) // 2], nothing[: len(position) // 2])
    train_network(trainer, judged, lambda _: None)
    held = HeldOutPositions(index, position, nothing)
    score = np.empty((len(position), dataset.n_items), np.float32)
    learner = None
    if training.learn_on is not None:
        learner = LearningOn(network, training, training.learn_on, first)
    at = 0
    while at < len(position):
        until = len(position)
        if learner is not None:
            if held.known[at] >= learner.next_at:
                learner.learn_until(int(held.known[at]), index, weight)
            until = int(np.searchsorted(held.known, learner.next_at))
        at = _fill(network, held.part(at, until), score, at)
    return score


@torch.no_grad()
def _fill(network: TemporalNetwork, held: HeldOutPositions, score: np.ndarray, at: int) -> int:
    network.eval()
    for asked in held.questions(network):
        found = network(asked.windows, asked.history).cpu().numpy()
        score[at : at + len(found)] = found
        at += len(found)
    return at


if __name__ == "__main__":
    main()
