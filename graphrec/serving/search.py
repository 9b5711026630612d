"""Words find items: by titles, keywords and publishers, as they stand now."""

import copy
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphrec.events.catalogue import Catalogue
from graphrec.events.descriptions import ItemDescription
from graphrec.row_lists import move_rows
from graphrec.serving.prefixes import SortedTexts

_WORD: Final = re.compile(r"\w+")
_TITLE, _KEYWORD, _PUBLISHER = range(3)
_FIELD_BITS: Final = 2
_FIELD: Final = 2**_FIELD_BITS - 1
_WORTH: Final = np.array([400, 300, 200, 0], np.int32)
"""What a whole word found in a title, a keyword or a publisher counts."""
_PREFIX_LOSS: Final = 50
_WHOLE_TITLE: Final = 100
"""What counts besides, by the share of a title's words that were asked for."""
_MOST_EVENTS: Final = 2**40
_MOST_WORDS: Final = 16
"""Distinct words of a query that are looked at."""
_SHORT: Final = 2
"""Beginnings of words up to so many letters have lists of their own: too many words have them."""
_BEGINNING: Final = "\0"
"""Marks such a list; no word holds it."""


def words_of(text: str) -> list[str]:
    """The words of a text, without case and accents."""
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return _WORD.findall(text.casefold())


