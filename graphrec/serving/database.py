"""The database behind the log: engines for reading and writing, and what its failures mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from graphrec.errors import (
    SettingsError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from graphrec.serving.schema import open_schema
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.sqlite_file import SqliteFile

# SQLite's primary result codes, https://www.sqlite.org/rescode.html
_SQLITE_FAULTS: Final[dict[int, tuple[type[StoreError], str]]] = {
    3: (StoreReadOnlyError, "let this user read and write the file and its folder"),
    5: (StoreLockedError, "end what holds the lock, or raise lock_timeout_s"),
    6: (StoreLockedError, "end what holds the lock, or raise lock_timeout_s"),
    8: (StoreReadOnlyError, "let this user write the file and its folder"),
    10: (StoreUnavailableError, "look at the disk"),
    11: (StoreDamagedError, "restore the log from a backup"),
    13: (StoreFullError, "make room on the disk"),
    14: (StoreUnavailableError, "the folder must be there and this user may write it"),
    15: (StoreUnavailableError, "try again"),
    26: (StoreDamagedError, "this is no SQLite database; restore the log from a backup"),
}
# PostgreSQL's error codes and classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_FAULTS: Final[dict[str, tuple[type[StoreError], str]]] = {
    "53100": (StoreFullError, "make room on the server's disk"),
    "25006": (StoreReadOnlyError, "connect to a server that takes writes"),
    "42501": (StoreReadOnlyError, "grant this role the right to create and write tables"),
    "55P03": (StoreLockedError, "end what holds the lock, or raise lock_timeout_s"),
    "XX001": (StoreDamagedError, "restore the log from a backup"),
    "XX002": (StoreDamagedError, "restore the log from a backup"),
    "42P01": (StoreDamagedError, "the log's tables are gone; restore them from a backup"),
    "08": (StoreUnavailableError, "see that the server runs and can be reached"),
    "25": (StoreUnavailableError, "see that no transaction is left idle"),
    "28": (StoreUnavailableError, "see that user and password are right"),
    "3D": (StoreUnavailableError, "create the database"),
    "40": (StoreUnavailableError, "try again"),
    "53": (StoreUnavailableError, "give the server more room"),
    "57": (StoreUnavailableError, "see that the server runs"),
    "58": (StoreUnavailableError, "look at the server's disk"),
}


class Database:
    """One log's database: engines, and errors in our words.

    Attributes:
        place: Where it is, without password, for messages.
        writing: Engine whose transactions may write.
    """

    def __init__(self, settings: EntryLogSettings) -> None:
        """Prepare to connect.

        Raises:
            SettingsError: The URL is none the log can live at.
        """
        self._url = _parsed(settings.url.get_secret_value())
        self.place = self._url.set(query={}).render_as_string(hide_password=True)
        self._file: SqliteFile | None = None
        if self._url.get_backend_name() == "sqlite":
            self._file = SqliteFile(Path(str(self._url.database)), settings.lock_timeout_s)
        self._reading = self._engine(settings, writes=False)
        self.writing = self._engine(settings, writes=True)

    @contextmanager
    def transaction(self, doing: str, *, writes: bool = False) -> Iterator[Connection]:
        """A transaction on the right log; committed at the end, rolled back on an error.

        Args:
            doing: What is done, for messages: "reading".
            writes: Whether it may write.

        Raises:
            StoreError: The database failed, in our words.
        """
        with self.told(doing):
            self._check_file()
            with (self.writing if writes else self._reading).begin() as connection:
                yield connection
            if writes:
                self._check_file()

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except SQLAlchemyError as error:
            raise self._fault(error, doing) from error
        except sqlite3.Error as error:
            raise self._fault(error, doing) from error

    def stamp(self) -> object:
        """Another value after every commit; None of a PostgreSQL server."""
        return None if self._file is None else self._file.stamp()

    def open(self) -> str:
        """Find the log, or create it.

        Returns:
            The log's own id.

        Raises:
            StoreError: It cannot be reached, created or understood.
        """
        with self.told("opening"):
            return open_schema(self._reading, self.writing, self.place)

    def close(self) -> None:
        """Drop all connections."""
        self._reading.dispose()
        self.writing.dispose()

    def _check_file(self) -> None:
        """Refuse to go on where the log's file is gone or another is in its place.

        Raises:
            StoreUnavailableError: So it is.
        """
        if self._file is None:
            return
        try:
            self._file.check()
        except StoreUnavailableError:
            self.close()
            raise

    def _engine(self, settings: EntryLogSettings, *, writes: bool) -> Engine:
        if self._file is not None:
            engine = create_engine("sqlite://", creator=self._file.connect, **_POOL)
            # IMMEDIATE takes the lock at once: a read that later writes could not wait for it.
            begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
            return engine
        try:
            engine = create_engine(
                self._url, connect_args=_postgres_arguments(self._url, settings), **_POOL
            )
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"{self.place}: {error.name} is not installed — pip install 'graphrec[postgresql]'"
            ) from error
        except SQLAlchemyError as error:
            raise SettingsError(f"{self.place}: {self._without_password(str(error))}") from None
        wait_ms = str(max(1, round(settings.lock_timeout_s * 1000)))
        event.listen(engine, "connect", lambda connection, _: _prepare(connection, wait_ms))
        return engine

    def _fault(self, error: Exception, doing: str) -> StoreError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        lines = self._without_password(str(cause)).strip().splitlines() or [type(cause).__name__]
        kind, advice = _meaning(cause, lost=getattr(error, "connection_invalidated", False))
        return kind(f"{self.place}: {doing} failed: {lines[0]} — {advice}")

    def _without_password(self, message: str) -> str:
        password = str(self._url.password or "")
        return message.replace(password, "***") if password else message


_POOL: Final[dict[str, Any]] = {
    "poolclass": QueuePool,
    "hide_parameters": True,
    "pool_pre_ping": True,
    "pool_size": 4,
    "max_overflow": 28,
    "pool_timeout": 30,
}


def _parsed(text: str) -> URL:
    """The URL, with the driver the log knows.

    Raises:
        SettingsError: It is no URL, or of a database the log does not know, or in memory.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(
            "url: not a database's URL — sqlite:///file or postgresql+psycopg://host/database"
        ) from None
    place = url.set(query={}).render_as_string(hide_password=True)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise SettingsError(f"url {place} — sqlite:/// or postgresql+psycopg://")
    if url.get_backend_name() == "sqlite":
        name = url.database or ""
        if name in {"", ":memory:"} or name.startswith("file:") or url.query:
            raise SettingsError(f"url {place} — a plain file, since the log has to last")
    return url


