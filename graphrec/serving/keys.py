"""API keys: who may read, write or administer; only hashes are kept, and a file may change live."""

import hmac
import json
import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphrec.errors import SettingsError

_LOG = logging.getLogger(__name__)
Scope = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
PREFIX: Final = "grk_"
_BYTES: Final = 32


class KeyRecord(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="Whose key it is, for logs.")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Hash of the key, hex. Keys are 256 random bits, so that a plain hash tells "
        "nobody what they are.",
    )
    scopes: frozenset[Scope] = Field(
        min_length=1, description="read: ask; write: tell what happened; admin: everything."
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: Name of the key; `open` where none is needed.
        scopes: What they may do.
    """

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether they may do what needs `scope`; admin may do everything."""
        return scope in self.scopes or "admin" in self.scopes


class KeyFile:
    """The keys of a file, read again whenever it changes, so that keys are rotated live.

    A file that is damaged or gone while the service runs leaves the keys as they were last read;
    `fault` says so.
    """

    def __init__(self, path: Path) -> None:
        """Read `path`.

        Raises:
            SettingsError: It cannot be read, or holds something else.
        """
        self._path = path
        self._lock = Lock()
        self.fault: str | None = None
        self._stamp = _stamp(path)
        self._records = read_keys(path)

    def __len__(self) -> int:
        return len(self._current())

    def caller_of(self, key: str) -> Caller | None:
        """Who holds `key`, or None; every key is compared, in constant time."""
        digest = _digest(key)
        found = None
        for record in self._current():
            if hmac.compare_digest(record.sha256, digest):
                found = Caller(record.name, record.scopes)
        return found

    def _current(self) -> tuple[KeyRecord, ...]:
        with self._lock:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._records = read_keys(self._path)
                    self.fault = None
                except SettingsError as error:
                    self.fault = str(error)
                    _LOG.warning("the keys stay as they were last read: %s", error)
            return self._records


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """The keys of a file.

    Raises:
        SettingsError: It cannot be read, holds something else, or names or keys twice.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        records = tuple(KeyRecord.model_validate(one) for one in said["keys"])
    except OSError as error:
        raise SettingsError(
            f"keys {path}: {error.strerror} — make one by `graphrec keys`"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"keys {path}: {place} — {first['msg']}") from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"keys {path}: no JSON object with a list `keys`") from None
    for what in ("name", "sha256"):
        values = [getattr(record, what) for record in records]
        if len(set(values)) < len(values):
            raise SettingsError(f"keys {path}: a {what} stands there twice")
    return records


def add_key(path: Path, name: str, scopes: Collection[Scope]) -> str:
    """Make a key, put its hash into a file beside those there, and return it: it is kept nowhere.

    Raises:
        SettingsError: The file cannot be read or written, or the name is taken or wrong.
    """
    records = read_keys(path) if path.exists() else ()
    if any(record.name == name for record in records):
        raise SettingsError(f"keys {path}: {name!r} has a key — revoke it first, or name it anew")
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    try:
        record = KeyRecord(name=name, sha256=_digest(key), scopes=frozenset(scopes))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"key {first['loc'][0]}: {first['msg']}") from None
    _write(path, (*records, record))
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of a file; whoever holds it is refused from the next request on.

    Raises:
        SettingsError: The file cannot be read or written, or nobody has that name.
    """
    records = read_keys(path)
    left = tuple(record for record in records if record.name != name)
    if len(left) == len(records):
        names = ", ".join(record.name for record in records) or "nobody"
        raise SettingsError(f"keys {path}: nobody is called {name!r} — there are {names}")
    _write(path, left)


def _write(path: Path, records: Collection[KeyRecord]) -> None:
    said = {"keys": [{**one.model_dump(), "scopes": sorted(one.scopes)} for one in records]}
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise SettingsError(f"keys {path}: {error.strerror} — cannot be written") from error


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
