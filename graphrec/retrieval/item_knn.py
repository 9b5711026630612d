"""Items like the past ones: similarity of the users who used both."""

from typing import Final, Literal

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, vstack

from graphrec.retrieval.item_to_item import ItemModelSettings, ItemToItemSource
from graphrec.retrieval.item_weights import SparseItemWeights, keep_strongest

Weighting = Literal["cosine", "tfidf", "bm25"]
_BLOCK: Final = 2048


class ItemKNNSettings(ItemModelSettings):
    """How alike two items are, and how many alike ones count."""

    weighting: Weighting = Field(
        "cosine",
        description="What a user says about an item. cosine: the matrix as it is. tfidf: users of "
        "many items count less. bm25: that, and items of many users are damped; its similarity is "
        "the bare product, so `shrinkage` and `past_share` do not touch it.",
    )
    n_neighbors: int = Field(
        100, ge=1, le=1_000_000, description="Past items that may speak for a candidate."
    )
    shrinkage: float = Field(
        0.0, ge=0, le=1e9, description="Added to the denominator, against chance overlap."
    )
    past_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the past item in the denominator: .5 is cosine, 0 divides by the "
        "candidate's squared norm alone, 1 by the past item's alone.",
    )
    bm25_saturation: float = Field(
        1.2, ge=0, le=1e6, description="bm25's k1: the higher, the more repeats count."
    )
    bm25_length: float = Field(
        0.75, ge=0, le=1, description="bm25's b: how much popular items are damped."
    )


class ItemKNNSource(ItemToItemSource):
    """Items by their similarity to past items, over each candidate's nearest neighbours.

    Source:
        Sarwar et al. 2001 (item-based neighbours); Aiolli 2013 for `past_share`. As in Ferrari
        Dacrema et al. 2019, arXiv:1907.06902, items are the documents and users the terms.
    """

    def __init__(self, settings: ItemKNNSettings | None = None) -> None:
        """Neighbours by `settings`."""
        self._settings = settings or ItemKNNSettings()
        super().__init__(self._settings)

    @property
    def name(self) -> str:
        """`item_knn_cosine`, `item_knn_tfidf` or `item_knn_bm25`."""
        return f"item_knn_{self._settings.weighting}"

    def learn(self, matrix: csr_array) -> SparseItemWeights:
        """Learn the similarity of each candidate to its nearest neighbours."""
        settings = self._settings
        by_user = weigh_users(matrix, settings)
        by_item = by_user.T.tocsr()
        norm = np.sqrt(np.asarray(by_user.multiply(by_user).sum(axis=0)).ravel())
        past_norm = norm ** (2 * settings.past_share)
        own_norm = norm ** (2 * (1 - settings.past_share))
        blocks = []
        for first in range(0, by_item.shape[0], _BLOCK):
            dot = (by_item[first : first + _BLOCK] @ by_user).tocsr()
            candidate = first + np.repeat(np.arange(dot.shape[0]), np.diff(dot.indptr))
            if settings.weighting != "bm25":
                dot.data /= own_norm[candidate] * past_norm[dot.indices] + settings.shrinkage
            dot.data[dot.indices == candidate] = 0.0
            blocks.append(keep_strongest(dot, settings.n_neighbors))
        by_candidate = vstack(blocks, format="csr") if blocks else csr_array(matrix.shape[::-1])
        return SparseItemWeights.of_matrix(by_candidate.T.tocsr())


def weigh_users(matrix: csr_array, settings: ItemKNNSettings) -> csr_array:
    """The users × items matrix with its entries weighted as `settings` say.

    Source:
        Robertson & Zaragoza 2009 for BM25; the idf of a user with n of N items is
        ln((N + 1) / (n + 1)).
    """
    if settings.weighting == "cosine":
        return matrix
    weighted = matrix.copy()
    n_items = matrix.shape[1]
    used = np.diff(matrix.indptr)
    idf = np.repeat(np.log((n_items + 1) / (used + 1)), used)
    if settings.weighting == "tfidf":
        weighted.data = np.sqrt(matrix.data) * idf
        return weighted
    length = np.bincount(matrix.indices, weights=matrix.data, minlength=n_items)
    mean = length.sum() / max(1, np.count_nonzero(length))
    damp = 1 - settings.bm25_length + settings.bm25_length * length / max(mean, 1e-12)
    k1 = settings.bm25_saturation
    weighted.data = idf * matrix.data * (k1 + 1) / (matrix.data + k1 * damp[matrix.indices])
    return weighted
