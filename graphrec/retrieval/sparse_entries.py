"""What sources share whose cost does not grow with the catalogue: entries, summed by item."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.kernels.entry_sums import add_all_sums, keep_best_sums, list_last_items
from graphrec.retrieval.cowatch_source import candidates_of
from graphrec.stages import Candidates, Eligibility, Queries
from graphrec.top_k import SEEN_CODES, allowed_or_all


@dataclass(frozen=True, slots=True)
class Entries:
    """What speaks for items, by query; an item's score is the sum of its entries.

    Attributes:
        ptr: Query i's entries are `[ptr[i], ptr[i + 1])`.
        item_row: Item of each entry.
        value: What it adds, >= 0.
        reason_item: Past item it comes from; -1 for none.
    """

    ptr: Int64[np.ndarray, " borders"]
    item_row: Int32[np.ndarray, " entries"]
    value: Float64[np.ndarray, " entries"]
    reason_item: Int32[np.ndarray, " entries"]

    def best(self, queries: Queries, k: int, eligibility: Eligibility, name: str) -> Candidates:
        """The best `k` eligible items of each query, ties to the lower item row."""
        shape = (len(queries), k)
        item_row, score = np.empty(shape, np.int32), np.empty(shape, np.float32)
        reason, share = np.empty(shape, np.int32), np.empty(shape, np.float32)
        keep_best_sums(
            self.ptr,
            self.item_row,
            self.value,
            self.reason_item,
            queries.history_ptr,
            queries.history_item,
            SEEN_CODES[eligibility.seen],
            allowed_or_all(eligibility),
            item_row,
            score,
            reason,
            share,
        )
        return candidates_of(item_row, score, reason, share, name)

    def dense(self, n_items: int) -> Float32[np.ndarray, "users items"]:
        """The score of every item."""
        score = np.empty((len(self.ptr) - 1, n_items), np.float32)
        add_all_sums(self.ptr, self.item_row, self.value, score)
        return score


@dataclass(frozen=True, slots=True)
class LastItems:
    """The newest distinct items of each query, newest first.

    Attributes:
        ptr: Query i's items are `[ptr[i], ptr[i + 1])`.
        item_row: The items.
        weight: How much each counts, in (0, 1].
    """

    ptr: Int64[np.ndarray, " borders"]
    item_row: Int32[np.ndarray, " seeds"]
    weight: Float64[np.ndarray, " seeds"]

    @classmethod
    def of_queries(cls, queries: Queries, max_items: int, half_life_items: float) -> "LastItems":
        """At most `max_items` of each query; after `half_life_items` newer ones one counts half."""
        n = len(queries.history_item)
        ptr = np.empty(len(queries) + 1, np.int64)
        item_row, weight = np.empty(n, np.int32), np.empty(n, np.float64)
        list_last_items(
            queries.history_ptr,
            queries.history_item,
            max_items,
            0.5 ** (1.0 / half_life_items),
            ptr,
            item_row,
            weight,
        )
        return cls(ptr, item_row[: ptr[-1]], weight[: ptr[-1]])
