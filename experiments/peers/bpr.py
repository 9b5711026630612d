"""BPR of `implicit`: `python -m experiments.peers.bpr SPLIT ANSWERS`.

A fitted user is answered with the fitted vector (`user: fitted`) or, like a user not fitted, with
the mean vector of the items in the history known then (`user: history`).
"""

from itertools import product

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix

from experiments.peers.answering import Answered, Settings, history_means, run
from experiments.peers.split_files import Split

READOUT = ("user", "newest")


class BPRPeer:
    """Matrix factorisation by pairwise ranking; its last dimension is the items' bias."""

    name = "BPR (implicit)"
    packages = ("implicit", "scipy")
    # The second part goes on where the first had its best at an end.
    grid = tuple(
        {"factors": 64, "learning_rate": rate, "iterations": rounds, "regularization": 0.01}
        | {"user": user, "newest": newest}
        for (rate, rounds), (user, newest) in (
            *product(
                ((0.01, 100), (0.05, 100), (0.05, 300)),
                (("fitted", None), ("history", None), ("history", 20), ("history", 5)),
            ),
            ((0.05, 300), ("history", 2)),
            *product(((0.05, 1000),), (("history", 5), ("history", 2))),
        )
    )

    def __init__(self) -> None:
        self._fitted: object = None

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        """Descend on triples of a user, an item had and an item not had."""
        self._readout = settings
        model = {name: value for name, value in settings.items() if name not in READOUT}
        # How users are read out plays no part in fitting, so such settings share a model.
        if self._fitted == (model, seed, len(items)):
            return
        shape = (int(users.max()) + 1, n_items)
        had = csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)
        had.sum_duplicates()
        had.data[:] = 1.0
        self._model = BayesianPersonalizedRanking(**model, random_state=seed, num_threads=1)
        self._model.fit(had, show_progress=False)
        self._known = np.bincount(items, minlength=n_items) > 0
        self._n_events = np.bincount(users, minlength=shape[0])
        self._fitted = (model, seed, len(items))

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        """The fitted vector of each query's user, or the mean of the history."""
        history = split.histories(queries).newest(self._readout["newest"])
        items = np.asarray(self._model.item_factors)
        users = history_means(history, items, self._known)
        has_vector = np.abs(users).any(axis=1)
        # The bias of an item stands in its last dimension, and every user has a one there.
        users[:, -1] = 1.0
        if self._readout["user"] == "fitted":
            row = split.user_row[split.n_training + queries]
            fitted = row < len(self._n_events)
            fitted[fitted] = self._n_events[row[fitted]] > 0
            users[fitted] = self._model.user_factors[row[fitted]]
            has_vector |= fitted
        return Answered(users, items, has_vector, self._known)


if __name__ == "__main__":
    run(BPRPeer())
