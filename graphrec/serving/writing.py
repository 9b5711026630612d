"""One transaction for what many callers sent: each entry is stored once, or told why not."""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Connection,
    Text,
    and_,
    any_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from graphrec.errors import (
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
)
from graphrec.serving.database import Database
from graphrec.serving.entries import ONCE, Forgotten, NewEntry, Receipt, digest_of
from graphrec.serving.schema import IS_ONCE, entries, head, writers

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_WRITER_FORGOTTEN_AFTER_S: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries of one caller, stored all in one transaction.

    Attributes:
        entries: The entries, in the caller's order.
        received_s: When they came, UTC seconds.
    """

    entries: tuple[NewEntry, ...]
    received_s: int


@dataclass(frozen=True, slots=True)
class Forget:
    """A user to be forgotten.

    Attributes:
        user_id: The user.
        received_s: When that was asked, UTC seconds.
    """

    user_id: str
    received_s: int


Work = Batch | Forget
Answer = list[Receipt] | Forgotten


@dataclass(slots=True)
class _Attempt:
    """What a transaction would answer, should its commit turn out to have happened."""

    group: int = 0
    answers: list[Answer] = field(default_factory=list)
    last_seq: int = 0
    unknown: bool = False


class LogWriter:
    """Writes groups of work, one transaction each, from one thread."""

    def __init__(self, database: Database, log_id: str, patience_s: float) -> None:
        self._database = database
        self._log_id = log_id
        self._patience_s = patience_s
        self._writer = uuid.uuid4().hex
        self._attempt = _Attempt()
        self._acknowledged_seq = 0
        self._failing_since: float | None = None

    def commit(self, group: Sequence[Work]) -> list[Answer]:
        """Store what callers sent, durably, and try again while the database is out of reach.

        Args:
            group: What they sent; done in this order.

        Returns:
            An answer to each, in the same order.

        Raises:
            StoreError: It could not be done; after a `StoreUnavailableError` that is no
                `StoreLockedError`, it is unknown whether it was.
        """
        self._attempt = _Attempt(group=self._attempt.group + 1)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answers = self._once(group)
            except StoreError as error:
                if not self._tries_again(error, pause_s):
                    if not self._attempt.unknown or type(error) is StoreUnavailableError:
                        raise
                    raise StoreUnavailableError(
                        f"{error}; before that the connection was lost, so it is unknown whether "
                        "what was sent is stored"
                    ) from error
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._failing_since = None
                return answers

    def _tries_again(self, error: StoreError, pause_s: float) -> bool:
        """Whether there is a point, and time, in trying once more."""
        lost = type(error) is StoreUnavailableError
        self._attempt.unknown |= lost
        # The lock may be held by our own lost connection, until the server has noticed.
        if not (lost or (self._attempt.unknown and isinstance(error, StoreLockedError))):
            return False
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        return now - self._failing_since + pause_s <= self._patience_s

    def _once(self, group: Sequence[Work]) -> list[Answer]:
        """One try; after a try whose end is unknown, first look whether it was committed."""
        attempt = self._attempt
        with self._database.transaction("storing", writes=True) as connection:
            last_seq = self._lock_head(connection)
            if not (attempt.answers and self._was_committed(connection)):
                attempt.unknown = False
                attempt.answers, attempt.last_seq = _do(connection, group, last_seq)
                if attempt.last_seq != last_seq:
                    self._mark(connection)
        self._acknowledged_seq = max(self._acknowledged_seq, attempt.last_seq)
        return attempt.answers

    def _lock_head(self, connection: Connection) -> int:
        """The last number given out; no other writer gives out any until this transaction ends.

        Raises:
            StoreDamagedError: The log is another than at first, or an older state of it.
        """
        query = select(head.c.log_id, head.c.last_seq).with_for_update()
        found = connection.execute(query).one_or_none()
        if found is None or found.log_id != self._log_id:
            raise StoreDamagedError(
                f"{self._database.place}: this is not the log that was opened — put that one back, "
                "or restart with this one"
            )
        if found.last_seq < self._acknowledged_seq:
            raise StoreDamagedError(
                f"{self._database.place}: the log ends at entry {found.last_seq}, but entry "
                f"{self._acknowledged_seq} was acknowledged — put the newer log back, or restart "
                "with this one"
            )
        return int(found.last_seq)

    def _was_committed(self, connection: Connection) -> bool:
        query = select(writers.c.last_group).where(writers.c.writer == self._writer)
        return connection.execute(query).scalar() == self._attempt.group

    def _mark(self, connection: Connection) -> None:
        """Note in the transaction itself that this group is in it."""
        now_s = int(time.time())
        connection.execute(update(head).values(last_seq=self._attempt.last_seq))
        mark = update(writers).where(writers.c.writer == self._writer)
        mark = mark.values(last_group=self._attempt.group, seen_s=now_s)
        if not connection.execute(mark).rowcount:
            old = writers.c.seen_s < now_s - _WRITER_FORGOTTEN_AFTER_S
            connection.execute(delete(writers).where(old))
            row = {"writer": self._writer, "last_group": self._attempt.group, "seen_s": now_s}
            connection.execute(insert(writers), row)


def _do(connection: Connection, group: Sequence[Work], last_seq: int) -> tuple[list[Answer], int]:
    """Do all of a group; the answers, and the last number given out then."""
    answers: list[Answer] = []
    batches: list[Batch] = []
    for work in group:
        if isinstance(work, Batch):
            batches.append(work)
            continue
        receipts, last_seq = _store(connection, batches, last_seq)
        forgotten = _forget(connection, work, last_seq)
        answers += [*receipts, forgotten]
        last_seq = max(last_seq, forgotten.seq)
        batches = []
    receipts, last_seq = _store(connection, batches, last_seq)
    return [*answers, *receipts], last_seq


def _store(
    connection: Connection, batches: Sequence[Batch], last_seq: int
) -> tuple[list[list[Receipt]], int]:
    """Store what is new in these batches; receipts, and the last number given out then."""
    known = _known(connection, batches)
    rows: list[dict[str, Any]] = []
    receipts: list[list[Receipt]] = []
    for batch in batches:
        of_batch = []
        for entry in batch.entries:
            digest = digest_of(entry.body)
            there = known.get((entry.kind, entry.key))
            if there is not None:
                same = there[1] == digest
                of_batch.append(Receipt("repeated" if same else "conflicting", there[0]))
                continue
            last_seq += 1
            if entry.kind in ONCE:
                known[entry.kind, entry.key] = (last_seq, digest)
            rows.append(_row(entry, last_seq, batch.received_s, digest))
            of_batch.append(Receipt("stored", last_seq))
        receipts.append(of_batch)
    if rows:
        _insert(connection, rows)
    return receipts, last_seq


def _row(entry: NewEntry, seq: int, received_s: int, digest: bytes) -> dict[str, Any]:
    return {
        "seq": seq,
        "kind": entry.kind,
        "key": entry.key,
        "user_id": entry.user_id,
        "time_s": entry.time_s,
        "received_s": received_s,
        "body": entry.body,
        "digest": digest,
    }


def _known(
    connection: Connection, batches: Sequence[Batch]
) -> dict[tuple[str, str], tuple[int, bytes]]:
    """Number and digest of those entries of `batches` that may stand once and already do."""
    keys: dict[str, set[str]] = {}
    for batch in batches:
        for entry in batch.entries:
            if entry.kind in ONCE:
                keys.setdefault(entry.kind, set()).add(entry.key)
    known = {}
    for kind, wanted in keys.items():
        if connection.dialect.name == "postgresql":
            found = connection.execute(_KNOWN_POSTGRES, {"of_kind": kind, "wanted": list(wanted)})
        else:
            found = connection.execute(
                _KNOWN_SQLITE, {"of_kind": kind, "wanted": json.dumps(list(wanted))}
            )
        for key, seq, digest in found:
            known[kind, key] = (int(seq), bytes(digest))
    return known


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows in one statement."""
    if connection.dialect.name == "postgresql":
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        connection.execute(_INSERT_POSTGRES, columns)
    else:
        connection.execute(insert(entries), rows)


