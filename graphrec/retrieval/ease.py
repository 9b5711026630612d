"""The linear item model with a closed form."""

import numpy as np
from jaxtyping import Float32, Float64
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from graphrec.errors import SettingsError
from graphrec.retrieval.item_to_item import ItemModelSettings, ItemToItemSource
from graphrec.retrieval.item_weights import DenseItemWeights


class EASESettings(ItemModelSettings):
    """How much weights are held back, and how large a catalogue may be."""

    l2: float = Field(
        500.0,
        gt=0,
        le=1e12,
        description="Ridge penalty, in squared interactions; larger: smoother.",
    )
    max_items: int = Field(
        20_000,
        ge=1,
        le=100_000,
        description="Refuse larger catalogues: memory grows with the square of the items (about "
        "8 GB at 20,000), time with the cube.",
    )


class EASESource(ItemToItemSource):
    """Items by a full item-to-item matrix, fitted in closed form.

    Source:
        Steck 2019, arXiv:1905.03375: P = (XᵀX + l2 I)⁻¹, weights -P / diag(P), diagonal 0.
    """

    def __init__(self, settings: EASESettings | None = None) -> None:
        """The linear model by `settings`."""
        self._settings = settings or EASESettings()
        super().__init__(self._settings)

    @property
    def name(self) -> str:
        """`ease`."""
        return "ease"

    def learn(self, matrix: csr_array) -> DenseItemWeights:
        """Solve for the weights.

        Raises:
            SettingsError: The catalogue has more than `max_items` items.
        """
        n_items, limit = matrix.shape[1], self._settings.max_items
        if n_items > limit:
            raise SettingsError(
                f"ease on {n_items:,} items — it takes at most max_items = {limit:,}, since its "
                "matrix grows with their square; raise max_items if memory allows, or use rp3beta"
            )
        gram = (matrix.T @ matrix).toarray()
        return DenseItemWeights(solve_ease(gram, self._settings.l2))


def solve_ease(
    gram: Float64[np.ndarray, "items items"], l2: float
) -> Float32[np.ndarray, "items items"]:
    """The weights whose squared error is least under penalty `l2`; `gram` (XᵀX) is overwritten."""
    if not len(gram):
        return np.empty((0, 0), np.float32)
    gram[np.diag_indices_from(gram)] += l2
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse = cho_solve(factor, np.eye(len(gram)), overwrite_b=True, check_finite=False)
    weight: Float32[np.ndarray, "items items"]
    weight = (-inverse / np.diagonal(inverse)).astype(np.float32)
    np.fill_diagonal(weight, 0.0)
    return weight
