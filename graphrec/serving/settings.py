"""Where the log lies and how much it takes on."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class EntryLogSettings(BaseModel):
    """Where the log lies, how much may wait, how long it is patient.

    The URL may hold a password, so no message and no dump of these settings shows it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr = Field(
        SecretStr("sqlite:///graphrec-log.sqlite"),
        description="`sqlite:///file` or `postgresql+psycopg://user:password@host:port/database`.",
    )
    queue_entries: int = Field(
        100_000, ge=1, le=10_000_000, description="Entries that may wait for the disk."
    )
    queue_bytes: int = Field(
        256 * 2**20, ge=2**10, le=2**36, description="Bytes of bodies that may wait for the disk."
    )
    group_entries: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Entries after which a transaction takes no further batch.",
    )
    body_bytes: int = Field(
        2**20, ge=2, le=2**28, description="Bytes that one body may have in UTF-8."
    )
    lock_timeout_s: float = Field(
        5.0, ge=0.01, le=600, description="Seconds to wait for another writer of the same log."
    )
    connect_timeout_s: float = Field(
        5.0, ge=2, le=600, description="Seconds to wait for a PostgreSQL server to answer."
    )
    patience_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="Seconds of trying again, while the database is out of reach, before callers "
        "are told; counted from the first failure.",
    )
    chunk_entries: int = Field(
        5_000, ge=1, le=1_000_000, description="Entries read at a time when all are read."
    )
