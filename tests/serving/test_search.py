"""Searches: by hand, against a slow twin, and after changes as if indexed anew."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.events.catalogue import Catalogue
from graphrec.events.descriptions import ItemDescription
from graphrec.serving.search import SearchIndex, words_of
from tests.worlds import small_dataset, watched

TITLES = ["Café au lait", "Coffee", "The coffee house", "Tea", None]
ITEMS = {
    "item_id": ["a", "b", "c", "d", "e"],
    "title": TITLES,
    "publisher": [["Bean"], ["Bean"], [], ["Coffee Lab"], []],
    "keywords": [["coffee"], [], [], ["ÜBER"], []],
}


def made(uses=()):
    dataset = small_dataset([(1, "ann", "a")], ITEMS)
    rows = [(at, 0, row) for at, row in enumerate(uses)]
    catalogue = Catalogue(dataset, watched(rows, n_users=1, n_items=5))
    return catalogue, SearchIndex(catalogue)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("coffee", [1, 2, 0, 3]),  # whole title, in a title, keyword, publisher
        ("COFFEE", [1, 2, 0, 3]),
        ("cafe", [0]),
        ("CAFÉ", [0]),
        ("uber", [3]),
        ("cof", [1, 2, 0, 3]),
        ("coffee hou", [2]),
        ("cof house", []),  # only the last word may be half typed
        ("bean coffee", [1, 0]),
        ("c", [1, 0, 2, 3]),
        ("nothing", []),
        ("...", []),
        ("coffee coffee", [1, 2, 0, 3]),
    ],
)
def test_words_find_items_best_matches_first(query, rows):
    _, index = made()
    assert index.find(query, 10) == rows


def test_of_equal_matches_those_with_more_events_come_first_then_by_row():
    _, index = made()
    assert index.find("bean", 10) == [0, 1]
    _, index = made([1, 1, 0])
    assert index.find("bean", 10) == [1, 0]
    assert index.find("bean", 1) == [1]
    assert index.find("bean", 0) == []


def test_deleted_items_are_not_found():
    catalogue, index = made()
    catalogue.delete([1])
    assert index.find("coffee", 10) == [2, 0, 3]


def test_words_lose_case_and_accents():
    assert words_of("Smörgåsbord, ÉTÉ-42 straße") == ["smorgasbord", "ete", "42", "strasse"]


WORDS = ["tea", "teapot", "te", "Tée", "pot", "a", "hot tea"]
DESCRIPTIONS = st.tuples(
    st.none() | st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(WORDS), max_size=2, unique=True).map(tuple),
)


def slow(catalogue, query):
    """Every item looked at."""
    words = list(dict.fromkeys(words_of(query)))
    found = []
    for row, said in enumerate(catalogue.descriptions()):
        in_field = [
            set(words_of(" ".join(texts)))
            for texts in ([said.title or ""], said.keywords, said.publishers)
        ]
        total = in_title = 0
        for at, word in enumerate(words):
            best = 0
            for worth, own in zip((400, 300, 200), in_field, strict=True):
                if word in own:
                    best = max(best, worth)
                if at == len(words) - 1 and any(other.startswith(word) for other in own):
                    best = max(best, worth - 50)
            if not best:
                break
            total += best
            in_title += best > 300
        else:
            n_words = max(len(words_of(said.title or "")), len(words))
            quality = total + int(np.floor(100 * in_title / n_words))
            if words and not catalogue.is_deleted(row):
                found.append((-quality, -int(catalogue.n_events[row]), row))
    return [row for _, _, row in sorted(found)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.dictionaries(st.integers(0, 7), DESCRIPTIONS, max_size=4), max_size=5),
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join), min_size=1),
    st.lists(st.integers(0, 4), max_size=6),
)
def test_after_any_changes_it_finds_what_looking_at_every_item_finds(changes, queries, uses):
    catalogue, index = made(uses)
    index.find("coffee", 3)
    twins = copy.deepcopy([catalogue, index])
    untouched = [twins[1].find(query, 99) for query in queries]
    for change in changes:
        said = {row: ItemDescription(*parts) for row, parts in change.items()}
        before = {row: catalogue.description(row) for row in said}
        catalogue.put(said)
        index.replace({row: (before[row], said[row]) for row in said})
    again = SearchIndex(catalogue)
    for query in queries:
        expected = slow(catalogue, query)
        assert index.find(query, 99) == expected
        assert index.find(query, 2) == expected[:2]
        assert again.find(query, 99) == expected
    assert [twins[1].find(query, 99) for query in queries] == untouched
