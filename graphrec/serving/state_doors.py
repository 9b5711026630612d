"""Doors for whoever runs the server: health, status, metrics."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from graphrec.serving.messages import StatusOut
from graphrec.serving.metrics import Metrics
from graphrec.serving.problems import problem
from graphrec.serving.service import Service


def add_state_doors(app: FastAPI, service: Service, metrics: Metrics, guard: Any) -> None:
    """Add health for everybody, and the rest behind `guard`."""

    @app.get("/health/live", summary="Whether the process answers", tags=["health"])
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready", summary="Whether slates know of new events", tags=["health"])
    async def ready() -> Response:
        found = service.status()
        if not found.ready:
            return problem(503, found.failure or "not ready")
        return JSONResponse({"status": "ready", "seq": found.seq})

    @app.get("/v1/admin/status", summary="How the engine is", dependencies=[guard])
    def status() -> StatusOut:
        return service.status()

    @app.get("/metrics", summary="Prometheus", dependencies=[guard], response_class=Response)
    def scrape() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)
