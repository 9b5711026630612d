"""What the log takes and gives back: entries and receipts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

from graphrec.errors import DataError

EntryKind = Literal["event", "item", "user", "impression", "item_deleted", "user_deleted", "model"]
Outcome = Literal["stored", "repeated", "conflicting"]

KINDS: Final[frozenset[str]] = frozenset(get_args(EntryKind))
# A key of these kinds stands in the log once; the others are written anew each time.
ONCE: Final[frozenset[str]] = frozenset({"event", "impression"})
# PostgreSQL refuses an index row of more than about 2,700 bytes.
MAX_ID_BYTES: Final = 1024
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be stored.

    Attributes:
        kind: What it is about.
        key: Id of the event, item, user or impression, or a bundle's name; 1 to 1024 bytes of
            UTF-8.
        time_s: When it happened, UTC seconds, 64 bits.
        body: All that the caller said, as `canonical_json` writes it. By it a repeated entry is
            told from a conflicting one; `time_s` and `user_id` are not compared.
        user_id: Whose entry it is, and with whom it is forgotten; None: nobody's.

    Raises:
        DataError: A field is outside its range, or holds a NUL or half a surrogate pair.
    """

    kind: EntryKind
    key: str
    time_s: int
    body: str
    user_id: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"entry kind {self.kind!r} — one of {', '.join(sorted(KINDS))}")
        _check_id(self.key, f"key of {self.kind}")
        if self.user_id is not None:
            _check_id(self.user_id, f"user_id of {self.kind} {self.key}")
        if not isinstance(self.time_s, int) or not -_INT64 <= self.time_s < _INT64:
            raise DataError(
                f"time_s {self.time_s!r} of {self.kind} {self.key} — a whole number of 64 bits"
            )
        _check_text(self.body, f"body of {self.kind} {self.key}")

    @property
    def digest(self) -> bytes:
        """16 bytes that tell this body from another."""
        return digest_of(self.body)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log.

    Attributes:
        seq: Its number: entries become visible in this order; numbers may be missing.
        kind: What it is about.
        key: Id of the event, item, user or impression.
        user_id: Whose entry it is; None: nobody's.
        time_s: When it happened, UTC seconds.
        received_s: When the log was handed it, UTC seconds.
        body: Canonical JSON.
    """

    seq: int
    kind: EntryKind
    key: str
    user_id: str | None
    time_s: int
    received_s: int
    body: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one entry; it is only given once that is durable.

    Attributes:
        outcome: `stored` now; `repeated`: the same was there before; `conflicting`: the key is
            there with another body, and nothing was stored.
        seq: Number of the entry that stands in the log under this key.
    """

    outcome: Outcome
    seq: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a user did.

    Attributes:
        seq: Number of the `user_deleted` entry.
        n_removed: Entries removed; 0 where there were none (any more).
    """

    seq: int
    n_removed: int


# `json.dumps` would make one of these at each call.
_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON text that is equal for equal values: sorted keys, no blanks, no NaN.

    `1` and `1.0` are different texts, as they are in JSON.

    Raises:
        DataError: `value` holds something JSON has no form for.
    """
    try:
        return _CANONICAL(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"a body that is not JSON: {error} — plain values, finite numbers"
        ) from error


def digest_of(body: str) -> bytes:
    """16 bytes that tell one body from another."""
    return blake2b(body.encode(), digest_size=16).digest()


def _check_text(text: str, what: str) -> int:
    """Bytes that `text` takes; refuses what no database stores."""
    if not isinstance(text, str):
        raise DataError(f"{what}: {text!r} — text")
    try:
        n_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise DataError(f"{what} holds half a surrogate pair — text that UTF-8 can write") from None
    if "\0" in text:
        raise DataError(f"{what} holds a NUL character — no database stores it in text")
    return n_bytes


def _check_id(text: str, what: str) -> None:
    n_bytes = _check_text(text, what[:80])
    if not 1 <= n_bytes <= MAX_ID_BYTES:
        raise DataError(f"{what[:80]} has {n_bytes} bytes — 1 to {MAX_ID_BYTES}")
