"""Sums over all processes at one moment, and what happened between two of them."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf

from prometheus_client.metrics_core import Metric

Buckets = Mapping[float, float]
"""How many took at most so many seconds, by that bound; the last bound is infinite."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What has been counted up to a moment.

    Attributes:
        time_s: The moment, seconds of a clock that never goes back.
        events: Events told, by what became of them.
        answers: Callers' requests answered, by class of status such as `2xx`; what is asked for
            the server's own sake (health, metrics, this page) is left out.
        answer_s: Their seconds.
        slate_s: Seconds to make slates.
        fresh_s: Seconds from an acknowledgement until slates know.
        gauges: State of the engines, by name.
    """

    time_s: float
    events: Mapping[str, float]
    answers: Mapping[str, float]
    answer_s: Buckets
    slate_s: Buckets
    fresh_s: Buckets
    gauges: Mapping[str, float]


def totals_of(families: Iterable[Metric], time_s: float) -> Totals:
    """Sum what was counted."""
    events: dict[str, float] = defaultdict(float)
    answers: dict[str, float] = defaultdict(float)
    seconds: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    gauges = {}
    for sample in (sample for family in families for sample in family.samples):
        name, labels = sample.name.removeprefix("graphrec_"), sample.labels
        match name:
            case "events_total":
                events[labels["outcome"]] += sample.value
            case "requests_total" if _is_callers(labels["path"]):
                answers[f"{labels['status'][0]}xx"] += sample.value
            case "request_seconds_bucket" if _is_callers(labels["path"]):
                seconds["answer"][float(labels["le"])] += sample.value
            case "slate_seconds_bucket" | "freshness_seconds_bucket":
                seconds[name.partition("_")[0]][float(labels["le"])] += sample.value
            case _ if not labels:
                gauges[name] = sample.value
    return Totals(
        time_s,
        dict(events),
        dict(answers),
        dict(seconds["answer"]),
        dict(seconds["slate"]),
        dict(seconds["freshness"]),
        gauges,
    )


def between(earlier: Buckets, later: Buckets) -> Buckets:
    """What was observed between two moments."""
    return {bound: n - earlier.get(bound, 0.0) for bound, n in later.items()}


def quantile(buckets: Buckets, q: float) -> float | None:
    """Seconds within which a share `q` of observations lies, evenly spread within a bucket.

    Returns:
        None where nothing was observed; the last finite bound where it lies beyond that.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    counts = [buckets[bound] for bound in bounds]
    place = max(bisect_left(counts, q * total), bisect_right(counts, 0.0))
    bound = bounds[place]
    below, n_below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    if isinf(bound):
        return below
    return below + (bound - below) * (q * total - n_below) / (counts[place] - n_below)


def increase(earlier: Mapping[str, float], later: Mapping[str, float], prefix: str = "") -> float:
    """By how much the sum of what starts with `prefix` grew."""
    return sum(n - earlier.get(name, 0.0) for name, n in later.items() if name.startswith(prefix))


def newest_span(points: list[Totals], span_s: float) -> tuple[Totals, Totals]:
    """The newest of some moments, and the last one that lies `span_s` or more before it."""
    newest = points[-1]
    old = [one for one in points[:-1] if newest.time_s - one.time_s >= span_s]
    return (old[-1] if old else points[0]), newest


def steps(points: list[Totals]) -> Iterable[tuple[Totals, Totals]]:
    """Each moment with the one before it, oldest first, without those of no length."""
    return ((old, new) for old, new in pairwise(points) if 0 < new.time_s - old.time_s < inf)


def _is_callers(path: str) -> bool:
    return path.startswith("/v1/") and not path.startswith("/v1/admin/")
