"""What Prometheus reads: requests by path and status, seconds, and the engine's state."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from uuid import uuid4

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from graphrec.serving.messages import StatusOut
from graphrec.serving.problems import problem_of

_LOG = logging.getLogger(__name__)
_FIT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Counters of one app, in a registry of their own."""

    def __init__(self, status: Callable[[], StatusOut]) -> None:
        """Count requests, and read the engine's state whenever it is scraped."""
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "graphrec_requests_total",
            "Requests answered.",
            ["method", "path", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "graphrec_request_seconds",
            "Seconds until the answer.",
            ["method", "path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_StatusCollector(status))

    def watch(self, app: FastAPI) -> None:
        """Count and log every request of an app by the path's pattern: no label holds an id.

        Each answer has an `X-Request-ID`, the caller's where it sends a fit one, as has its line in
        the log.
        """

        @app.middleware("http")
        async def count(
            request: Request, answer: Callable[[Request], Awaitable[Response]]
        ) -> Response:
            started = time.perf_counter()
            said = request.headers.get("x-request-id", "")
            request_id = said if _FIT_ID.fullmatch(said) else uuid4().hex
            try:
                response = await answer(request)
            except Exception as error:  # noqa: BLE001 — a failure is counted and named, too
                response = problem_of(error)
            seconds = time.perf_counter() - started
            path = getattr(request.scope.get("route"), "path_format", "unknown")
            self._requests.labels(request.method, path, response.status_code).inc()
            self._seconds.labels(request.method, path).observe(seconds)
            response.headers["X-Request-ID"] = request_id
            fields = {
                "request_id": request_id,
                "method": request.method,
                "path": path,
                "status": response.status_code,
                "ms": round(1e3 * seconds, 2),
            }
            _LOG.info("request", extra={"fields": fields})
            return response


class _StatusCollector(Collector):
    def __init__(self, status: Callable[[], StatusOut]) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The engine's state as gauges."""
        found = self._status()
        for name, words, value in (
            ("graphrec_ready", "Whether the log is followed.", float(found.ready)),
            ("graphrec_seq", "Newest entry that slates know of.", found.seq),
            ("graphrec_users", "Users known.", found.n_users),
            ("graphrec_items", "Items known.", found.n_items),
            ("graphrec_skipped", "Entries that could not be learnt.", found.n_skipped),
        ):
            yield GaugeMetricFamily(name, words, value=value)
