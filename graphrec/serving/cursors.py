"""Cursors: what the pages so far have shown, as text that a caller hands back for the next page."""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from graphrec.errors import DataError
from graphrec.events.ids import Key

VERSION: Final = 1
MOST_SHOWN: Final = 1000
MOST_LETTERS: Final = 48_000
_CHECK_BYTES: Final = 8
_IN_JSON: Final = json.JSONEncoder(ensure_ascii=False).encode
# Bounds what a few bytes could be blown up to.
_MOST_BYTES: Final = 2**20


def write_cursor(question: str, shown: Sequence[Key]) -> str | None:
    """A cursor behind the items shown so far.

    It holds their ids and is not secret: whoever can ask could as well deny these items. A check
    sum tells a damaged one, and one of another question.

    Args:
        question: What all pages are of, such as a user.
        shown: Items of all pages so far, in their order; at most `MOST_SHOWN`.

    Returns:
        URL-safe text of at most `MOST_LETTERS`; None where ids are too long for that.
    """
    packed = zlib.compress(_IN_JSON(list(shown)).encode(), 1)
    whole = bytes([VERSION]) + _check(question, packed) + packed
    text = base64.urlsafe_b64encode(whole).rstrip(b"=").decode()
    return text if len(text) <= MOST_LETTERS else None


def read_cursor(question: str, text: str) -> tuple[Key, ...]:
    """The items that a cursor of this question tells of.

    Raises:
        DataError: It is damaged, of another version or of another question.
    """
    try:
        if len(text) > MOST_LETTERS:
            raise ValueError
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        whole = base64.b64decode(padded, altchars=b"-_", validate=True)
        version, check, packed = whole[0], whole[1 : 1 + _CHECK_BYTES], whole[1 + _CHECK_BYTES :]
        if version != VERSION or check != _check(question, packed):
            raise ValueError
        shown = _unpacked(packed)
    except (ValueError, IndexError, binascii.Error, zlib.error, RecursionError):
        raise DataError(
            "the cursor is damaged, or belongs to another question — send `next_cursor` of the "
            "page before as it came, for the same user, visit or item"
        ) from None
    return shown


def _unpacked(packed: bytes) -> tuple[Key, ...]:
    unpacking = zlib.decompressobj()
    found: Any = json.loads(unpacking.decompress(packed, _MOST_BYTES))
    if not unpacking.eof or not isinstance(found, list) or len(found) > MOST_SHOWN:
        raise ValueError
    if not all(type(key) in (int, str) for key in found):
        raise ValueError
    return tuple(found)


def _check(question: str, packed: bytes) -> bytes:
    mark = blake2b(digest_size=_CHECK_BYTES, person=b"graphrec cursor")
    mark.update(question.encode("utf-8", "surrogatepass") + b"\0" + packed)
    return mark.digest()
