"""Item-to-item weights: what one past item adds to the score of every other item."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy.sparse import csr_array

from graphrec.kernels.sparse_scores import (
    add_dense_rows,
    add_dense_rows_parallel,
    add_sparse_rows,
    add_sparse_rows_parallel,
    find_dense_reasons,
    find_sparse_reasons,
)
from graphrec.kernels.strongest import mark_strongest
from graphrec.retrieval.history_weights import PastItems


@runtime_checkable
class ItemWeights(Protocol):
    """Weights learnt once, over the items there were; later items have none."""

    def score(self, past: PastItems, n_items: int) -> Float32[np.ndarray, "users items"]:
        """Sum the weights of each query's past items, times how much each counts."""
        ...

    def find_reasons(
        self, past: PastItems, candidate: Int32[np.ndarray, "users k"]
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        """The past item that adds most to each candidate, and its share of all that is added."""
        ...


@dataclass(frozen=True, slots=True)
class SparseItemWeights:
    """Few weights for each past item.

    Attributes:
        ptr: Past item h's weights are `[ptr[h], ptr[h + 1])`.
        target_row: The item each weight is for, ascending within a row.
        weight: Unitless.
    """

    ptr: Int64[np.ndarray, " pointers"]
    target_row: Int32[np.ndarray, " edges"]
    weight: Float32[np.ndarray, " edges"]

    @classmethod
    def of_matrix(cls, matrix: csr_array) -> "SparseItemWeights":
        """Take the rows of `matrix` as past items and its columns as candidates."""
        matrix.sort_indices()
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
        )

    def score(self, past: PastItems, n_items: int) -> Float32[np.ndarray, "users items"]:
        """Sum the weights of each query's past items, times how much each counts."""
        score = np.empty((len(past.ptr) - 1, n_items), np.float32)
        add = add_sparse_rows if len(score) == 1 else add_sparse_rows_parallel
        add(self.ptr, self.target_row, self.weight, past.ptr, past.item_row, past.weight, score)
        return score

    def find_reasons(
        self, past: PastItems, candidate: Int32[np.ndarray, "users k"]
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        """The past item that adds most to each candidate, and its share of all that is added."""
        reason_item = np.full(candidate.shape, -1, np.int32)
        reason_share = np.zeros(candidate.shape, np.float32)
        find_sparse_reasons(
            self.ptr,
            self.target_row,
            self.weight,
            past.ptr,
            past.item_row,
            past.weight,
            candidate,
            reason_item,
            reason_share,
        )
        return reason_item, reason_share


@dataclass(frozen=True, slots=True)
class DenseItemWeights:
    """A weight, positive or negative, from every item to every item.

    Attributes:
        weight: Past items in rows, candidates in columns, unitless.
    """

    weight: Float32[np.ndarray, "items items"]

    def score(self, past: PastItems, n_items: int) -> Float32[np.ndarray, "users items"]:
        """Sum the weights of each query's past items, times how much each counts."""
        score = np.empty((len(past.ptr) - 1, n_items), np.float32)
        add = add_dense_rows if len(score) == 1 else add_dense_rows_parallel
        add(self.weight, past.ptr, past.item_row, past.weight, score)
        return score

    def find_reasons(
        self, past: PastItems, candidate: Int32[np.ndarray, "users k"]
    ) -> tuple[Int32[np.ndarray, "users k"], Float32[np.ndarray, "users k"]]:
        """The past item that adds most, and its share of everything that raises the score."""
        reason_item = np.full(candidate.shape, -1, np.int32)
        reason_share = np.zeros(candidate.shape, np.float32)
        find_dense_reasons(
            self.weight,
            past.ptr,
            past.item_row,
            past.weight,
            candidate,
            reason_item,
            reason_share,
        )
        return reason_item, reason_share


def keep_strongest(matrix: csr_array, n_kept: int) -> csr_array:
    """`matrix` with the `n_kept` largest positive entries of each row, ties to the lower column."""
    matrix.sort_indices()
    kept = np.empty(len(matrix.data), np.bool_)
    mark_strongest(matrix.indptr.astype(np.int64), matrix.data, n_kept, kept)
    ptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return csr_array((matrix.data[kept], matrix.indices[kept], ptr), shape=matrix.shape)
