"""Logs to test with, in both databases."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.postgres_server import PROGRAMS, PostgresServer, installed

IN_MEMORY = Path("/dev/shm")
OpenLog = Callable[..., EntryLog]


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    if not installed():
        missing = f"no PostgreSQL server: {' and '.join(PROGRAMS)} are not on the path"
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and CI has to test it")
        pytest.skip(missing)
    # In memory, where there is such a folder: a server that is killed cannot tell the difference.
    roomy = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > 2 * 2**30
    server = PostgresServer(IN_MEMORY if roomy else None)
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        server.remove()


@pytest.fixture
def postgres_url(server: PostgresServer) -> str:
    """A database of its own, which a test may break."""
    return server.create_database(f"log_{uuid.uuid4().hex}")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty place for a log, in each database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server: PostgresServer = request.getfixturevalue("server")
    return server.create_schema(f"log_{uuid.uuid4().hex}")


@pytest.fixture
def open_log() -> Iterator[OpenLog]:
    """Open logs that are closed at the end."""
    opened = []

    def open_at(url: str, **settings: Any) -> EntryLog:
        log = EntryLog(EntryLogSettings(url=url, **settings))
        opened.append(log)
        return log

    yield open_at
    for log in opened:
        log.close()


@pytest.fixture
def log(url: str, open_log: OpenLog) -> EntryLog:
    """An empty log, in each database."""
    return open_log(url)
