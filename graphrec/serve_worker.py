"""Processes that serve: what each of them opens, alone or as one of several."""

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphrec import terminal

if TYPE_CHECKING:
    from fastapi import FastAPI

    from graphrec.pipeline import Pipeline
    from graphrec.serving.opening import Opened, ServeSettings, Start

OPTIONS: Final = "GRAPHREC_SERVE_OPTIONS"
"""Environment variable by which a worker process learns what it was asked to serve."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line said.

    Attributes:
        data: Log to start from; None: the demo world.
        pipeline: File of a pipeline; None: walks.
        settings: File of the server's settings.
        given: Settings that override it.
        quiet: No line in the log for each request.
    """

    data: str | None = None
    pipeline: str | None = None
    settings: str | None = None
    given: dict[str, Any] | None = None
    quiet: bool = False

    def to_environment(self) -> None:
        """Hand these options to the processes that this one starts."""
        os.environ[OPTIONS] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> "ServeOptions":
        """The options that were handed to this process."""
        return cls(**json.loads(os.environ[OPTIONS]))


def settings_of_server(options: ServeOptions) -> "ServeSettings":
    """A file's settings, with what was given beside it.

    Raises:
        SettingsError: A setting is unknown or wrong.
    """
    from graphrec.experiment.reading import read_yaml, settings_of
    from graphrec.serving.opening import ServeSettings

    path = None if options.settings is None else Path(options.settings)
    said = {} if path is None else dict(read_yaml(path) or {})
    for name, value in (options.given or {}).items():
        said[name] = {**said.get(name, {}), **value} if isinstance(value, dict) else value
    if options.data is None:
        said["service"] = {"clock": "log", **said.get("service", {})}
    return settings_of(ServeSettings, said, "serve" if path is None else str(path))


def start_of(options: ServeOptions) -> "Start":
    """What is recommended from where the log names no bundle.

    Raises:
        DataError: The data are not there.
    """
    from graphrec.experiment import demonstration
    from graphrec.experiment.fingerprints import fingerprint
    from graphrec.serving.opening import Start

    folder = None if options.data is None else Path(options.data)
    if folder is None:
        folder = demonstration.demo_folder(None)
        if not (folder / "events.parquet").is_file():
            with terminal.progress("simulating", None):
                demonstration.prepare_world(folder, None)
    file = None if options.pipeline is None else Path(options.pipeline)
    name = f"start-{fingerprint([folder, file])}"

    def learn() -> "Pipeline":
        from graphrec.experiment.opening import open_pipeline, open_pipeline_file

        return open_pipeline(folder) if file is None else open_pipeline_file(folder, file)

    return Start(name, f"{folder} by {file or 'walks'}", learn)


def make_app() -> "FastAPI":
    """The app of one of several worker processes; closed when the app shuts down."""
    from graphrec.serving.logs import log_as_json
    from graphrec.serving.opening import opened

    options = ServeOptions.from_environment()
    log_as_json(logging.WARNING if options.quiet else logging.INFO)
    closing = ExitStack()
    server: Opened = closing.enter_context(opened(start_of(options), settings_of_server(options)))

    beside = server.app.router.lifespan_context

    @asynccontextmanager
    async def life(app: "FastAPI") -> AsyncIterator[None]:
        try:
            async with beside(app):
                yield
        finally:
            closing.close()

    server.app.router.lifespan_context = life
    return server.app