def _postgres_arguments(url: URL, settings: EntryLogSettings) -> dict[str, Any]:
    """What libpq is told, unless the URL says otherwise."""
    wait_s = settings.connect_timeout_s
    usual = {
        "application_name": "graphrec",
        "client_encoding": "utf8",
        "connect_timeout": max(2, round(wait_s)),
        "keepalives_idle": max(1, round(wait_s)),
        "keepalives_interval": max(1, round(wait_s)),
        "keepalives_count": 3,
        "tcp_user_timeout": round(4000 * wait_s),
    }
    return {name: value for name, value in usual.items() if name not in url.query}


def _prepare(connection: Any, wait_ms: str) -> None:
    """Make commits durable where the server would not, and locks end.

    Each statement has to see what was committed before it: an older view, as of the transaction's
    start, would not show what the writer stored that held the lock until then.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false), "
            "set_config('default_transaction_isolation', 'read committed', false), "
            "set_config('idle_in_transaction_session_timeout', '60s', false), "
            "set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
            "WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)",
            (wait_ms,),
        )
    connection.commit()


def _meaning(cause: BaseException, *, lost: bool) -> tuple[type[StoreError], str]:
    """Which of our errors a driver's error is, and what to do about it."""
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return _SQLITE_FAULTS.get(code, (StoreError, "see the message"))
    state = getattr(cause, "sqlstate", None)
    if state:
        for known in (state, state[:2]):
            if known in _POSTGRES_FAULTS:
                return _POSTGRES_FAULTS[known]
    if lost or (state is None and "OperationalError" in type(cause).__name__):
        return StoreUnavailableError, "see that the server runs and can be reached"
    if isinstance(cause, SQLAlchemyError) and "Timeout" in type(cause).__name__:
        return StoreUnavailableError, "too many read at once; try again"
    return StoreError, "see the message"
