"""What Prometheus reads: requests by path and status, seconds, and the engine's state."""

import time
from collections.abc import Awaitable, Callable, Iterator

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from graphrec.serving.messages import StatusOut

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
        """Count every request of an app by the path's pattern, so that ids are no labels."""

        @app.middleware("http")
        async def count(
            request: Request, answer: Callable[[Request], Awaitable[Response]]
        ) -> Response:
            started = time.perf_counter()
            response = await answer(request)
            route = request.scope.get("route")
            path = getattr(route, "path", "unknown")
            self._requests.labels(request.method, path, response.status_code).inc()
            self._seconds.labels(request.method, path).observe(time.perf_counter() - started)
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
