"""What is counted: requests, events, slates, freshness, and the engine's state, for Prometheus.

With several worker processes the parent sets `PROMETHEUS_MULTIPROC_DIR` before this module is
imported; each process then counts in files of that folder, and whoever is asked answers for all:
counts are summed, of a state the largest, the least or the sum is told, as fits it. No label holds
an id: requests are told apart by the pattern of their path.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Literal
from uuid import uuid4

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphrec.serving.messages import EventsOut, SlateOut, StatusOut
from graphrec.serving.problems import problem_of

_LOG = logging.getLogger(__name__)
_FIT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_Mode = Literal["livemin", "livemax", "livesum"]
_GAUGES: tuple[tuple[str, str, _Mode], ...] = (
    ("ready", "Whether the log is followed, by every process.", "livemin"),
    ("seq", "Newest entry that slates of every process know of.", "livemin"),
    ("users", "Users known.", "livemax"),
    ("items", "Items known.", "livemax"),
    ("edges", "Edges of the co-watch graph that are held.", "livemax"),
    ("skipped", "Entries that could not be learnt.", "livemax"),
    ("behind", "Entry numbers between the log's end and what slates know of.", "livemax"),
    ("workers", "Processes that answer.", "livesum"),
    ("start_seconds", "When the first of them started, UTC seconds.", "livemin"),
)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self, status: Callable[[], StatusOut], model: Callable[[], str]) -> None:
        """Count, and read the engine's state whenever somebody asks.

        Args:
            status: The engine's state.
            model: Name of the bundle that answers.
        """
        self._status = status
        self.registry = CollectorRegistry()
        own = self.registry
        self._requests = Counter(
            "graphrec_requests_total",
            "Requests answered.",
            ["method", "path", "status"],
            registry=own,
        )
        self._seconds = Histogram(
            "graphrec_request_seconds",
            "Seconds until the answer.",
            ["method", "path"],
            buckets=_SECONDS,
            registry=own,
        )
        self._events = Counter(
            "graphrec_events_total",
            "Events told, by what became of them.",
            ["outcome"],
            registry=own,
        )
        self._slates = Histogram(
            "graphrec_slate_seconds", "Seconds to make a slate.", buckets=_SECONDS, registry=own
        )
        self._fresh = Histogram(
            "graphrec_freshness_seconds",
            "Seconds from the acknowledgement of entries until slates of the process that took "
            "them know of them.",
            buckets=_SECONDS,
            registry=own,
        )
        self._gauges = {
            name: Gauge(f"graphrec_{name}", words, multiprocess_mode=mode, registry=own)
            for name, words, mode in _GAUGES
        }
        self._model, self._told_model = model, ""
        self._info = Gauge(
            "graphrec_build_info",
            "1 for what answers, 0 for what did before.",
            ["version", "python", "model"],
            multiprocess_mode="livemax",
            registry=own,
        )
        self._gauges["workers"].set(1)
        self._gauges["start_seconds"].set(time.time())

    def recorded(self, found: EventsOut) -> None:
        """Count what became of events."""
        for one in found.results:
            self._events.labels(one.outcome).inc()

    def made(self, _: SlateOut, seconds: float) -> None:
        """Count a slate that took `seconds`."""
        self._slates.observe(seconds)

    def became_visible(self, seconds: float) -> None:
        """Count that what was acknowledged `seconds` ago is known to slates."""
        self._fresh.observe(seconds)

    def is_behind(self, n: int) -> None:
        """Tell how many entry numbers lie between the log's end and the state."""
        self._gauges["behind"].set(n)

    def refresh(self) -> None:
        """Read the engine's state of this process."""
        found = self._status()
        for name, value in (
            ("ready", float(found.ready)),
            ("seq", found.seq),
            ("users", found.n_users),
            ("items", found.n_items),
            ("edges", found.n_edges or 0),
            ("skipped", found.n_skipped),
        ):
            self._gauges[name].set(value)
        model = self._model()
        if self._told_model not in ("", model):
            self._info.labels(_version(), python_version(), self._told_model).set(0)
        self._info.labels(_version(), python_version(), model).set(1)
        self._told_model = model

    def families(self) -> Iterable[Metric]:
        """All that is counted, of every process."""
        return self._reading().collect()

    def page(self) -> bytes:
        """All that is counted, of every process, as Prometheus reads it."""
        self.refresh()
        return generate_latest(self._reading())

    def watch(self, app: FastAPI) -> None:
        """Count and log every request of an app by the path's pattern: no label holds an id.

        Each answer has an `X-Request-ID`, the caller's where it sends a fit one, as has its line in
        the log.
        """
        app.add_middleware(_Counting, answered=self._answered)

    def _answered(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        path, method = getattr(scope.get("route"), "path_format", "unknown"), scope["method"]
        self._requests.labels(method, path, status).inc()
        self._seconds.labels(method, path).observe(seconds)
        if _LOG.isEnabledFor(logging.INFO):
            fields = {
                "request_id": request_id,
                "method": method,
                "path": path,
                "status": status,
                "ms": round(1e3 * seconds, 2),
            }
            _LOG.info("request", extra={"fields": fields})

    def _reading(self) -> CollectorRegistry:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self.registry
        _forget_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all)  # type: ignore[no-untyped-call]  # it has no types
        return of_all


class _Counting:
    """Tells of each request; Starlette's own middleware by function takes a task for each."""

    def __init__(self, app: ASGIApp, answered: Callable[[Scope, str, int, float], None]) -> None:
        """Stand around `app`, and tell `answered`."""
        self._app, self._told = app, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, name the answer, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        said = Headers(scope=scope).get("x-request-id", "")
        request_id = said if _FIT_ID.fullmatch(said) else uuid4().hex

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as error:
            if status:
                raise
            await problem_of(error)(scope, receive, named)
        finally:
            # A client that has gone is told nothing.
            self._told(scope, request_id, status or 499, time.perf_counter() - started)


def _forget_dead(folder: Path) -> None:
    """Drop the state of processes that have ended; what they counted stays."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except PermissionError:
            continue


def _version() -> str:
    try:
        return version("graphrec")
    except PackageNotFoundError:
        return "unknown"
