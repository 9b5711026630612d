"""The HTTP app: every door, behind who may use it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from graphrec.serving.event_doors import add_event_doors
from graphrec.serving.freshness import Freshness
from graphrec.serving.guarding import guard
from graphrec.serving.keys import KeyFile
from graphrec.serving.limits import DoorSettings
from graphrec.serving.metrics import Metrics
from graphrec.serving.overview import Overview, model_of
from graphrec.serving.page_doors import add_insight_doors, add_page_doors
from graphrec.serving.problems import MEDIA_TYPE, install
from graphrec.serving.service import Service
from graphrec.serving.shown_items import ShownItems
from graphrec.serving.slate_doors import add_slate_doors
from graphrec.serving.state_doors import add_state_doors
from graphrec.serving.watching import Watchers

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
    with service.engine.read() as state:
        model = model_of(state.pipeline)
    metrics = Metrics(service.status, str(model))
    overview = Overview(metrics, model, lambda: service.status().failure, service.n_behind)
    freshness, shown = Freshness(service.engine, metrics.became_visible), ShownItems()
    service.watcher = Watchers((metrics, freshness, shown))
    app = FastAPI(
        lifespan=_beside(freshness, overview),
        title="graphrec",
        description="Recommendations that know of the last event.",
        version="1",
        docs_url="/docs",
        redoc_url=None,
        responses={
            status: {"content": {MEDIA_TYPE: {}}, "description": words}
            for status, words in (
                (401, "No key, or one that nobody holds."),
                (403, "The key does not reach so far."),
                (422, "A field breaks a rule."),
                (429, "Too much at once; see Retry-After."),
                (503, "The log cannot be reached."),
            )
        },
    )
    install(app)
    metrics.watch(app)
    add_event_doors(app, service, limits, guard(keys, "write"))
    add_slate_doors(app, service, guard(keys, "read"))
    add_state_doors(app, service, metrics, guard(keys, "admin"))
    add_insight_doors(app, service, overview, shown, (guard(keys, "read"), guard(keys, "admin")))
    add_page_doors(app)
    return app


def _beside(
    *watches: Freshness | Overview,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What runs beside the app from its start to its end."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        for one in watches:
            one.start()
        try:
            yield
        finally:
            for one in watches:
                one.close()

    return running
