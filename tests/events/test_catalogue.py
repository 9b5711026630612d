"""The catalogue: what was said last holds, copies share nothing that changes."""

import copy

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError
from graphrec.events.catalogue import COLUMNS, Catalogue
from graphrec.events.descriptions import ItemDescription
from tests.worlds import small_dataset, watched

ITEMS = {
    "item_id": ["a", "b", "c"],
    "title": ["A", None, "C"],
    "publisher": [["P"], ["P", "Q"], None],
    "keywords": [["x"], [], ["x", "y"]],
    "published_s": [None, 50, 60],
}


def made(rows=((10, 0, 0), (20, 0, 1))):
    return Catalogue(small_dataset([(1, "ann", "a")], ITEMS), watched(rows, n_users=1, n_items=3))


def test_it_knows_what_the_table_says():
    catalogue = made()
    assert catalogue.description(1) == ItemDescription(None, ("P", "Q"), (), 50)
    assert catalogue.description(2) == ItemDescription("C", (), ("x", "y"), 60)
    assert list(catalogue.descriptions()) == [catalogue.description(row) for row in range(3)]
    assert catalogue.published_s.tolist() == [10, 50, 60]
    assert catalogue.n_events.tolist() == [1, 1, 0]
    assert catalogue.bearers("publisher", ["Q"]).tolist() == [False, True, False]
    assert catalogue.bearers("keywords", ["x", "y"]).tolist() == [True, False, True]
    assert catalogue.title(7) is None and catalogue.names("keywords", 7) == ()


def test_names_may_be_texts_and_columns_may_be_missing():
    items = {"item_id": ["a", "b"], "publisher": ["P", None]}
    catalogue = Catalogue(small_dataset([(1, "ann", "a")], items), watched([], n_items=2))
    assert catalogue.names("publisher", 0) == ("P",)
    assert catalogue.names("publisher", 1) == ()
    with pytest.raises(DataError, match="no such column"):
        catalogue.bearers("keywords", ["x"])
    catalogue.put({1: ItemDescription(keywords=("x",))})
    assert catalogue.bearers("keywords", ["x"]).tolist() == [False, True]
    with pytest.raises(DataError, match="no item has keywords 'y'"):
        catalogue.bearers("keywords", ["y"])


def test_what_is_put_replaces_all_and_dates_go_back_to_the_first_event():
    catalogue = made()
    catalogue.put({1: ItemDescription("B", ("Q",)), 4: ItemDescription(keywords=("y",))})
    assert catalogue.n_items == 5
    assert catalogue.published_s.tolist() == [10, 20, 60, NEVER_S, NEVER_S]
    assert catalogue.bearers("publisher", ["P"]).tolist() == [True] + [False] * 4
    assert catalogue.bearers("keywords", ["y"]).tolist() == [False, False, True, False, True]
    catalogue.absorb(watched([(5, 0, 4), (3, 0, 0)], n_users=1, n_items=6))
    assert catalogue.published_s.tolist() == [3, 20, 60, NEVER_S, 5, NEVER_S]
    catalogue.put({4: ItemDescription(published_s=77)})
    assert catalogue.published_s[4] == 77 and catalogue.n_events.tolist() == [2, 1, 0, 0, 1, 0]


def test_deleted_items_are_told_and_shown_again_when_put():
    catalogue = made()
    assert catalogue.n_deleted == 0
    catalogue.delete([2, 2, 9])
    assert catalogue.n_deleted == 2 and catalogue.is_deleted(9) and not catalogue.is_deleted(0)
    assert catalogue.shown(4).tolist() == [True, True, False, True]
    catalogue.put({2: ItemDescription()})
    assert catalogue.n_deleted == 1 and catalogue.shown(3).all()


NAMES = st.lists(st.sampled_from("PQRxyz"), max_size=3, unique=True).map(tuple)
SAID = st.tuples(st.none() | st.just("T"), NAMES, NAMES, st.none() | st.integers(0, 99))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), SAID),
        st.tuples(st.just("delete"), st.integers(0, 5), st.none()),
        st.tuples(st.just("event"), st.integers(0, 5), st.integers(0, 99)),
    ),
    max_size=15,
)


def do(catalogue, change):
    kind, row, value = change
    if kind == "put":
        catalogue.put({row: ItemDescription(*value)})
    elif kind == "delete":
        catalogue.delete([row])
    else:
        catalogue.absorb(watched([(value, 0, row)], n_users=1, n_items=row + 1))


def state(catalogue):
    names = {
        (column, name): catalogue.bearers(column, [name]).tolist()
        for column in COLUMNS
        for name in "PQRxyz"
        if any(name in said.names(column) for said in catalogue.descriptions())
    }
    return (
        list(catalogue.descriptions()),
        catalogue.published_s.tolist(),
        catalogue.n_events.tolist(),
        catalogue.shown(catalogue.n_items).tolist(),
        names,
    )


@settings(max_examples=30, deadline=None)
@given(CHANGES, CHANGES)
def test_a_table_of_it_and_copies_of_it_know_the_same(early, late):
    catalogue = made()
    events = [(10, 0, 0), (20, 0, 1)]
    for change in early:
        do(catalogue, change)
        events += [(change[2], 0, change[1])] if change[0] == "event" else []
    known = state(catalogue)
    for (column, name), mask in known[-1].items():
        expected = [name in said.names(column) for said in catalogue.descriptions()]
        assert mask == expected
    twin = copy.deepcopy(catalogue)
    kept = object.__new__(Catalogue)
    kept.__setstate__(copy.deepcopy(catalogue.__getstate__()))
    ids = list("abcdefgh")[: catalogue.n_items]
    base = pl.DataFrame(ITEMS)
    items = pl.DataFrame({"item_id": ids}).join(base, "item_id", "left", maintain_order="left")
    table = catalogue.table(items)
    dataset = small_dataset([(1, "ann", "a")], table.to_dict(as_series=True))
    again = Catalogue(dataset, watched(sorted(events), n_users=1, n_items=len(ids)))
    assert state(again) == known == state(kept)
    for change in late:
        do(catalogue, change)
        do(again, change)
    assert state(twin) == known
    assert state(again) == state(catalogue)
    np.testing.assert_array_equal(again.shown(9), catalogue.shown(9))
