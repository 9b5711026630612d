"""Cursors: what is written is read, and nothing else is."""

import base64
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.serving.cursors import _check, read_cursor, write_cursor

KEYS = st.lists(
    st.one_of(st.integers(-(2**53), 2**53), st.text(min_size=1, max_size=20).map(str)), max_size=30
)


@settings(deadline=None, max_examples=60)
@given(KEYS, st.text(max_size=20))
def test_what_was_shown_is_read_again(shown, question):
    shown = [key for key in shown if isinstance(key, int) or key.isprintable()]
    cursor = write_cursor(question, shown)
    assert cursor is not None and cursor.isascii() and not set(cursor) & set("+/=&?#% ")
    assert list(read_cursor(question, cursor)) == shown


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_changed_letter_is_taken(place, letter):
    cursor = write_cursor("user ann", ["video-1", "video-2", 3])
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    if changed == cursor:
        return
    try:
        found = read_cursor("user ann", changed)
    except DataError as error:
        assert "damaged" in str(error)
    else:
        # Unused bits of the last letter alone may differ.
        assert place == len(cursor) - 1 and found == ("video-1", "video-2", 3)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200))
def test_no_other_text_is_taken(text):
    with pytest.raises(DataError, match="damaged"):
        read_cursor("user ann", text)


def wrapped(payload, version=1, cut=0):
    packed = zlib.compress(payload)
    packed = packed[: len(packed) - cut]
    whole = bytes([version]) + _check("q", packed) + packed
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "payload",
    [
        b'["a", 1.5]',
        b"[true]",
        b'{"a": 1}',
        b"nothing",
        b"[" * 100_000,
        b"[" + b",".join([b"1"] * 1001) + b"]",
        b'["' + b"a" * 5_000_000 + b'"]',
    ],
)
def test_cursors_of_another_make_are_refused_without_taking_room(payload):
    with pytest.raises(DataError, match="damaged"):
        read_cursor("q", wrapped(payload))
    assert read_cursor("q", wrapped(b'["a"]')) == ("a",)
    with pytest.raises(DataError, match="damaged"):
        read_cursor("q", wrapped(b'["a"]', version=2))
    with pytest.raises(DataError, match="damaged"):
        read_cursor("q", wrapped(b'["a"]', cut=2))


def test_ids_that_are_too_long_make_no_cursor():
    draw = random.Random(1)
    long = [
        "".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=250)) for _ in range(400)
    ]
    assert write_cursor("q", long) is None
    assert len(write_cursor("q", [f"video-{n}" for n in range(1000)])) < 5000
