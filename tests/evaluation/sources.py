"""Tiny sources to evaluate, each as simple as its name says."""

import numpy as np

from graphrec.stages import Candidates, Eligibility, Interactions, Queries


class CountingSource:
    """Scores an item by its events so far."""

    def __init__(self, name: str = "popular") -> None:
        self.name = name
        self.calls: list[tuple[str, int]] = []

    def fit(self, events: Interactions, cut_s: int) -> None:
        self.calls.append(("fit", len(events)))
        self.counts = np.zeros(events.n_items, np.float32)
        self._add(events)

    def absorb(self, events: Interactions) -> None:
        self.calls.append(("absorb", len(events)))
        self._add(events)

    def score(self, queries: Queries) -> np.ndarray:
        self.calls.append(("score", len(queries)))
        return np.tile(self.counts, (len(queries), 1))

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        raise NotImplementedError

    def _add(self, events: Interactions) -> None:
        np.add.at(self.counts, events.item_row, 1.0)


class LastAgain(CountingSource):
    """Scores past items by how lately the user had them; knows nothing but the history."""

    def __init__(self, name: str = "last again", *, absorbs: bool = False) -> None:
        super().__init__(name)
        self.absorbs = absorbs

    def score(self, queries: Queries) -> np.ndarray:
        self.calls.append(("score", len(queries)))
        scores = np.zeros((len(queries), len(self.counts)), np.float32)
        for query in range(len(queries)):
            past = queries.history_item[queries.history(query)]
            for place in range(len(past) - 1, -1, -1):
                scores[query, past[place]] = 1.0 / (1.0 + place)
        return scores


class PeekingSource(CountingSource):
    """Counts the whole log behind the protocol's back."""

    def __init__(self, whole_log: Interactions) -> None:
        super().__init__("peeking")
        self.whole_log = whole_log

    def score(self, queries: Queries) -> np.ndarray:
        ahead = np.bincount(self.whole_log.item_row, minlength=self.whole_log.n_items)
        return np.tile(ahead.astype(np.float32), (len(queries), 1))


class FixedScores(CountingSource):
    """Gives the scores it was made with, whatever is asked."""

    def __init__(self, scores: np.ndarray, name: str = "fixed") -> None:
        super().__init__(name)
        self.scores = scores

    def score(self, queries: Queries) -> np.ndarray:
        return np.tile(self.scores, (len(queries), 1))
