"""Settings become a running engine: a log that is followed, a state, a door."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import SettingsError
from graphrec.pipeline import Pipeline
from graphrec.serving.app import DoorSettings, build_app
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.keys import KeyFile
from graphrec.serving.listening import ListenSettings
from graphrec.serving.service import Service, ServiceSettings
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
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
    keys: Path | None = Field(
        None, description="File of API keys; null: everybody may do everything, on loopback only."
    )
    log: EntryLogSettings = Field(EntryLogSettings(), description="Where events become durable.")
    following: FollowingSettings = Field(FollowingSettings(), description="How it is followed.")
    service: ServiceSettings = Field(ServiceSettings(), description="Time and events.")
    door: DoorSettings = Field(DoorSettings(), description="What a request may weigh.")
    listen: ListenSettings = Field(
        ListenSettings(), description="Patience with connections, and how many."
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A server that could take requests.

    Attributes:
        app: The HTTP door.
        engine: Follows the log.
        n_replayed: Entries of the log that were applied at the start.
    """

    app: FastAPI
    engine: Engine
    n_replayed: int


@contextmanager
def opened(pipeline: Pipeline, settings: ServeSettings) -> Iterator[Opened]:
    """A server on what `pipeline` knows and the log says since; closed with the block.

    Raises:
        SettingsError: It would be open to others without keys, or the keys cannot be read.
        StoreError: The log cannot be opened.
    """
    if settings.keys is None:
        refuse_open_door(settings.host)
    keys = None if settings.keys is None else KeyFile(settings.keys)
    clock = SteadyClock()
    with EntryLog(settings.log, clock=clock) as log:
        engine = Engine(log, LiveState(pipeline), settings.following)
        n_replayed = engine.catch_up()
        engine.start()
        try:
            service = Service(log, engine, settings.service, clock=clock)
            yield Opened(build_app(service, keys, settings.door), engine, n_replayed)
        finally:
            engine.close()


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
