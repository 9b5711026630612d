"""The HTTP app: every door, behind who may use it."""

from fastapi import FastAPI

from graphrec.serving.event_doors import add_event_doors
from graphrec.serving.guarding import guard
from graphrec.serving.keys import KeyFile
from graphrec.serving.limits import DoorSettings
from graphrec.serving.metrics import Metrics
from graphrec.serving.paths import take_any_text_in_paths
from graphrec.serving.problems import documented, install
from graphrec.serving.service import Service
from graphrec.serving.slate_doors import add_slate_doors
from graphrec.serving.state_doors import add_state_doors

__all__ = ["DoorSettings", "build_app"]


def build_app(
    service: Service, keys: KeyFile | None, settings: DoorSettings | None = None
) -> FastAPI:
    """The app.

    Args:
        service: Answers.
        keys: Who may do what; None: everybody everything.
        settings: Limits.
    """
    limits = settings or DoorSettings()
    metrics = Metrics(service.status)
    app = FastAPI(
        title="graphrec",
        description="Recommendations that know of the last event.",
        version="1",
        docs_url="/docs",
        redoc_url=None,
        responses=documented(401, 403, 422, 429, 500, 503),
    )
    take_any_text_in_paths()
    install(app)
    metrics.watch(app)
    add_event_doors(app, service, limits, guard(keys, "write"))
    add_slate_doors(app, service, guard(keys, "read"))
    add_state_doors(app, service, metrics, guard(keys, "admin"))
    return app
