"""Every figure of an evaluation, computed from its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, SettingsError
from graphrec.evaluation import beyond_accuracy
from graphrec.evaluation.intervals import (
    Comparison,
    Interval,
    IntervalSettings,
    bootstrap_means,
    compare_with,
)
from graphrec.evaluation.metrics import Metric
from graphrec.evaluation.results import SLICES, SPLITS, EvaluationResult, Questions, Seconds


class FigureSettings(BaseModel):
    """Which figures are computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: tuple[str, ...] = Field(
        ("mrr", "ndcg@10", "recall@10", "hit_rate@10", "precision@10", "map@10"),
        min_length=1,
        description="Accuracy; the first one is the headline, which slices, tests and plots show.",
    )
    list_length: int = Field(
        10, ge=1, le=1000, description="Places of a list that beyond-accuracy figures look at."
    )
    popularity_baseline: str = Field(
        "popular", description="Source whose lists count as obvious, for serendipity."
    )
    time_bins: int = Field(12, ge=1, le=1000, description="Equal spans of time on the time axis.")
    intervals: IntervalSettings = Field(
        default_factory=IntervalSettings, description="Intervals and paired tests."
    )


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """The figures of one source in one split.

    Attributes:
        source: Name of the source.
        accuracy: Each metric with its interval.
        slices: The headline metric in each slice, with its interval.
        lists: Beyond-accuracy figures by name, NaN where they do not apply.
        over_time: Mean of the headline metric in each span of time; NaN where nothing was asked.
        seconds: What the source took, over all splits of the run.
        against_best: This source less the best one, in the headline metric; None for the best.
    """

    source: str
    accuracy: Mapping[str, Interval]
    slices: Mapping[str, Interval]
    lists: Mapping[str, float]
    over_time: tuple[float, ...]
    seconds: Seconds
    against_best: Comparison | None


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The figures of all sources that were asked the same questions, in one split.

    Attributes:
        protocol: Protocol of the run.
        regime: Regime of the run.
        split: `validation` or `test`.
        headline: The metric that slices, tests and plots show.
        n_queries: Queries in the split.
        n_users: Users who asked.
        n_items: Size of the catalogue.
        mean_candidates: Items ranked for a query, on average.
        slice_sizes: Share of the queries in each slice.
        time_edges_s: Borders of the spans of time, UTC seconds; empty where all queries have one
            time.
        sources: Best source first, by the headline metric.
    """

    protocol: str
    regime: str
    split: str
    headline: str
    n_queries: int
    n_users: int
    n_items: int
    mean_candidates: float
    slice_sizes: Mapping[str, float]
    time_edges_s: tuple[float, ...]
    sources: tuple[SourceFigures, ...]

    @property
    def label(self) -> str:
        """Protocol, regime and split, as quoted with every figure."""
        return f"{self.protocol}, {self.regime}, {self.split}"


def figures_of(
    results: Sequence[EvaluationResult],
    settings: FigureSettings,
    *,
    vectors: sp.csr_array | None = None,
) -> list[SplitFigures]:
    """Compute every figure of `results`.

    Args:
        results: Results of any number of runs; those of one protocol and regime belong together.
        settings: Which figures.
        vectors: A row per item for intra-list diversity; without it that figure is left out.

    Returns:
        One entry per run and split, the test before validation.

    Raises:
        DataError: Two sources of one run were asked different questions, or share a name.
        SettingsError: A metric is unknown, or the recommended lists are too short.
    """
    runs: dict[str, list[EvaluationResult]] = {}
    for result in results:
        runs.setdefault(result.questions.label, []).append(result)
    figures = []
    for run in runs.values():
        _check_run(run, settings)
        for split in reversed(SPLITS):
            if (run[0].questions.split == SPLITS.index(split)).any():
                parts = [result.of_split(split) for result in run]
                figures.append(_split_figures(parts, split, settings, vectors))
    return figures


def _check_run(run: Sequence[EvaluationResult], settings: FigureSettings) -> None:
    names = [result.source for result in run]
    if len(set(names)) < len(names):
        raise DataError(f"sources are named {', '.join(names)} — names are different")
    for result in run:
        if result.questions is not run[0].questions:
            raise DataError(
                f"{result.source} and {run[0].source} were asked different questions "
                f"({result.questions.label}) — evaluate the sources of one run together"
            )
        if result.top_item.shape[1] < settings.list_length:
            raise SettingsError(
                f"{result.top_item.shape[1]} recommended items were noted for each query and "
                f"list_length is {settings.list_length} — list_length <= top_k"
            )


def _split_figures(
    run: Sequence[EvaluationResult],
    split: str,
    settings: FigureSettings,
    vectors: sp.csr_array | None,
) -> SplitFigures:
    asked = run[0].questions
    headline = Metric.of_name(settings.metrics[0])
    values = {
        result.source: {
            name: Metric.of_name(name).values(result.rank, asked.relevant_ptr)
            for name in settings.metrics
        }
        for result in run
    }
    intervals = bootstrap_means(
        {
            f"{result.source}\n{name}": value
            for result in run
            for name, value in (
                values[result.source]
                | {f"in {at}": _in_slice(result, at, headline) for at in SLICES}
            ).items()
        },
        asked.user_row,
        settings.intervals,
    )
    ranked = sorted(run, key=lambda r: -intervals[f"{r.source}\n{headline.name}"].value)
    best = values[ranked[0].source][headline.name]
    against = compare_with(
        best,
        {result.source: values[result.source][headline.name] for result in ranked[1:]},
        asked.user_row,
        settings.intervals,
    )
    edges = _time_edges(asked, settings.time_bins)
    lists = _list_figures(run, settings, vectors)
    return SplitFigures(
        asked.protocol,
        asked.regime,
        split,
        headline.name,
        len(asked),
        len(np.unique(asked.user_row)),
        asked.n_items,
        float(run[0].n_candidates.mean()),
        {name: float(asked.in_slice(name).mean()) for name in SLICES},
        tuple(edges.tolist()),
        tuple(
            SourceFigures(
                result.source,
                {name: intervals[f"{result.source}\n{name}"] for name in settings.metrics},
                {name: intervals[f"{result.source}\nin {name}"] for name in SLICES},
                lists[result.source],
                _over_time(values[result.source][headline.name], asked, edges),
                result.seconds,
                against.get(result.source),
            )
            for result in ranked
        ),
    )


def _in_slice(
    result: EvaluationResult, name: str, metric: Metric
) -> Float64[np.ndarray, " queries"]:
    value = np.full(len(result.questions), np.nan)
    part = result.of_slice(name)
    value[result.questions.in_slice(name)] = metric.values(part.rank, part.questions.relevant_ptr)
    return value


def _list_figures(
    run: Sequence[EvaluationResult], settings: FigureSettings, vectors: sp.csr_array | None
) -> dict[str, dict[str, float]]:
    obvious = next((r for r in run if r.source == settings.popularity_baseline), None)
    return {
        result.source: _lists_of(result, obvious, settings.list_length, vectors) for result in run
    }


def _lists_of(
    result: EvaluationResult,
    obvious: EvaluationResult | None,
    length: int,
    vectors: sp.csr_array | None,
) -> dict[str, float]:
    asked = result.questions
    lists = result.top_item[:, :length]
    popularity = asked.popularity.astype(np.float64)
    information = beyond_accuracy.self_information(asked.popularity)
    found = {
        "coverage": beyond_accuracy.coverage(lists, asked.n_items),
        "gini": beyond_accuracy.exposure_gini(lists, asked.n_items),
        "novelty": _mean(beyond_accuracy.list_means(lists, information)),
        "popularity": _mean(beyond_accuracy.list_means(lists, popularity)),
        "popularity_lift": beyond_accuracy.popularity_lift(
            lists, asked.popularity, asked.history_popularity
        ),
    }
    if vectors is not None:
        found["diversity"] = _mean(beyond_accuracy.intra_list_diversity(lists, vectors))
    if obvious is not None:
        found["serendipity"] = _mean(
            beyond_accuracy.serendipity(
                lists, obvious.top_item[:, :length], asked.relevant_ptr, asked.relevant_item
            )
        )
    return {f"{name}@{length}": value for name, value in found.items()}


def _mean(value: Float64[np.ndarray, " queries"]) -> float:
    given = value[~np.isnan(value)]
    return float(given.mean()) if len(given) else float("nan")


def _time_edges(asked: Questions, n_bins: int) -> Float64[np.ndarray, " edges"]:
    first, last = int(asked.time_s.min()), int(asked.time_s.max())
    return np.linspace(first, last + 1, n_bins + 1) if last > first else np.empty(0)


def _over_time(
    value: Float64[np.ndarray, " queries"],
    asked: Questions,
    edges: Float64[np.ndarray, " edges"],
) -> tuple[float, ...]:
    if not len(edges):
        return ()
    span = np.searchsorted(edges, asked.time_s, side="right") - 1
    total = np.bincount(span, value, minlength=len(edges) - 1)
    count = np.bincount(span, minlength=len(edges) - 1)
    mean = np.full(len(total), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return tuple(mean.tolist())
