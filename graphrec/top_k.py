"""Keep the best eligible items of dense scores."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Int32

from graphrec.arrays import NO_ROW
from graphrec.kernels.entry_sums import SEEN_ALLOWED, SEEN_HIDDEN, SEEN_ONLY
from graphrec.kernels.top_list import keep_best_of_all
from graphrec.stages import Candidates, Eligibility, Queries

SEEN_CODES: Final = {"allow": SEEN_ALLOWED, "hide": SEEN_HIDDEN, "only_again": SEEN_ONLY}
"""What happens to seen items, as kernels take it."""


def allowed_or_all(eligibility: Eligibility) -> Bool[np.ndarray, " _"]:
    """The mask of allowed items; empty where all are."""
    return np.empty(0, np.bool_) if eligibility.allowed is None else eligibility.allowed


def eligible_items(
    queries: Queries, query: int, eligibility: Eligibility, n_items: int
) -> Bool[np.ndarray, " items"]:
    """Which items may be returned to one query."""
    seen = queries.history_item[queries.history(query)]
    if eligibility.seen == "only_again":
        mask = np.zeros(n_items, dtype=bool)
        mask[seen] = True
    else:
        mask = np.ones(n_items, dtype=bool)
        if eligibility.seen == "hide":
            mask[seen] = False
    return mask if eligibility.allowed is None else mask & eligibility.allowed


def top_candidates(
    scores: Float32[np.ndarray, "users items"],
    queries: Queries,
    k: int,
    eligibility: Eligibility,
    name: str,
) -> Candidates:
    """The `k` highest positive scores among eligible items, ties to the lower item row.

    Args:
        scores: Score of every item for each query; items at or below 0 are not proposed.
        queries: The queries, whose histories decide what was seen.
        k: At most this many for each query.
        eligibility: What may be returned.
        name: Name of the source that scored.

    Returns:
        Candidates without reasons.
    """
    n_users = len(scores)
    item_row = np.full((n_users, k), NO_ROW, dtype=np.int32)
    score = np.full((n_users, k), -np.inf, dtype=np.float32)
    keep_best_of_all(
        np.ascontiguousarray(scores),
        queries.history_ptr,
        queries.history_item,
        SEEN_CODES[eligibility.seen],
        allowed_or_all(eligibility),
        item_row,
        score,
    )
    return Candidates(
        item_row,
        score,
        np.where(item_row == NO_ROW, -1, 0).astype(np.int8),
        (name,),
        np.full((n_users, k), NO_ROW, dtype=np.int32),
        np.zeros((n_users, k), dtype=np.float32),
    )


def best_rows(
    scores: Float32[np.ndarray, " items"], eligible: Bool[np.ndarray, " items"], k: int
) -> Int32[np.ndarray, " _"]:
    """At most `k` eligible rows with the highest positive scores, ties to the lower row."""
    rows = np.flatnonzero(eligible & (scores > 0)).astype(np.int32)
    if len(rows) > k:
        threshold = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
        rows = rows[scores[rows] >= threshold]
    return rows[np.argsort(-scores[rows], kind="stable")][:k]


def with_reasons(
    candidates: Candidates,
    reason_item: Int32[np.ndarray, "users k"],
    reason_share: Float32[np.ndarray, "users k"],
) -> Candidates:
    """The same candidates with the past items that brought them; see `Candidates`."""
    return replace(candidates, reason_item=reason_item, reason_share=reason_share)
