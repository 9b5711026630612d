"""A model of vectors that are drawn and drift with each item's events."""

import numpy as np

from graphrec.checks import refuse_future, refuse_unknown_items
from graphrec.stages import Interactions, Queries

DIM = 5


class DrawnVectors:
    """An item's vector is drawn by row and turned by its events; a user's is the sum of theirs."""

    name = "drawn"

    def __init__(self) -> None:
        self.vectors = np.empty((0, DIM), np.float32)

    def fit(self, events: Interactions, cut_s: int) -> None:
        refuse_future(events, cut_s, self.name)
        self.vectors = np.empty((0, DIM), np.float32)
        self.absorb(events)

    def absorb(self, events: Interactions) -> None:
        new = [
            np.random.default_rng(row).standard_normal(DIM)
            for row in range(len(self.vectors), events.n_items)
        ]
        self.vectors = np.concatenate([self.vectors, np.array(new).reshape(-1, DIM)])
        self.vectors = self.vectors.astype(np.float32)
        for row in events.item_row:
            self.vectors[row] = 0.9 * np.roll(self.vectors[row], 1)

    def user_vectors(self, queries: Queries) -> np.ndarray:
        refuse_unknown_items(queries, len(self.vectors), self.name)
        sums = [
            self.vectors[queries.history_item[queries.history(i)]].sum(axis=0)
            for i in range(len(queries))
        ]
        vectors = np.array(sums, np.float32).reshape(-1, DIM)
        return vectors + np.float32(0.25)

    def item_vectors(self) -> np.ndarray:
        return self.vectors
