"""Processes that serve: what each of them opens, alone or as one of several."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from graphrec import terminal
from graphrec.errors import GraphrecError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graphrec.pipeline import Pipeline
    from graphrec.serving.opening import ServeSettings, Start

APP: Final = "graphrec.serve_worker:make_app"
_OPTIONS: Final = "GRAPHREC_SERVE_OPTIONS"
_LOOK_S: Final = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line said.

    Attributes:
        settings: File of the server's settings.
        given: Settings that outweigh it, by their path such as `log.url`.
        quiet: No line in the log for each request.
    """

    settings: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False

    def to_environment(self) -> None:
        """Hand these options to the processes that this one starts."""
        os.environ[_OPTIONS] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> "ServeOptions":
        """The options that were handed to this process."""
        return cls(**json.loads(os.environ[_OPTIONS]))


def settings_of_server(options: ServeOptions) -> "ServeSettings":
    """A file's settings, over them the environment's, over them a command's options.

    Raises:
        SettingsError: A setting is unknown or wrong.
    """
    from graphrec.experiment.layers import Layer, environment_layer, file_layer, layered
    from graphrec.serving.opening import ServeSettings

    given: dict[str, Any] = {}
    for path, value in options.given.items():
        *groups, name = path.split(".")
        place = given
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    names = {path: f"--{path.split('.')[0]}" for path in options.given}
    besides = ["GRAPHREC_KEY", _OPTIONS]
    layers = [
        *([] if options.settings is None else [file_layer(Path(options.settings))]),
        environment_layer(ServeSettings, os.environ, "GRAPHREC_", besides=besides),
        Layer("options", given, names),
    ]
    if layered(ServeSettings, layers).data is None:
        # The demo world's events lie years back.
        layers.insert(0, Layer("demo world", {"service": {"clock": "log"}}))
    return layered(ServeSettings, layers)


def start_of(settings: "ServeSettings") -> "Start":
    """What is recommended from where the log names no bundle.

    Raises:
        DataError: The data are not there.
    """
    from graphrec.experiment.fingerprints import fingerprint
    from graphrec.serving.opening import Start

    folder, file = settings.data, settings.pipeline
    if folder is None:
        from graphrec.experiment import worlds

        folder = worlds.demo_folder(None)
        if not (folder / "events.parquet").is_file():
            with terminal.progress("simulating", None):
                worlds.prepare_world(folder, None)
    data = folder

    def learn() -> "Pipeline":
        from graphrec.experiment.opening import open_pipeline, open_pipeline_file

        return open_pipeline(data) if file is None else open_pipeline_file(data, file)

    name = f"start-{fingerprint([data, file])}"
    return Start(name, f"{data} by {file or 'walks'}", learn)


def bundled(name: str, options: ServeOptions) -> str:
    """Train a bundle on the server's data and log, and keep it in its store; what was done.

    Raises:
        GraphrecError: It cannot be trained or kept.
    """
    from graphrec.experiment import worlds
    from graphrec.experiment.opening import fit_pipeline_file, open_dataset
    from graphrec.serving.bundling import train_bundle
    from graphrec.serving.state_store import StateStore
    from graphrec.serving.store import EntryLog

    settings = settings_of_server(options)
    data = settings.data or worlds.demo_folder(None)
    store = StateStore(settings.store)
    store.refuse_name(name)
    with EntryLog(settings.log) as log:
        place, seq = train_bundle(
            name,
            open_dataset(data),
            lambda dataset: fit_pipeline_file(dataset, settings.pipeline),
            log,
            store,
        )
    return f"{place}: {data} by {settings.pipeline or 'walks'}, entries of the log up to {seq}"


def make_app() -> "FastAPI":
    """The app of one of several worker processes; closed when the app shuts down.

    Where it cannot be made the process ends so that its supervisor does not start it again.
    """
    from uvicorn.config import STARTUP_FAILURE

    from graphrec.serving.logs import log_as_json
    from graphrec.serving.opening import opened

    options = ServeOptions.from_environment()
    log_as_json(logging.WARNING if options.quiet else logging.INFO)
    Thread(target=_end_with, args=(os.getppid(),), name="parent", daemon=True).start()
    closing = ExitStack()
    try:
        settings = settings_of_server(options)
        server = closing.enter_context(opened(start_of(settings), settings))
    except GraphrecError as error:
        _LOG.error("%s", error)
        sys.exit(STARTUP_FAILURE)
    _LOG.info("%s", server.words)
    of_app = server.app.router.lifespan_context

    @asynccontextmanager
    async def life(app: "FastAPI") -> AsyncIterator[None]:
        try:
            async with of_app(app):
                yield
        finally:
            closing.close()

    server.app.router.lifespan_context = life
    return server.app


def _end_with(parent: int) -> None:
    """End in order once the process that started this one is gone, killed or not."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    signal.raise_signal(signal.SIGTERM)
