"""How the server is and has been over the last minutes, over all its processes."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel, Field

from graphrec.errors import GraphrecError
from graphrec.serving.metrics import Metrics
from graphrec.serving.state import LiveState
from graphrec.serving.totals import (
    Buckets,
    Totals,
    between,
    increase,
    newest_span,
    quantile,
    steps,
    totals_of,
)

_LOG = logging.getLogger(__name__)
PERIOD_S: Final = 2.0
_POINTS: Final = 151
_RECENT_S: Final = 60.0


class SpreadOut(BaseModel):
    """Milliseconds within which a share of all lies; null where there was nothing to measure."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class RatesOut(BaseModel):
    """What happened within a span."""

    events_per_s: float = Field(description="Events stored.")
    requests_per_s: float = Field(
        description="Requests answered, without those for the server's own sake."
    )
    errors_per_s: float = Field(description="Those of them answered by a status of 400 or more.")
    slates_per_s: float
    answers: SpreadOut = Field(description="From a request to its answer.")
    slates: SpreadOut = Field(description="To make a slate.")
    freshness: SpreadOut = Field(description="From an acknowledgement until slates know.")


class PointOut(RatesOut):
    """What happened between two looks."""

    ago_s: float = Field(description="Seconds from the end of it to now.")
    behind: int | None = Field(description="Entry numbers that slates did not know of.")


class RecommenderOut(BaseModel):
    """What recommends."""

    name: str = Field(description="Name of its bundle.")
    sources: list[str] = Field(description="Who finds candidates.")
    ranker: str | None = Field(description="Who orders them; null: they stand as found.")


def recommender_of(state: LiveState) -> RecommenderOut:
    """What a state recommends by."""
    parts = state.pipeline.parts
    return RecommenderOut(
        name=state.model,
        sources=[source.name for source in parts.sources],
        ranker=None if parts.ranker is None else type(parts.ranker).__name__,
    )


class SizesOut(BaseModel):
    """How much is known."""

    users: int
    items: int
    edges: int | None = Field(description="Of the co-watch graph; null where there is none.")
    seq: int = Field(description="Newest entry that slates of every process know of.")
    behind: int | None = Field(
        description="Entry numbers between the log's end and what slates know of, by the process "
        "farthest behind; null until the log was looked at."
    )
    skipped: int = Field(description="Entries that could not be learnt.")


class OverviewOut(BaseModel):
    """How the server is, over all its processes."""

    ready: bool
    failure: str | None = Field(description="Why the log cannot be followed, if it cannot.")
    uptime_s: float
    workers: int = Field(description="Processes that answer.")
    model: RecommenderOut
    sizes: SizesOut
    events: dict[str, int] = Field(description="Events told since the start, by outcome.")
    answers: dict[str, int] = Field(description="Requests answered since then, by status class.")
    last_minute: RatesOut
    points: list[PointOut] = Field(description="The last five minutes, oldest first.")


class Overview:
    """Looks at what is counted every two seconds, and remembers five minutes of it."""

    def __init__(
        self,
        metrics: Metrics,
        model: Callable[[], RecommenderOut],
        failure: Callable[[], str | None],
        n_behind: Callable[[], int],
    ) -> None:
        """Look at `metrics`.

        Args:
            metrics: What is counted.
            model: Tells what recommends.
            failure: Why the log cannot be followed, if it cannot.
            n_behind: Entry numbers that slates do not know of yet; may raise `GraphrecError`.
        """
        self._metrics = metrics
        self._model = model
        self._failure = failure
        self._n_behind = n_behind
        self._points: deque[Totals] = deque(maxlen=_POINTS)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_behind_known = False
        self.look()

    def start(self) -> None:
        """Look in a thread of its own until `close`."""
        self._closed.clear()
        self._thread = threading.Thread(target=self._follow, name="overview", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Remember how things stand now."""
        self._metrics.refresh()
        found = totals_of(self._metrics.families(), time.monotonic())
        with self._lock:
            self._points.append(found)

    def answer(self) -> OverviewOut:
        """How things stand, as of the last look or now."""
        if time.monotonic() - self._points[-1].time_s > PERIOD_S or len(self._points) < 2:
            self.look()
        with self._lock:
            points = list(self._points)
        newest, gauges, failure = points[-1], points[-1].gauges, self._failure()
        return OverviewOut(
            ready=failure is None and gauges["ready"] > 0,
            failure=failure,
            uptime_s=round(time.time() - gauges["start_seconds"], 1),
            workers=int(gauges["workers"]),
            model=self._model(),
            sizes=SizesOut(
                users=int(gauges["users"]),
                items=int(gauges["items"]),
                edges=int(gauges["edges"]) or None,
                seq=int(gauges["seq"]),
                behind=self._behind(newest),
                skipped=int(gauges["skipped"]),
            ),
            events={name: int(n) for name, n in newest.events.items()},
            answers={name: int(n) for name, n in sorted(newest.answers.items())},
            last_minute=rates(*newest_span(points, _RECENT_S)),
            points=[
                PointOut(
                    **rates(old, new).model_dump(),
                    ago_s=round(newest.time_s - new.time_s, 2),
                    behind=self._behind(new),
                )
                for old, new in steps(points)
            ],
        )

    def _behind(self, point: Totals) -> int | None:
        return int(point.gauges["behind"]) if self._is_behind_known else None

    def _follow(self) -> None:
        while True:
            try:
                self._metrics.is_behind(self._n_behind())
                self._is_behind_known = True
            except GraphrecError as error:
                _LOG.warning("how far slates are behind cannot be told: %s", error)
            self.look()
            if self._closed.wait(PERIOD_S):
                return


def rates(earlier: Totals, later: Totals) -> RatesOut:
    """What happened between two moments."""
    span_s = max(later.time_s - earlier.time_s, 1e-9)
    n_slow = max(between(earlier.slate_s, later.slate_s).values(), default=0.0)
    errors = increase(earlier.answers, later.answers, "4")
    errors += increase(earlier.answers, later.answers, "5")
    return RatesOut(
        events_per_s=round(increase(earlier.events, later.events, "stored") / span_s, 3),
        requests_per_s=round(increase(earlier.answers, later.answers) / span_s, 3),
        errors_per_s=round(errors / span_s, 3),
        slates_per_s=round(n_slow / span_s, 3),
        answers=_spread(between(earlier.answer_s, later.answer_s)),
        slates=_spread(between(earlier.slate_s, later.slate_s)),
        freshness=_spread(between(earlier.fresh_s, later.fresh_s)),
    )


def _spread(buckets: Buckets) -> SpreadOut:
    found = [quantile(buckets, q) for q in (0.5, 0.95, 0.99)]
    p50, p95, p99 = (None if one is None else round(1e3 * one, 3) for one in found)
    return SpreadOut(p50_ms=p50, p95_ms=p95, p99_ms=p99)
