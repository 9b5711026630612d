"""The HTTP app: every door, behind who may use it."""

from dataclasses import dataclass

from fastapi import FastAPI

from graphrec.serving.admission import RateLimitFields, SlatesAtOnce, rate_limit_of
from graphrec.serving.catalogue_doors import add_catalogue_doors
from graphrec.serving.event_doors import add_event_doors
from graphrec.serving.guarding import Gate
from graphrec.serving.impression_doors import add_impression_doors
from graphrec.serving.keeping import Keeper
from graphrec.serving.keys import SCOPES, KeyFile
from graphrec.serving.limits import DoorSettings
from graphrec.serving.model_doors import add_model_doors
from graphrec.serving.models import Models
from graphrec.serving.onlookers import Onlookers
from graphrec.serving.page_doors import add_insight_doors, add_page_doors
from graphrec.serving.paths import take_any_text_in_paths
from graphrec.serving.problems import documented, install
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
        responses=documented(401, 403, 422, 429, 500, 503),
    )
    take_any_text_in_paths()
    install(app)
    onlookers.metrics.watch(app)
    rate = rate_limit_of(limits)
    if rate is not None:
        app.add_middleware(RateLimitFields)
    gates = [Gate(keys, scope, rate) for scope in SCOPES]
    read, write, admin = (gate.depends for gate in gates)
    add_event_doors(app, service, limits, write)
    add_impression_doors(app, service, limits, write)
    add_slate_doors(app, service, gates[0], SlatesAtOnce(limits.slates_at_once))
    add_insight_doors(app, service, onlookers, (read, admin))
    # Behind those whose paths begin like its own: an id may hold slashes.
    add_catalogue_doors(app, service, limits, read, write)
    add_state_doors(app, service, onlookers.metrics, admin)
    if doors.models and doors.keeper and doors.store:
        add_model_doors(app, doors.models, doors.keeper, doors.store, admin)
    add_page_doors(app)
    return app
