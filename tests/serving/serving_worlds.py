"""A small simulated world behind a server that runs, for tests that meet it from outside."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import uvicorn

from graphrec.experiment.opening import open_pipeline
from graphrec.experiment.worlds import simulate_world, world_settings
from graphrec.pipeline import Pipeline
from graphrec.serving.opening import ServeSettings, Start, opened


def small_world(folder: Path) -> Pipeline:
    """A pipeline of walks on a simulated world of some thousand events."""
    simulate_world(world_settings(events=4000, seed=3), folder)
    return open_pipeline(folder)


@contextmanager
def running(pipeline: Pipeline, folder: Path, keys: Path | None = None) -> Iterator[str]:
    """The address of a server on `pipeline`, whose log lies in `folder`."""
    settings = ServeSettings.model_validate(
        {
            "keys": keys,
            "log": {"url": f"sqlite:///{folder / 'log.sqlite'}"},
            "store": {"folder": folder / "states"},
            "service": {"clock": "log"},
        }
    )
    with (
        opened(Start("small", "a small world", lambda: deepcopy(pipeline)), settings) as server,
        socket.socket() as door,
    ):
        door.bind(("127.0.0.1", 0))
        config = uvicorn.Config(server.app, log_level="warning", access_log=False, ws="none")
        web = uvicorn.Server(config)
        thread = threading.Thread(target=web.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not web.started:
            assert time.monotonic() < deadline and thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            web.should_exit = True
            thread.join(30)
