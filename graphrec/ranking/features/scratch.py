"""Scratch arrays that many threads may ask for at once."""

from typing import Generic, TypeVar

import numpy as np

Number = TypeVar("Number", bound=np.generic)


class Scratch(Generic[Number]):
    """Clean arrays, kept from one use to the next; each is with one thread at a time.

    What is kept says nothing: copies of whoever holds this start without.
    """

    def __init__(self, clean: Number) -> None:
        """Hand out arrays of `clean`."""
        self._clean = clean
        self._spare: list[np.ndarray[tuple[int], np.dtype[Number]]] = []

    def __getstate__(self) -> dict[str, object]:
        return {"_clean": self._clean, "_spare": []}

    def take(self, n: int) -> np.ndarray[tuple[int], np.dtype[Number]]:
        """At least `n` clean places that no other thread has."""
        # Popping from a list is atomic.
        try:
            spare = self._spare.pop()
        except IndexError:
            return np.full(2 * n, self._clean)
        return spare if len(spare) >= n else np.full(2 * n, self._clean)

    def give(self, spare: np.ndarray[tuple[int], np.dtype[Number]]) -> None:
        """Give back an array that is clean again; after a failure it is not, and is not given."""
        self._spare.append(spare)
