"""Does the pipeline rank better than its best source, where that is the temporal network?

Protocol: stream, strict; network, sources and ranker as the experiment file says. The network's
answers to every event were asked ahead on a GPU (`experiments.network_answers`); here they are
those of one of the pipeline's sources, and the ranker is trained and everything evaluated on any
machine. The test is ranked once.

    python -m experiments.network_answers experiments/demo-world-pipeline.yaml --out ANSWERS
    python -m experiments.pipeline_with_network experiments/demo-world-pipeline.yaml \
        --answers ANSWERS --out FOLDER

writes `result.json` as `graphrec evaluate` does, and `retrieval.json` as `graphrec retrieval`
does, at 500.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from experiments.network_answers import Answers, read_answers, spans_of
from graphrec.arrays import NO_ROW
from graphrec.evaluation.figures import figures_of
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.report import as_json
from graphrec.evaluation.stream import evaluate_stream
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.retrieving import measure_retrieval
from graphrec.experiment.running import content_vectors, events_of, load_data, load_experiment
from graphrec.experiment.sources import build_source
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.experiment.staging import build_staged
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries
from graphrec.terminal import follow, progress
from graphrec.top_k import top_candidates


class AnsweredAhead:
    """A source whose answers to the events of a log are known, by user and time."""

    absorbs = False

    def __init__(self, events: Interactions, answers: list[Answers]) -> None:
        """Know the answers for each fit, in the order of the fits."""
        self._events, self._answers, self._n_fits = events, answers, 0
        self._row: dict[tuple[int, int], int] = {}
        self._n_items = events.n_items

    @property
    def name(self) -> str:
        """`tgn`."""
        return "tgn"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Take up the answers of the next span."""
        del events, cut_s
        self._now = self._answers[min(self._n_fits, len(self._answers) - 1)]
        self._n_fits += 1
        asked = slice(self._now.first, self._now.first + len(self._now.item_row))
        keys = zip(
            self._events.user_row[asked].tolist(), self._events.time_s[asked].tolist(), strict=True
        )
        self._row = {key: row for row, key in enumerate(keys)}

    def absorb(self, events: Interactions) -> None:
        """Nothing to learn: the answers know what lies before them."""

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """The kept answers, from 1e-6 up, and 0 for the items behind them."""
        at = self._rows_of(queries)
        item_row, score = self._now.item_row[at], self._now.score[at]
        lowest = np.where(item_row == NO_ROW, np.inf, score).min(axis=1, keepdims=True)
        dense = np.zeros((len(at), self._n_items), np.float32)
        row, place = np.nonzero(item_row != NO_ROW)
        dense[row, item_row[row, place]] = (score - lowest + np.float32(1e-6))[row, place]
        return dense

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The best `k` eligible items."""
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)

    def _rows_of(self, queries: Queries) -> Int64[np.ndarray, " users"]:
        keys = zip(queries.user_row.tolist(), queries.time_s.tolist(), strict=True)
        return np.array([self._row[key] for key in keys], np.int64)


def main() -> None:
    """Read the answers, rank, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--answers", type=Path, required=True, help="folder of the kept answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--retrieval", action="store_true", help="measure how far sources reach")
    asked = parser.parse_args()
    settings = load_experiment(asked.experiment, seed=asked.seed)
    dataset = load_data(settings.data)
    events = events_of(dataset, settings.data)
    protocol, cuts, spans = spans_of(settings, events)
    answers = [read_answers(part, asked.answers) for part in spans]
    for one, (first, _, last) in zip(answers, spans.values(), strict=True):
        if (one.first, len(one.item_row)) != (first, last - first):
            raise SystemExit(f"{asked.answers} holds answers to other events — answer anew")

    def source_of(method: object, known: list[Answers]) -> CandidateSource:
        if isinstance(method, TemporalNetworkMethod):
            return AnsweredAhead(events, known)
        return build_source(method, dataset)  # type: ignore[arg-type]

    if asked.retrieval:
        with progress("sources", None) as bar:
            measure_retrieval(
                settings,
                500,
                asked.out,
                follow(bar),
                build=lambda method, _: source_of(method, answers[1:]),
            )
        return
    (pipeline,) = (m for m in settings.methods if isinstance(m, PipelineMethod))
    parts = [source_of(part.source, answers) for part in pipeline.sources]
    staged = build_staged(pipeline, dataset, parts)
    others = [
        source_of(method, answers[1:])
        for method in settings.methods
        if not isinstance(method, PipelineMethod)
    ]
    with progress("methods", None) as bar:
        results = evaluate_stream([staged, *others], events, cuts, protocol, progress=follow(bar))
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


if __name__ == "__main__":
    main()
