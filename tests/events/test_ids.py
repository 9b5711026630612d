"""`IdMap` is a one-to-one door between keys and rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import UnknownIdError
from graphrec.events.ids import IdMap


@given(st.lists(st.text(max_size=3)) | st.lists(st.integers(-(2**40), 2**40)))
def test_rows_and_keys_invert_each_other(keys: list[str] | list[int]) -> None:
    ids = IdMap(keys)
    assert len(ids) == len(set(keys))
    assert [ids.key(ids.row(key)) for key in keys] == keys
    if keys:
        assert ids.rows(pl.Series(keys)).tolist() == [ids.row(key) for key in keys]


def test_keys_get_rows_in_order_of_first_appearance() -> None:
    assert IdMap(["b", "a", "b", "c"]).keys.to_list() == ["b", "a", "c"]


def test_a_number_given_as_text_finds_an_integer_key_and_back() -> None:
    assert IdMap([10, 20]).row("20") == 1
    assert IdMap(["10", "20"]).row(20) == 1


def test_an_unknown_key_is_named() -> None:
    ids = IdMap(["a"], what="user")
    with pytest.raises(UnknownIdError, match=r"unknown user 'z' — the log holds 1 users, such as"):
        ids.row("z")
    with pytest.raises(UnknownIdError, match="unknown user '-5x'"):
        ids.row("-5x")
    assert "z" not in ids
    assert ids.rows(pl.Series(["z", "a"])).tolist() == [-1, 0]


def test_extending_keeps_the_rows_of_known_keys() -> None:
    grown = IdMap(["a", "b"]).extended(pl.Series(["c", "b", "d"]))
    np.testing.assert_array_equal(grown.rows(pl.Series(["a", "b", "c", "d"])), [0, 1, 2, 3])


@given(
    st.lists(st.one_of(st.integers(-60, 60), st.integers(-(2**63), 2**63 - 1)), max_size=30),
    st.lists(st.one_of(st.none(), st.integers(-70, 70), st.integers(-(2**63), 2**63 - 1))),
)
def test_rows_of_integer_keys_are_those_of_one_key_at_a_time(known, asked):
    ids = IdMap(pl.Series(known, dtype=pl.Int64))
    rows = ids.rows(pl.Series(asked, dtype=pl.Int64)).tolist()
    assert rows == [ids.row(key) if key is not None and key in ids else -1 for key in asked]
