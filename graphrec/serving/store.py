"""The log as its callers see it: append, read, forget."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Final

from sqlalchemy import bindparam, func, select, update

from graphrec.errors import DataError
from graphrec.serving.database import Database
from graphrec.serving.entries import Entry, EntryKind, Forgotten, NewEntry, Receipt
from graphrec.serving.group_commit import GroupCommit
from graphrec.serving.schema import entries, head
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.writing import Batch, Forget, LogWriter

_ENTRY_COLUMNS = (
    entries.c.seq,
    entries.c.kind,
    entries.c.key,
    entries.c.user_id,
    entries.c.time_s,
    entries.c.received_s,
    entries.c.body,
)

# Making a statement takes as long as reading a few entries.
_READ: Final = (
    select(*_ENTRY_COLUMNS)
    .where(entries.c.seq > bindparam("after_seq"))
    .order_by(entries.c.seq)
    .limit(bindparam("most"))
)


class EntryLog:
    """A durable, append-only log of entries in SQLite or PostgreSQL.

    Any number of threads may call it, and any number of processes may write and follow the same
    log: entries become visible in the order of `seq`, so that who has read up to n has missed none
    below n. An event or impression whose key is there already is not stored again; items and users
    are written anew each time. Open it after a fork, not before. Close it, or use it in a `with`.

    Raises:
        SettingsError: The URL is none the log can live at, or its driver is not installed.
        StoreError: The log cannot be reached, created or understood.
    """

    def __init__(
        self, settings: EntryLogSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._database = Database(settings)
        try:
            self._log_id = self._database.open()
        except BaseException:
            self._database.close()
            raise
        self._writer = LogWriter(self._database, self._log_id, settings.patience_s)
        self._queue = GroupCommit(self._writer.commit, settings, self._database.place)

    def __enter__(self) -> "EntryLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def place(self) -> str:
        """Where the log is, without password, for messages."""
        return self._database.place

    @property
    def log_id(self) -> str:
        """The log's own id, by which it is told from another at the same place."""
        return self._log_id

    def submit(self, new: Sequence[NewEntry]) -> "Future[list[Receipt]]":
        """Queue a batch and return at once; for asyncio: `await asyncio.wrap_future(...)`.

        Args:
            new: Entries, stored all in one transaction; at most `group_entries`.

        Returns:
            A future of one receipt for each entry, done once the batch is durable. It raises what
            `append` raises. Cancelled before the writer takes it up, nothing is stored.

        Raises:
            OverloadedError: The queue is full; nothing is stored.
            StoreClosedError: The log was closed.
            DataError: The batch or a body is too large, or an entry says that a user is deleted.
        """
        if not new:
            done: Future[list[Receipt]] = Future()
            done.set_result([])
            return done
        self._check(new)
        return self._queue.submit(Batch(tuple(new), int(self._clock())))

    def append(self, new: Sequence[NewEntry]) -> list[Receipt]:
        """Store a batch and return once it is durable.

        Args:
            new: Entries, stored all in one transaction; at most `group_entries`.

        Returns:
            What became of each, in the same order.

        Raises:
            StoreError: The batch was not stored, or, after a `StoreUnavailableError` that is no
                `StoreLockedError`, it is unknown whether it was: append it again. Events and
                impressions are then stored once; items and users perhaps twice, which is harmless.
            DataError: The batch or a body is too large, or an entry says that a user is deleted.
        """
        return self.submit(new).result()

    def submit_forget(self, user_id: str) -> "Future[Forgotten]":
        """Queue the forgetting of a user; done in the order in which batches were submitted.

        Raises:
            OverloadedError: The queue is full; nothing is removed.
            StoreClosedError: The log was closed.
            DataError: `user_id` is no id.
        """
        now_s = int(self._clock())
        NewEntry("user_deleted", user_id, now_s, "{}", user_id)
        return self._queue.submit(Forget(user_id, now_s))

    def forget_user(self, user_id: str) -> Forgotten:
        """Remove the user's entries and leave a `user_deleted` entry, in one transaction.

        SQLite overwrites what is removed with zeros once its write-ahead log is merged; PostgreSQL
        drops it when it vacuums. An event of the user that is sent again later is stored again.
        A second call changes nothing.

        Raises:
            StoreError: Nothing was removed, or it is unknown whether it was: call it again.
            DataError: `user_id` is no id.
        """
        return self.submit_forget(user_id).result()

    def read(self, after_seq: int = 0, limit: int = 1000) -> list[Entry]:
        """Entries with numbers above `after_seq`, in their order.

        Args:
            after_seq: Number up to which all was read; 0 for the start.
            limit: Entries to return at most, ≥ 1.

        Raises:
            StoreError: The log cannot be read.
            DataError: `limit` is below 1.
        """
        if limit < 1:
            raise DataError(f"limit {limit} — at least 1")
        asked = {"after_seq": after_seq, "most": limit}
        with self._database.transaction("reading") as connection:
            return [Entry(*row) for row in connection.execute(_READ, asked).all()]

    def chunks(self, after_seq: int = 0) -> Iterator[list[Entry]]:
        """All entries with numbers above `after_seq`, `chunk_entries` at a time.

        Each chunk is read as the log is by then; the last one is not empty.

        Raises:
            StoreError: The log cannot be read.
        """
        while chunk := self.read(after_seq, self._settings.chunk_entries):
            yield chunk
            after_seq = chunk[-1].seq

    def stamp(self) -> object:
        """Another value after every append, whoever made it; None where that cannot be told.

        Takes microseconds, so that who follows a log need not read it to find nothing.
        """
        return self._database.stamp()

    def newest(self, kind: EntryKind, limit: int) -> list[Entry]:
        """The newest entries of one kind, newest first.

        Fast for kind `model`; of others it may read the whole log.

        Raises:
            StoreError: The log cannot be read.
        """
        query = (
            select(*_ENTRY_COLUMNS)
            .where(entries.c.kind == kind)
            .order_by(entries.c.seq.desc())
            .limit(limit)
        )
        with self._database.transaction("reading") as connection:
            return [Entry(*row) for row in connection.execute(query).all()]

    def last_seq(self) -> int:
        """The last number given out; 0 in an empty log.

        Raises:
            StoreError: The log cannot be read.
        """
        with self._database.transaction("reading") as connection:
            return int(connection.execute(select(head.c.last_seq)).scalar_one())

    def count(self) -> int:
        """How many entries there are; takes time in proportion.

        Raises:
            StoreError: The log cannot be read.
        """
        with self._database.transaction("counting") as connection:
            return int(connection.execute(select(func.count()).select_from(entries)).scalar_one())

    def check_writable(self) -> None:
        """Write what is there already, in a transaction of its own.

        Raises:
            StoreError: The log cannot be written.
        """
        same = update(head).values(last_seq=head.c.last_seq)
        with self._database.transaction("checking", writes=True) as connection:
            connection.execute(same)

    def close(self) -> None:
        """Finish what was submitted, end the writing thread, drop connections."""
        self._queue.close()
        self._database.close()

    def _check(self, new: Sequence[NewEntry]) -> None:
        """Refuse what no transaction could take, before it shares one with others."""
        if len(new) > self._settings.group_entries:
            raise DataError(
                f"a batch of {len(new)} entries — at most group_entries, "
                f"{self._settings.group_entries}; send it in parts"
            )
        for entry in new:
            if entry.kind == "user_deleted":
                raise DataError(f"user_deleted {entry.key} — forget_user writes that entry")
            n_bytes = len(entry.body.encode())
            if n_bytes > self._settings.body_bytes:
                raise DataError(
                    f"body of {entry.kind} {entry.key[:80]} has {n_bytes} bytes — at most "
                    f"body_bytes, {self._settings.body_bytes}"
                )
