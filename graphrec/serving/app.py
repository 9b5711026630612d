"""The HTTP app: every door, behind who may use it."""

from dataclasses import dataclass

from fastapi import FastAPI

from graphrec.serving.catalogue_doors import add_catalogue_doors
from graphrec.serving.event_doors import add_event_doors
from graphrec.serving.guarding import guard
from graphrec.serving.keeping import Keeper
from graphrec.serving.keys import KeyFile
from graphrec.serving.limits import DoorSettings
from graphrec.serving.model_doors import add_model_doors
from graphrec.serving.models import Models
from graphrec.serving.onlookers import Onlookers
from graphrec.serving.page_doors import add_insight_doors, add_page_doors
from graphrec.serving.problems import MEDIA_TYPE, install
from graphrec.serving.service import Service
from graphrec.serving.slate_doors import add_slate_doors
from graphrec.serving.state_doors import add_state_doors
from graphrec.serving.state_store import StateStore

__all__ = ["DoorSettings", "Doors", "build_app"]


@dataclass(frozen=True, slots=True)
class Doors:
    """What there are doors to.

    Attributes:
        service: Takes events and answers.
        models: Puts bundles to use; None: there is only one.
        keeper: Keeps snapshots.
        store: Where bundles and snapshots are.
    """

    service: Service
    models: Models | None = None
    keeper: Keeper | None = None
    store: StateStore | None = None


def build_app(doors: Doors, keys: KeyFile | None, settings: DoorSettings | None = None) -> FastAPI:
    """The app.

    Args:
        doors: What stands behind it.
        keys: Who may do what; None: everybody everything.
        settings: Limits.
    """
    limits = settings or DoorSettings()
    service = doors.service
    onlookers = Onlookers(service)
    app = FastAPI(
        lifespan=onlookers.life,
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
    onlookers.metrics.watch(app)
    add_event_doors(app, service, limits, guard(keys, "write"))
    add_slate_doors(app, service, guard(keys, "read"))
    add_insight_doors(app, service, onlookers, (guard(keys, "read"), guard(keys, "admin")))
    # Behind those whose paths begin like its own: an id may hold slashes.
    add_catalogue_doors(app, service, limits, guard(keys, "read"), guard(keys, "write"))
    add_state_doors(app, service, onlookers.metrics, guard(keys, "admin"))
    if doors.models and doors.keeper and doors.store:
        add_model_doors(app, doors.models, doors.keeper, doors.store, guard(keys, "admin"))
    add_page_doors(app)
    return app
