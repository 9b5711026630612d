"""Texts in order, of which those with a prefix are found at once."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

_MOST_LATE: Final = 1000


class SortedTexts:
    """A set of texts that grows; a copy shares the large part of it.

    The large part is a sorted list that is replaced and never written to; texts that came lately
    stand in a short one, and those that were dropped are passed over.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Start with some texts."""
        self._settled = sorted(set(texts))
        self._late: list[str] = []
        self._dropped: set[str] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> "SortedTexts":
        """A copy that shares what is never written to."""
        twin = SortedTexts()
        twin._settled = self._settled
        twin._late, twin._dropped = list(self._late), set(self._dropped)
        return twin

    def __contains__(self, text: str) -> bool:
        if text in self._dropped:
            return False
        return _has(self._settled, text) or _has(self._late, text)

    def add(self, text: str) -> None:
        """Add a text, if it is not there."""
        self._dropped.discard(text)
        if text in self:
            return
        insort(self._late, text)
        if len(self._late) > _MOST_LATE:
            both = sorted([*self._settled, *self._late])
            gone = self._dropped
            self._settled = [one for one in both if one not in gone] if gone else both
            self._late, self._dropped = [], set()

    def drop(self, text: str) -> None:
        """Take a text out, if it is there."""
        if text in self:
            self._dropped.add(text)

    def starting_with(self, prefix: str) -> Iterator[str]:
        """The texts that begin so, in order."""
        for text in merge(_from(self._settled, prefix), _from(self._late, prefix)):
            if not text.startswith(prefix):
                return
            if text not in self._dropped:
                yield text


def _has(texts: list[str], text: str) -> bool:
    at = bisect_left(texts, text)
    return at < len(texts) and texts[at] == text


def _from(texts: list[str], prefix: str) -> Iterator[str]:
    return islice(texts, bisect_left(texts, prefix), None)
