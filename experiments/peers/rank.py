"""Rank peers' answers with graphrec's own evaluation, beside graphrec's own methods.

`python -m experiments.peers.rank EXPERIMENT ANSWERS... --out FILE --beside walk popular`
ranks answers to both parts and writes the figures with intervals and paired tests.

`python -m experiments.peers.rank EXPERIMENT ANSWERS... --out FILE --validation`
ranks validation only and notes the best setting of each peer, by the headline metric.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.peers.answer_files import Answerer, read_answerer, read_part
from experiments.peers.split_files import PARTS, Split
from experiments.peers.write_split import split_of, stream_protocol
from graphrec.errors import DataError, SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.figures import SplitFigures, figures_of
from graphrec.evaluation.metrics import Metric
from graphrec.evaluation.provenance import provenance_of
from graphrec.evaluation.report import as_json
from graphrec.evaluation.results import EvaluationResult
from graphrec.evaluation.stream import evaluate_stream
from graphrec.events.dataset import Dataset
from graphrec.experiment.running import content_vectors, events_of, load_data, load_experiment
from graphrec.experiment.settings import ExperimentSettings, Method
from graphrec.experiment.sources import FORCED_BASELINES, build_source, with_baselines
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries

LOWEST_KNOWN = 1e-3


class AnsweredSource:
    """A source whose scores were computed elsewhere, read in the order in which queries come."""

    absorbs = False

    def __init__(self, folder: Path, split: Split, parts: Sequence[str] = PARTS) -> None:
        """Read the answers to `parts`.

        Raises:
            DataError: They answer another split, or hold not one finite row per query.
        """
        self.answerer = read_answerer(folder)
        self._split = split
        if self.answerer.split_sha256 != split.sha256:
            raise DataError(
                f"{folder} answers split {self.answerer.split_sha256[:12]}, this is "
                f"{split.sha256[:12]} — write the split anew and answer it again"
            )
        self._parts = []
        for part in parts:
            arrays, which = read_part(folder, part), split.which(part)
            _check(f"{folder}/{part}.npz", arrays, len(which), split.n_items)
            self._parts.append((which, arrays))
        self._asked = 0

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.answerer.name

    def fit(self, events: Interactions, cut_s: int) -> None:  # noqa: ARG002 - the protocol's call
        """Start over; the peer was fitted elsewhere, on as many events.

        Raises:
            DataError: Another training part than the split's is handed over.
        """
        if len(events) != self._split.n_training:
            raise DataError(
                f"{self.name} was fitted on {self._split.n_training:,} events and evaluated behind "
                f"{len(events):,} — the same training part for all"
            )
        self._asked = 0

    def absorb(self, events: Interactions) -> None:
        """Never called: `absorbs` is false."""
        raise NotImplementedError

    def score(self, queries: Queries) -> np.ndarray:
        """The answers to the next queries, scaled to [0.001, 1.001]; 0 for items not known.

        Positive, because lists of recommended items hold positive scores only; the order of items
        within a query, which ranks are read off, is kept.

        Raises:
            DataError: These are not the queries that come next in the split.
        """
        split, first = self._split, self._asked
        self._asked = last = first + len(queries)
        log = slice(split.n_training + first, split.n_training + last)
        if not (
            np.array_equal(queries.user_row, split.user_row[log])
            and np.array_equal(np.diff(queries.history_ptr), split.history_length[first:last])
        ):
            raise DataError(f"{self.name}: queries {first} to {last} are not those of the split")
        out = np.zeros((len(queries), split.n_items), np.float32)
        for which, arrays in self._parts:
            begin, end = np.searchsorted(which, [first, last])
            out[which[begin:end] - first] = _scores(arrays, slice(int(begin), int(end)))
        return out

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """Never called: protocols ask for scores."""
        raise NotImplementedError


def _check(name: str, arrays: dict[str, np.ndarray], n_queries: int, n_items: int) -> None:
    if "scores" in arrays:
        found, rule = arrays["scores"].shape, (n_queries, n_items)
        broken = np.isnan(arrays["scores"]).any() or np.isposinf(arrays["scores"]).any()
    else:
        users, items = arrays["users"], arrays["items"]
        found = (*users.shape, *items.shape)
        rule = (n_queries, users.shape[1], n_items, users.shape[1])
        broken = not (np.isfinite(users).all() and np.isfinite(items).all())
    if found != rule:
        raise DataError(f"{name} holds shapes {found} — one row per query and item, {rule}")
    if broken:
        raise DataError(f"{name} holds numbers that are not finite — only a score may be -inf")


def _scores(arrays: dict[str, np.ndarray], rows: slice) -> np.ndarray:
    raw = (
        arrays["scores"][rows] if "scores" in arrays else arrays["users"][rows] @ arrays["items"].T
    )
    known = np.isfinite(raw)
    if "known" in arrays:
        known &= arrays["known"]
    low = np.where(known, raw, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(known, raw, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0).astype(np.float64)
    scaled = (np.where(known, raw, 0.0) - np.where(np.isfinite(low), low, 0.0)) / span
    return np.where(known, scaled + LOWEST_KNOWN, 0.0).astype(np.float32)


def ranked(
    settings: ExperimentSettings,
    dataset: Dataset,
    folders: Sequence[Path],
    beside: Sequence[Method] = (),
    *,
    validation_only: bool = False,
) -> list[EvaluationResult]:
    """Ranks of peers, then of our own methods, all asked the same questions.

    Args:
        settings: The experiment; its stream protocol is used.
        dataset: Its data.
        folders: A folder of answers for each peer.
        beside: Our own methods that are asked too.
        validation_only: Leave the test alone.

    Raises:
        DataError: Answers are to another split, or damaged.
        SettingsError: The experiment has not exactly one stream protocol.
    """
    events, protocol = events_of(dataset, settings.data), stream_protocol(settings)
    split = split_of(settings, events)
    parts = PARTS[:1] if validation_only else PARTS
    answered = [AnsweredSource(folder, split, parts) for folder in folders]
    ours: list[CandidateSource] = [build_source(method, dataset) for method in beside]
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    results = evaluate_stream(
        [*answered, *ours],
        events,
        replace(cuts, end_s=cuts.test_s) if validation_only else cuts,
        protocol,
        available_from_s=dataset.published_s() if settings.catalogue == "published" else None,
    )
    named = [method.name for method in beside]
    return [
        result if name is None else replace(result, source=name)
        for result, name in zip(results, [None] * len(answered) + named, strict=True)
    ]


def methods_named(
    settings: ExperimentSettings, dataset: Dataset, names: Sequence[str]
) -> list[Method]:
    """The experiment's methods and forced baselines of these names.

    Raises:
        SettingsError: There is no method of a name.
    """
    named = {
        method.name or build_source(method, dataset).name: method
        for method in with_baselines(settings.methods)
    }
    if unknown := set(names) - set(named):
        raise SettingsError(f"no method {', '.join(sorted(unknown))} — one of {', '.join(named)}")
    return [named[name] for name in names]


def chosen_settings(
    results: Sequence[EvaluationResult], answerers: Sequence[Answerer], metrics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """For each peer all settings tried with their figures, and the best by the first metric."""
    tried: dict[str, list[dict[str, Any]]] = {}
    for result, who in zip(results, answerers, strict=True):
        ptr = result.questions.relevant_ptr
        figures = {
            name: float(Metric.of_name(name).values(result.rank, ptr).mean()) for name in metrics
        }
        one = {"settings": who.settings, "seed": who.seed, "seconds": who.seconds}
        tried.setdefault(who.peer, []).append(one | {"figures": figures})
    chosen = {}
    for peer, several in tried.items():
        several.sort(key=lambda one: -one["figures"][metrics[0]])
        chosen[peer] = {"chosen": several[0]["settings"], "tried": several}
    return chosen


def _table(figures: SplitFigures) -> str:
    lines = [figures.label]
    for source in figures.sources:
        cells = (
            f"{n} {v.value:.4f} [{v.low:.4f}, {v.high:.4f}]" for n, v in source.accuracy.items()
        )
        lines.append(f"  {source.source:40} " + "  ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Rank, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path, help="experiment file")
    parser.add_argument("answers", type=Path, nargs="+", help="folders of answers")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--beside", nargs="*", default=[], help="our own methods, by name")
    parser.add_argument(
        "--validation", action="store_true", help="validation only; choose settings"
    )
    asked = parser.parse_args()
    settings = load_experiment(asked.experiment)
    dataset = load_data(settings.data)
    beside = [] if asked.validation else methods_named(settings, dataset, asked.beside)
    beside += [] if asked.validation else [one for one in FORCED_BASELINES if one not in beside]
    results = ranked(settings, dataset, asked.answers, beside, validation_only=asked.validation)
    answerers = [read_answerer(folder) for folder in asked.answers]
    described = settings.model_dump(mode="json", exclude={"data": {"path"}, "methods": True})
    described["methods"] = [method.model_dump(mode="json") for method in beside]
    provenance = provenance_of(dataset.name, dataset.sha256, settings.intervals.seed, described)
    if asked.validation:
        chosen = chosen_settings(results, answerers, settings.metrics)
        whole = {"provenance": asdict(provenance), "peers": chosen}
        for peer, found in chosen.items():
            print(
                peer, *(f"{one['settings']} {one['figures']}" for one in found["tried"]), sep="\n  "
            )
    else:
        figures = figures_of(results, settings, vectors=content_vectors(dataset.items))
        whole = as_json(figures, provenance)
        whole["peers"] = {who.name: asdict(who) for who in answerers}
        print("\n".join(_table(part) for part in figures))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False)
    asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
