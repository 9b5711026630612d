"""A PostgreSQL server of its own in a temporary folder, for tests and benchmarks."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

PROGRAMS = ("initdb", "pg_ctl")
PASSWORD = "not-to-be-shown"


def installed() -> bool:
    """Whether the server's programs are on the path."""
    return all(shutil.which(name) for name in PROGRAMS)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class PostgresServer:
    """A server with fsync on, which listens on a free port of this machine only."""

    def __init__(self, beside: Path | None = None) -> None:
        """Make its folder in `beside`, or where temporary files are."""
        self.folder = Path(tempfile.mkdtemp(prefix="graphrec-pg-", dir=beside))
        self.port = free_port()
        # The server refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._data = self.folder / "data"
        self._run("initdb", "-D", str(self._data), "-U", "tester", "-A", "trust", "-E", "UTF8")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=on"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def version(self) -> str:
        """Such as 15.3."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="tester", dbname="postgres"
        ) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else ""

    def stop(self, mode: str = "immediate") -> None:
        """Stop; `immediate` leaves it to recover from its write-ahead log."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def url(self, database: str, port: int | None = None) -> str:
        at = f"127.0.0.1:{port or self.port}"
        return f"postgresql+psycopg://tester:{PASSWORD}@{at}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="tester", dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def create_database(self, name: str) -> str:
        """A new, empty database; its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def create_schema(self, name: str) -> str:
        """A new, empty schema, which is made faster than a database; a URL that works in it."""
        self.execute(f"CREATE SCHEMA {name}")
        return self.url("postgres") + f"?options=-csearch_path%3D{name}"

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            check=False,
            **self._as,
        )
        if done.returncode:
            log = self.folder / "log"
            told = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}\n{told}")