def _forget(connection: Connection, forget: Forget, last_seq: int) -> Forgotten:
    """Remove what is the user's, and note that it was; the note of an earlier time may do."""
    of_user = or_(
        entries.c.user_id == forget.user_id,
        and_(entries.c.kind == "user", entries.c.key == forget.user_id),
    )
    removed = connection.execute(
        delete(entries).where(of_user, entries.c.kind != "user_deleted")
    ).rowcount
    query = select(func.max(entries.c.seq)).where(
        entries.c.user_id == forget.user_id, entries.c.kind == "user_deleted"
    )
    noted = connection.execute(query).scalar()
    if not removed and noted is not None:
        return Forgotten(int(noted), 0)
    note = NewEntry("user_deleted", forget.user_id, forget.received_s, "{}", forget.user_id)
    row = _row(note, last_seq + 1, forget.received_s, digest_of(note.body))
    connection.execute(insert(entries), row)
    return Forgotten(last_seq + 1, removed)


_COLUMNS: Final = [column.name for column in entries.columns]
_FOUND: Final = (entries.c.key, entries.c.seq, entries.c.digest)
_OF_KIND: Final = and_(entries.c.kind == bindparam("of_kind"), IS_ONCE)
# The condition of the index stands in the query word for word: else it would not be used.
_KNOWN_POSTGRES: Final = select(*_FOUND).where(
    _OF_KIND, entries.c.key == any_(bindparam("wanted", type_=ARRAY(Text)))
)
_KNOWN_SQLITE: Final = select(*_FOUND).where(
    _OF_KIND,
    entries.c.key.in_(
        select(func.json_each(bindparam("wanted")).table_valued("value").columns["value"])
    ),
)
# One statement of eight arrays: psycopg's executemany sends a statement per row.
# Its names are constants of the schema; values are bound.
_INSERT_POSTGRES: Final = text(
    f"INSERT INTO {entries.name} ({', '.join(_COLUMNS)}) "
    "SELECT * FROM unnest(CAST(:seq AS bigint[]), CAST(:kind AS text[]), CAST(:key AS text[]), "
    "CAST(:user_id AS text[]), CAST(:time_s AS bigint[]), CAST(:received_s AS bigint[]), "
    "CAST(:body AS text[]), CAST(:digest AS bytea[]))"  # nosec B608
)
