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


@given(st.lists(st.integers(0, 20), max_size=12), st.lists(st.integers(0, 30), max_size=20))
def test_keys_added_one_by_one_have_the_rows_of_a_map_of_all(known, added):
    ids, whole = IdMap(pl.Series(known, dtype=pl.Int64)), IdMap([*known, *added])
    for n, key in enumerate(added):
        assert ids.add(key) == whole.row(key)
        assert ids.key(ids.row(key)) == key and key in ids
        if n % 3 == 0:
            assert ids.rows(pl.Series([key, -1], dtype=pl.Int64)).tolist() == [whole.row(key), -1]
    assert ids.keys.to_list() == whole.keys.to_list()
    assert len(ids) == len(whole)


def test_a_key_of_another_kind_is_not_added_but_found_where_it_means_one_that_is_there():
    ids = IdMap([10, 20], what="item")
    assert ids.add("20") == 1
    with pytest.raises(UnknownIdError, match="item 'x' cannot be added — item ids are integers"):
        ids.add("x")
    assert IdMap(["10"]).add(10) == 0
    with pytest.raises(UnknownIdError, match="item 5 cannot be added — item ids are text"):
        IdMap(["10"], what="item").add(5)
    assert len(ids) == 2


@pytest.mark.parametrize("keys", [["a", "b", "c"], [5, 6, 7]])
def test_a_forgotten_key_is_nowhere_and_a_new_one_when_it_comes_again(keys):
    ids = IdMap(keys[:2], what="user")
    ids.add(keys[2])
    assert ids.forget(keys[1]) and ids.forget(keys[2]) and not ids.forget(keys[2])
    assert keys[1] not in ids and len(ids) == 3
    assert ids.keys.to_list() == [keys[0], None, None]
    with pytest.raises(UnknownIdError):
        ids.row(keys[1])
    assert ids.add(keys[1]) == 3
    asked = pl.Series([keys[1], keys[2], keys[0]])
    assert ids.rows(asked).tolist() == [3, -1, 0]
    assert ids.keys.to_list() == [keys[0], None, None, keys[1]]
