"""The tables of the log, and who may open them.

`log_entries` only grows, but for forgotten users. `log_head` is one row that every writer locks:
whoever holds it gives out the next numbers and commits before another may, so that entries become
visible in the order of their numbers. `log_writers` says which group each writer committed last,
by which a writer that lost its connection during COMMIT learns what became of it.
"""

import uuid
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from graphrec.errors import StoreDamagedError, StoreSchemaError

SCHEMA_VERSION: Final = 1
# Any number will do; all that create a log in one PostgreSQL database take the same.
_CREATION_LOCK: Final = 0x67726170_68726563
_BIG = BigInteger().with_variant(Integer(), "sqlite")
# Ids are compared as bytes, which is faster than by a language's rules.
_ID = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
IS_ONCE: Final = text("kind IN ('event', 'impression')")
_IS_MODEL: Final = text("kind = 'model'")

metadata = MetaData()

schema_row = Table("log_schema", metadata, Column("version", Integer, primary_key=True))

head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("log_id", Text, nullable=False),
    Column("last_seq", _BIG, nullable=False),
)

writers = Table(
    "log_writers",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("last_group", _BIG, nullable=False),
    Column("seen_s", _BIG, nullable=False),
)

entries = Table(
    "log_entries",
    metadata,
    Column("seq", _BIG, primary_key=True, autoincrement=False),
    Column("kind", _ID, nullable=False),
    Column("key", _ID, nullable=False),
    Column("user_id", _ID),
    Column("time_s", _BIG, nullable=False),
    Column("received_s", _BIG, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index(
        "log_entries_once",
        "key",
        "kind",
        unique=True,
        sqlite_where=IS_ONCE,
        postgresql_where=IS_ONCE,
    ),
    Index("log_entries_of_user", "user_id"),
    Index("log_entries_models", "seq", sqlite_where=_IS_MODEL, postgresql_where=_IS_MODEL),
)


def open_schema(reading: Engine, writing: Engine, place: str) -> str:
    """Find the log's tables, or create them where there are none.

    Args:
        reading: Engine to look with.
        writing: Engine to create with; untouched where the tables are there.
        place: The log's name for messages.

    Returns:
        The log's own id, by which it is told from another at the same place.

    Raises:
        StoreSchemaError: A newer graphrec wrote the log.
        StoreDamagedError: Tables are there but their rows are not.
    """
    with reading.begin() as connection:
        if inspect(connection).has_table(schema_row.name):
            return _read_log_id(connection, place)
    with writing.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
        if not inspect(connection).has_table(schema_row.name):
            metadata.create_all(connection)
            connection.execute(insert(schema_row).values(version=SCHEMA_VERSION))
            connection.execute(insert(head).values(id=1, log_id=uuid.uuid4().hex, last_seq=0))
        return _read_log_id(connection, place)


def _read_log_id(connection: Connection, place: str) -> str:
    """The id of the log, once its schema is known to be ours.

    Raises:
        StoreSchemaError: A newer graphrec wrote the log.
        StoreDamagedError: The schema's or the head's row is missing.
    """
    version = connection.execute(select(func.max(schema_row.c.version))).scalar()
    if version is None or version < 1:
        raise StoreDamagedError(
            f"{place}: no version in {schema_row.name} — restore the log from a backup"
        )
    if version > SCHEMA_VERSION:
        raise StoreSchemaError(
            f"{place}: log schema {version}, written by a newer graphrec — this one knows up to "
            f"{SCHEMA_VERSION}; upgrade graphrec"
        )
    log_id = connection.execute(select(head.c.log_id)).scalar()
    if log_id is None:
        raise StoreDamagedError(f"{place}: {head.name} is empty — restore the log from a backup")
    return str(log_id)