class SearchIndex:
    """Which items bear which words.

    A word's items are an array of `row * 4 + field`, one for each item by the best of its fields;
    arrays are replaced and never written to, so that a copy of the index shares them.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the items of `catalogue`, which `replace` is told the changes of."""
        self._catalogue = catalogue
        self._places: dict[str, NDArray[np.int32]] = {}
        self._n_title = np.zeros(0, np.int32)
        self._words = SortedTexts()
        self._build()

    def __getstate__(self) -> dict[str, Any]:
        """The lists as one: indexing 100,000 items anew takes seconds."""
        lists = list(self._places.values())
        return {
            "_catalogue": self._catalogue,
            "_n_title": self._n_title,
            "words": list(self._places),
            "length": np.array([len(one) for one in lists], np.int64),
            "place": np.concatenate([np.empty(0, np.int32), *lists]),
        }

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Take the lists apart again."""
        self._catalogue, self._n_title = kept["_catalogue"], kept["_n_title"]
        words, place = kept["words"], kept["place"]
        border = [0, *np.cumsum(kept["length"]).tolist()]
        self._places = {word: place[border[at] : border[at + 1]] for at, word in enumerate(words)}
        self._words = SortedTexts(word for word in words if not word.startswith(_BEGINNING))

    def __deepcopy__(self, memo: dict[int, Any]) -> "SearchIndex":
        """A copy that shares what is never written to."""
        twin = object.__new__(SearchIndex)
        memo[id(self)] = twin
        twin._catalogue = copy.deepcopy(self._catalogue, memo)
        twin._places = dict(self._places)
        twin._n_title = self._n_title.copy()
        twin._words = copy.deepcopy(self._words, memo)
        return twin

    def replace(self, changes: Mapping[int, tuple[ItemDescription, ItemDescription]]) -> None:
        """Find items, by row, by their new descriptions, and by the old ones no more.

        Args:
            changes: What was said of each before, and what is said now.
        """
        gone: dict[str, list[int]] = {}
        come: dict[str, list[int]] = {}
        known: dict[str, list[str]] = {}
        self._grow(max(changes, default=-1) + 1)
        for row, (before, after) in changes.items():
            old, new = _fields(before, known), _fields(after, known)
            for word, field in old.items() - new.items():
                gone.setdefault(word, []).append(row << _FIELD_BITS | field)
            for word, field in new.items() - old.items():
                come.setdefault(word, []).append(row << _FIELD_BITS | field)
            self._n_title[row] = _n_words(after.title)
        move_rows(self._places, gone, come)
        for word in gone.keys() | come.keys():
            if not word.startswith(_BEGINNING):
                if word in self._places:
                    self._words.add(word)
                else:
                    self._words.drop(word)

    def find(self, query: str, k: int) -> list[int]:
        """Rows of items that bear every word of a query, the last one perhaps half typed.

        Args:
            query: Words, of which the first 16 are looked at.
            k: At most so many.

        Returns:
            Best matches first: whole words before beginnings, titles before keywords before
            publishers, titles that hold little else before others; of equal ones those with more
            events first, then by row. Deleted items are left out.
        """
        words = list(dict.fromkeys(words_of(query)))[:_MOST_WORDS]
        if not words or k < 1:
            return []
        catalogue = self._catalogue
        n_items = catalogue.n_items
        total, in_title = np.zeros(n_items, np.int32), np.zeros(n_items, np.int32)
        is_found = catalogue.shown(n_items)
        for at, word in enumerate(words):
            worth = self._worth(word, n_items, is_last=at == len(words) - 1)
            is_found &= worth > 0
            total += worth
            in_title += worth > _WORTH[_KEYWORD]
        rows = np.flatnonzero(is_found)
        share = in_title[rows] / np.maximum(self._n_title[rows], len(words))
        quality = total[rows].astype(np.int64) + np.floor(_WHOLE_TITLE * share).astype(np.int32)
        n_events: NDArray[np.int64] = catalogue.n_events[rows]
        order = _best(quality, np.minimum(n_events, _MOST_EVENTS - 1), k)
        return [int(row) for row in rows[order]]

    def _worth(self, word: str, n_items: int, *, is_last: bool) -> NDArray[np.int32]:
        """What a word counts for each item, 0 where it is not borne."""
        worth: NDArray[np.int32] = np.zeros(n_items, np.int32)
        if is_last:
            if len(word) <= _SHORT:
                begun = self._places.get(_BEGINNING + word)
                lists = [] if begun is None else [begun]
            else:
                lists = [self._places[other] for other in self._words.starting_with(word)]
            if len(lists) == 1:
                worth[lists[0] >> _FIELD_BITS] = _WORTH[lists[0] & _FIELD] - _PREFIX_LOSS
            elif lists:
                place = np.concatenate(lists)
                for field in (_PUBLISHER, _KEYWORD, _TITLE):
                    of_field = place[place & _FIELD == field] >> _FIELD_BITS
                    worth[of_field] = _WORTH[field] - _PREFIX_LOSS
        own = self._places.get(word)
        if own is not None:
            row = own >> _FIELD_BITS
            worth[row] = np.maximum(worth[row], _WORTH[own & _FIELD])
        return worth

    def _build(self) -> None:
        found: dict[str, list[int]] = {}
        catalogue = self._catalogue
        self._n_title = np.zeros(catalogue.n_items, np.int32)
        names: dict[str, list[str]] = {}
        for row, said in enumerate(catalogue.descriptions()):
            self._n_title[row] = _n_words(said.title)
            for word, field in _fields(said, names).items():
                found.setdefault(word, []).append(row << _FIELD_BITS | field)
        self._places = {word: np.array(places, np.int32) for word, places in found.items()}
        self._words = SortedTexts(word for word in found if not word.startswith(_BEGINNING))

    def _grow(self, n_items: int) -> None:
        if n_items > len(self._n_title):
            self._n_title = np.pad(self._n_title, (0, n_items * 5 // 4 - len(self._n_title)))


def _fields(said: ItemDescription, known: dict[str, list[str]] | None = None) -> dict[str, int]:
    """The best field that each word of a description, and each short beginning, stands in.

    Args:
        said: The description.
        known: Words of names that were met before; grows.
    """
    known = {} if known is None else known
    words: list[tuple[int, str]] = []
    for field, names in ((_PUBLISHER, said.publishers), (_KEYWORD, said.keywords)):
        for name in names:
            if name not in known:
                known[name] = words_of(name)
            words += [(field, word) for word in known[name]]
    if said.title is not None:
        words += [(_TITLE, word) for word in words_of(said.title)]
    found: dict[str, int] = {}
    for field, word in words:
        found[word] = field
        found[_BEGINNING + word[:1]] = field
        found[_BEGINNING + word[:_SHORT]] = field
    return found


def _n_words(title: str | None) -> int:
    return 0 if title is None else len(words_of(title))


def _best(quality: NDArray[np.int64], n_events: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """Places of the `k` with the highest quality, of equal ones those with more events."""
    key = quality * _MOST_EVENTS + n_events
    if len(key) <= k:
        return np.argsort(-key, kind="stable")
    threshold = np.partition(key, len(key) - k)[len(key) - k]
    best = np.flatnonzero(key >= threshold)
    chosen: NDArray[np.intp] = best[np.argsort(-key[best], kind="stable")][:k]
    return chosen
