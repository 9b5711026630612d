"""Entries refuse what no log could keep; equal bodies are equal text."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.serving.entries import NewEntry, canonical_json, digest_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.randoms())
def test_the_order_of_a_body_does_not_matter(body, chance):
    names = list(body)
    chance.shuffle(names)
    shuffled = {name: body[name] for name in names}
    assert canonical_json(shuffled) == canonical_json(body)
    assert digest_of(canonical_json(shuffled)) == digest_of(canonical_json(body))


def test_bodies_are_short_plain_and_sorted():
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_what_is_not_json_is_refused(value):
    with pytest.raises(DataError, match="a body that is not JSON"):
        canonical_json({"a": value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "even", "entry kind 'even' — one of event, "),
        ("key", "", "key of event has 0 bytes — 1 to 1024"),
        ("key", "x" * 1025, "has 1025 bytes"),
        ("key", "é" * 513, "has 1026 bytes"),
        ("key", "a\0b", "holds a NUL"),
        ("key", "\ud800", "half a surrogate pair"),
        ("key", 7, "key of event: 7 — text"),
        ("user_id", "", "user_id of event e has 0 bytes"),
        ("user_id", "a\0", "holds a NUL"),
        ("time_s", 2**63, "a whole number of 64 bits"),
        ("time_s", 1.5, "a whole number of 64 bits"),
        ("body", "\udfff", "body of event e holds half a surrogate pair"),
        ("body", "\0", "body of event e holds a NUL"),
    ],
)
def test_what_a_database_could_not_keep_is_refused(field, value, message):
    fields = {"kind": "event", "key": "e", "time_s": 0, "body": "{}", "user_id": "ann"}
    with pytest.raises(DataError, match=message):
        NewEntry(**{**fields, field: value})


def test_digests_tell_bodies_apart():
    first, second = (NewEntry("event", "e", 0, body) for body in ("{}", "{} "))
    assert len(first.digest) == 16
    assert first.digest != second.digest
