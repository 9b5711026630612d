"""Settings become a running engine: a log that is followed, a state, a door."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import SettingsError, SnapshotError
from graphrec.pipeline import Pipeline
from graphrec.serving.app import Doors, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.keeping import Keeper
from graphrec.serving.keys import KeyFile
from graphrec.serving.learning import Learning
from graphrec.serving.limits import DoorSettings
from graphrec.serving.listening import ListenSettings
from graphrec.serving.memory import settle_memory
from graphrec.serving.models import Models, Trial
from graphrec.serving.recorded import questions_of_users
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.state_files import Origin, write_down
from graphrec.serving.state_store import StateStore, StoreSettings
from graphrec.serving.steady import SteadyClock
from graphrec.serving.store import EntryLog


class ServeSettings(BaseModel):
    """All of a server; files lie relative to the folder that it is started in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path | None = Field(
        None, description="Log to start from, a file or folder; null: the demo world."
    )
    pipeline: Path | None = Field(None, description="File of a pipeline; null: walks.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(
        1, ge=1, le=256, description="Processes that answer, each with a state of its own."
    )
    keys: Path | None = Field(
        None, description="File of API keys; null: everybody may do everything, on loopback only."
    )
    log: EntryLogSettings = Field(EntryLogSettings(), description="Where events become durable.")
    store: StoreSettings = Field(StoreSettings(), description="Where states are kept.")
    following: FollowingSettings = Field(FollowingSettings(), description="How it is followed.")
    service: ServiceSettings = Field(ServiceSettings(), description="Time and events.")
    door: DoorSettings = Field(DoorSettings(), description="What a request may weigh.")
    listen: ListenSettings = Field(
        ListenSettings(), description="Patience with connections, and how many."
    )


@dataclass(frozen=True, slots=True)
class Start:
    """What a server recommends from where the log names no bundle.

    Attributes:
        name: Name of its bundle; another name for whatever it is made of.
        made_of: What it is made of, for people.
        learn: Learns the pipeline.
    """

    name: str
    made_of: str
    learn: Callable[[], Pipeline]


@dataclass(frozen=True, slots=True)
class Opened:
    """A server that could take requests.

    Attributes:
        app: The HTTP door.
        engine: Follows the log.
        model: Name of the bundle in use.
        n_replayed: Entries of the log that were applied at the start.
    """

    app: FastAPI
    engine: Engine
    model: str
    n_replayed: int

    @property
    def words(self) -> str:
        """What is known, for people."""
        with self.engine.read() as state:
            ids = state.pipeline.dataset.ids
            return (
                f"bundle {self.model}: {len(ids['user']):,} users, {len(ids['item']):,} items; "
                f"{self.n_replayed:,} entries of the log applied, {self.engine.n_skipped:,} skipped"
            )


@contextmanager
def opened(start: Start, settings: ServeSettings) -> Iterator[Opened]:
    """A server on the bundle that the log names, or on `start`; closed with the block.

    The state is the newest snapshot with what the log says since. Without any the bundle is read,
    and without that what `start` tells is learnt and kept.

    Raises:
        SettingsError: It would be open to others without keys, or keys or the store cannot be read.
        StoreError: The log cannot be opened.
        SnapshotError: The log names a bundle that is not there or cannot be used.
    """
    if settings.keys is None:
        refuse_open_door(settings.host)
    keys = None if settings.keys is None else KeyFile(settings.keys)
    store, clock = StateStore(settings.store), SteadyClock()
    with ExitStack() as closing:
        log = closing.enter_context(EntryLog(settings.log, clock=clock))
        ageing = clock if settings.service.clock == "wall" else None
        engine = Engine(log, _first_state(start, store, log), settings.following, clock=ageing)
        n_replayed = engine.catch_up()
        keeper = Keeper(engine, store, log.log_id)
        service = Service(log, engine, settings.service, clock=clock)
        models = Models(engine, store, log, _trial_of(service, engine), clock)
        for part in (keeper, models, engine):
            part.start()
            closing.callback(part.close)
        app = build_app(Doors(service, models, keeper, store), keys, settings.door)
        _ask_first(engine, service)
        settle_memory()
        # What learns lets what answers go on after 0.5 ms instead of 5.
        sys.setswitchinterval(0.0005)
        yield Opened(app, engine, models.in_use, n_replayed)


def refuse_open_door(host: str) -> None:
    """Check that nobody from elsewhere reaches a server without keys.

    Raises:
        SettingsError: `host` is no loopback address.
    """
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"no keys on {host} — without keys only loopback (127.0.0.1) is served; make a key: "
            "graphrec keys add NAME --file keys.json"
        )


def _first_state(start: Start, store: StateStore, log: EntryLog) -> LiveState:
    """The newest state of the bundle that the log names, or of `start`."""
    named = log.newest("model", 1)
    name = named[0].key if named else start.name
    found = store.newest_state(name, log.log_id, log.last_seq)
    if found is not None:
        return found
    if name != start.name:
        raise SnapshotError(
            f"the log says that bundle {name} is in use, and no state of it in {store.folder} can "
            "be used — bring it back, or train it again: graphrec bundle"
        )
    # Of several processes that start at once one learns; the others read what it kept.
    with store.alone(wait=True):
        found = store.newest_state(name, log.log_id, log.last_seq)
        if found is None:
            found = LiveState(start.learn(), name)
            store.write_bundle(write_down(found, Origin(name, None, 0, start.made_of)))
    return found


def _ask_first(engine: Engine, service: Service) -> None:
    """Have a process's first slates made, which load or compile kernels for seconds."""
    with engine.read() as state:
        for question in questions_of_users(state, service.slate_of_row)[:2]:
            question(state)


def _trial_of(service: Service, engine: Engine) -> Callable[[Learning], Trial]:
    def trial(learning: Learning) -> Trial:
        with engine.read() as now, learning.read() as new:
            extra = questions_of_users(now, service.slate_of_row)
            return service.recorded.trial(now, new, extra)

    return trial
