"""Walks of three steps from the user, popular ends damped."""

from typing import Final

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, vstack

from graphrec.retrieval.item_to_item import ItemModelSettings, ItemToItemSource
from graphrec.retrieval.item_weights import SparseItemWeights, keep_strongest

_BLOCK: Final = 2048


class RP3betaSettings(ItemModelSettings):
    """How sharply walks choose, how much popular items are damped, and how many count."""

    alpha: float = Field(
        1.0, ge=0, le=10, description="Power of each step's probability; 1 walks as it is."
    )
    beta: float = Field(
        0.6, ge=0, le=10, description="Scores are divided by this power of the item's popularity."
    )
    n_neighbors: int = Field(
        100, ge=1, le=1_000_000, description="Past items that may speak for a candidate."
    )


class RP3betaSource(ItemToItemSource):
    """Items by the chance that a walk past item → user → item ends there, popularity damped.

    The weight from item h to i is the sum over users u of (1 / n_h)^alpha (1 / n_u)^alpha, divided
    by n_i^beta, where n counts uses (or sums their weights). Of each candidate's weights the
    largest are kept; an item has no weight to itself.

    Source:
        Paudel et al. 2017, doi:10.1145/2955101. The first step, from the user to past items, is
        left to the query's history, so that anonymous sessions are answered too; it does not change
        the order for a user with equally weighted items.
    """

    def __init__(self, settings: RP3betaSettings | None = None) -> None:
        """Walks by `settings`."""
        self._settings = settings or RP3betaSettings()
        super().__init__(self._settings)

    @property
    def name(self) -> str:
        """`rp3beta`."""
        return "rp3beta"

    def learn(self, matrix: csr_array) -> SparseItemWeights:
        """Learn the walk weights of each candidate's strongest past items."""
        settings = self._settings
        popularity = np.asarray(matrix.sum(axis=0)).ravel()
        to_item = _raised_steps(matrix, settings.alpha)
        to_user = _raised_steps(matrix.T.tocsr(), settings.alpha)
        from_past = to_user.T.tocsr()
        into = to_item.T.tocsr()
        damp = np.where(popularity > 0, popularity, 1.0) ** -settings.beta
        blocks = []
        for first in range(0, into.shape[0], _BLOCK):
            walk = (into[first : first + _BLOCK] @ from_past).tocsr()
            candidate = first + np.repeat(np.arange(walk.shape[0]), np.diff(walk.indptr))
            walk.data *= damp[candidate]
            walk.data[walk.indices == candidate] = 0.0
            blocks.append(keep_strongest(walk, settings.n_neighbors))
        by_candidate = vstack(blocks, format="csr") if blocks else csr_array(matrix.shape[::-1])
        return SparseItemWeights.of_matrix(by_candidate.T.tocsr())


def _raised_steps(matrix: csr_array, alpha: float) -> csr_array:
    """Each row of `matrix` as probabilities, raised to `alpha`."""
    steps = matrix.copy()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    steps.data = (steps.data / np.repeat(total, np.diff(steps.indptr))) ** alpha
    return steps
