"""The file of a log in SQLite: whether it is still the one that was opened."""

import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from graphrec.errors import StoreUnavailableError


class SqliteFile:
    """A database file, known by its inode.

    SQLite goes on writing to a file that was deleted under it, and what it then acknowledges is
    gone with the last connection. So the inode is looked at before and after each commit.
    """

    def __init__(self, path: Path, lock_timeout_s: float) -> None:
        self.path = path.absolute()
        self._write_ahead_log = Path(f"{self.path}-wal")
        self._lock_timeout_s = lock_timeout_s
        self._inode: tuple[int, int] | None = None

    def stamp(self) -> object:
        """Another value after every commit, which writes to the write-ahead log; None: no log."""
        try:
            found = self._write_ahead_log.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def connect(self) -> sqlite3.Connection:
        """A new connection; creates the file only where none was opened before.

        Commits are on disk before they return: a write-ahead log, synced at each commit. What is
        deleted is overwritten with zeros.
        """
        mode = "rwc" if self._inode is None else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}",
            uri=True,
            timeout=self._lock_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        except BaseException:
            connection.close()
            raise
        if self._inode is None:
            self._inode = self._inode_now()
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Switch a new file to a write-ahead log, also where another program is just doing so."""
        end = time.monotonic() + self._lock_timeout_s
        while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                if mode != "wal":
                    raise StoreUnavailableError(
                        f"sqlite:///{self.path}: no write-ahead log can be kept here, only "
                        f"{mode} — put the log on a local disk"
                    )
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def check(self) -> None:
        """See that the file is the one that was opened.

        A restored copy is refused, too: beside it may lie the write-ahead log of the file it
        stands for, and SQLite would merge the two without a word.

        Raises:
            StoreUnavailableError: The file is gone, or another is in its place.
        """
        if self._inode is not None and self._inode_now() != self._inode:
            raise StoreUnavailableError(
                f"sqlite:///{self.path}: another file was put in place of the log's — put the "
                f"first one back, or restart with the new one and without {self.path.name}-wal"
            )

    def _inode_now(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise StoreUnavailableError(
                f"sqlite:///{self.path}: the log's file is gone ({error.strerror}) — put it back"
            ) from error
        return found.st_dev, found.st_ino
