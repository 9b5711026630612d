"""Event keys: published vectors, slow twins, and one key whatever the surroundings."""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.events.event_keys import event_key, event_keys, ids_of_keys
from tests.reference.hashing import mix_integer, text_key

INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("text", "published"),
    [("", 0xEF46DB3751D8E999), ("a", 0xD24EC4F1A98C6E5B), ("abc", 0x44BC2CF5AD770999)],
)
def test_text_has_its_published_xxh64(text, published):
    assert event_key(text) == published


@settings(deadline=None)
@given(st.lists(st.text(max_size=80)))
@example(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-0", "0", "00"])
@example(["-9223372036854775809", "-", "+1", " 1", "1 ", "12a", "99999999999999999999", "x" * 200])
def test_text_keys_equal_the_slow_twin(texts):
    keys = event_keys(pl.Series(texts, dtype=pl.String))
    assert keys.tolist() == [text_key(text) for text in texts]


@settings(deadline=None)
@given(st.lists(INT64))
def test_integer_keys_equal_the_slow_twin_and_lead_back_to_the_integer(values):
    ids = pl.Series(values, dtype=pl.Int64)
    keys = event_keys(ids)
    assert keys.tolist() == [mix_integer(value) for value in values]
    assert ids_of_keys(keys).tolist() == values


@settings(deadline=None)
@given(INT64)
def test_a_number_and_its_text_have_one_key(value):
    assert event_key(value) == event_key(str(value))


def test_keys_do_not_depend_on_the_other_ids_of_the_column():
    texts = pl.Series([f"event {i}" for i in range(1000)])
    assert event_keys(texts[100:200]).tolist() == event_keys(texts)[100:200].tolist()
    parts = pl.concat([texts[:10], texts[10:]], rechunk=False)
    assert event_keys(parts).tolist() == event_keys(texts).tolist()


def test_many_ids_keep_apart():
    texts = pl.Series([f"evt-{i:07d}" for i in range(200_000)])
    assert len(np.unique(event_keys(texts))) == 200_000


def test_null_ids_and_ids_of_another_type_are_refused():
    with pytest.raises(DataError, match="1 null event ids"):
        event_keys(pl.Series(["a", None]))
    with pytest.raises(DataError, match="integers or text"):
        event_keys(pl.Series([1.5]))
