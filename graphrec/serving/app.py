"""The HTTP app: every door, behind who may use it."""

from fastapi import FastAPI

from graphrec.serving.admission import RateLimitFields, SlatesAtOnce, rate_limit_of
from graphrec.serving.event_doors import add_event_doors
from graphrec.serving.guarding import guard
from graphrec.serving.impression_doors import add_impression_doors
from graphrec.serving.keys import SCOPES, KeyFile
from graphrec.serving.limits import DoorSettings
from graphrec.serving.metrics import Metrics
from graphrec.serving.problems import MEDIA_TYPE, install
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
    rate = rate_limit_of(limits)
    if rate is not None:
        app.add_middleware(RateLimitFields)
    read, write, admin = (guard(keys, scope, rate) for scope in SCOPES)
    add_event_doors(app, service, limits, write)
    add_impression_doors(app, service, limits, write)
    add_slate_doors(app, service, read, SlatesAtOnce(limits.slates_at_once))
    add_state_doors(app, service, metrics, admin)
    return app
