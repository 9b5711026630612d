"""ALS of `implicit`: `python -m experiments.peers.als SPLIT ANSWERS`.

Every query's user is folded in from the history known then (`recalculate_user`), whether or not the
user was fitted; `newest` keeps only so many of the newest events for that.
"""

from itertools import product

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from experiments.peers.answering import Answered, Settings, run
from experiments.peers.split_files import Split


class ALSPeer:
    """Implicit-feedback matrix factorisation; a repeated event counts again."""

    name = "ALS (implicit)"
    packages = ("implicit", "scipy")
    # The second part goes on where the first had its best at an end.
    grid = tuple(
        {"factors": factors, "alpha": alpha, "regularization": 0.1, "iterations": 15}
        | {"newest": newest}
        for factors, alpha, newest in (
            *product((16, 32, 128), (2.0, 20.0), (None, 20, 5)),
            *product((128,), (20.0,), (2,)),
            *product((128,), (100.0,), (5, 2)),
            *product((256,), (20.0,), (5, 2)),
        )
    )

    def __init__(self) -> None:
        self._fitted: object = None

    def fit(
        self, users: np.ndarray, items: np.ndarray, n_items: int, settings: Settings, seed: int
    ) -> None:
        """Alternate least squares on the counts of each user and item."""
        self._newest = settings["newest"]
        model = {name: value for name, value in settings.items() if name != "newest"}
        # `newest` plays no part in fitting, so settings that differ only in it share a model.
        if self._fitted == (model, seed, len(items)):
            return
        counts = _counts(users, items, int(users.max()) + 1, n_items)
        self._model = AlternatingLeastSquares(**model, random_state=seed, num_threads=1)
        self._model.fit(counts, show_progress=False)
        self._known = np.bincount(items, minlength=n_items) > 0
        self._fitted = (model, seed, len(items))

    def vectors(self, split: Split, queries: np.ndarray) -> Answered:
        """Fold in the history of each query."""
        history = split.histories(queries).newest(self._newest)
        query = np.repeat(np.arange(len(queries)), history.length)
        known = self._known[history.item]
        counts = _counts(query[known], history.item[known], len(queries), split.n_items)
        users = self._model.recalculate_user(np.arange(len(queries)), counts)
        return Answered(users, self._model.item_factors, np.diff(counts.indptr) > 0, self._known)


def _counts(rows: np.ndarray, items: np.ndarray, n_rows: int, n_items: int) -> csr_matrix:
    counts = csr_matrix((np.ones(len(rows), np.float32), (rows, items)), shape=(n_rows, n_items))
    counts.sum_duplicates()
    return counts


if __name__ == "__main__":
    run(ALSPeer())
