"""What recommended lists are like, apart from being right: breadth, surprise, variety, fairness.

All functions read `top_item`, one list a query, best first, padded with -1 behind the last item.
Functions of one value per query give NaN where a list is too short to have one.
"""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float64, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.stages import Interactions

# Keeps the sums of a part's item vectors in some 100 MB, with a thousand features an item.
_LISTS_AT_ONCE: Final = 8192


def coverage(top_item: Int32[np.ndarray, "queries k"], n_items: int) -> float:
    """Share of the catalogue that is in at least one list, in [0, 1].

    Source:
        Ge, Delgado-Battenfeld and Jannach 2010 (catalogue coverage).
    """
    shown = np.unique(top_item[top_item != NO_ROW])
    return len(shown) / n_items if n_items else 0.0


def exposure_gini(top_item: Int32[np.ndarray, "queries k"], n_items: int) -> float:
    """How unevenly the lists' places are shared among the catalogue, in [0, 1).

    0 where every item is shown equally often, 1 − 1/n_items where one item has every place; NaN
    where nothing is shown. A place counts the same wherever it is in the list.

    Source:
        Fleder and Hosanagar 2009; items that are never shown count.
    """
    shown = np.sort(np.bincount(top_item[top_item != NO_ROW], minlength=n_items))
    total = int(shown.sum())
    if not total:
        return float("nan")
    place = np.arange(1, n_items + 1)
    return float((2 * place - n_items - 1) @ shown / (n_items * total))


def self_information(popularity: Int64[np.ndarray, " items"]) -> Float64[np.ndarray, " items"]:
    """−log2 of the chance that a training event is of the item, in bits.

    Every count is raised by one, so that items without an event have a finite value.

    Source:
        Zhou et al. 2010, doi:10.1073/pnas.1000488107; the added one is ours.
    """
    raised = popularity + 1.0
    bits: Float64[np.ndarray, " items"] = -np.log2(raised / raised.sum())
    return bits


def list_means(
    top_item: Int32[np.ndarray, "queries k"], value: Float64[np.ndarray, " items"]
) -> Float64[np.ndarray, " queries"]:
    """Mean of an item's `value` over each list, NaN for an empty list.

    With `self_information` this is a list's novelty in bits; with the training popularity it is
    the average recommendation popularity (ARP), in events.
    """
    is_item = top_item != NO_ROW
    total = np.where(is_item, value[top_item], 0.0).sum(axis=1)
    return _divide(total, is_item.sum(axis=1))


def popularity_lift(
    top_item: Int32[np.ndarray, "queries k"],
    popularity: Int64[np.ndarray, " items"],
    history_popularity: Float64[np.ndarray, " queries"],
) -> float:
    """How much more popular the recommended items are than those in the users' histories.

    (ARP of the lists − mean popularity of the histories) / mean popularity of the histories, over
    queries that have both; 0 is calm, 1 is twice as popular; NaN where no query has both.

    Args:
        top_item: Recommended lists.
        popularity: Training events of each item.
        history_popularity: Mean training events of the items in each query's history.

    Source:
        Abdollahpouri et al. 2019, arXiv:1907.13286 (ΔGAP), over all users as one group.
    """
    recommended = list_means(top_item, popularity.astype(np.float64))
    both = ~np.isnan(recommended) & ~np.isnan(history_popularity)
    before = float(history_popularity[both].mean()) if both.any() else 0.0
    return float(recommended[both].mean()) / before - 1.0 if before > 0.0 else float("nan")


def intra_list_diversity(
    top_item: Int32[np.ndarray, "queries k"], vectors: sp.csr_array
) -> Float64[np.ndarray, " queries"]:
    """1 − mean cosine over the pairs of items in each list, in [0, 1] for vectors >= 0.

    An item with an empty vector is unlike every other. NaN for lists of fewer than two items.

    Args:
        top_item: Recommended lists.
        vectors: A row per item: publishers and keywords as ones, or `co_watch_vectors`.

    Raises:
        DataError: A recommended item has no row in `vectors`.

    Source:
        Ziegler et al. 2005, doi:10.1145/1060745.1060754, as a mean over pairs.
    """
    if top_item.max(initial=-1) >= vectors.shape[0]:
        raise DataError(
            f"item row {int(top_item.max())} is recommended and there are {vectors.shape[0]} item "
            "vectors — one per item of the catalogue"
        )
    rows = vectors.astype(np.float64)
    norm = np.sqrt(rows.multiply(rows).sum(axis=1))
    unit = sp.diags_array(_divide(np.ones_like(norm), norm, empty=0.0)) @ rows
    is_filled = (norm > 0.0).astype(np.float64)
    parts = [
        _mean_cosine(top_item[start : start + _LISTS_AT_ONCE], unit, is_filled)
        for start in range(0, len(top_item), _LISTS_AT_ONCE)
    ]
    return 1.0 - np.concatenate([*parts, np.empty(0)])


def co_watch_vectors(events: Interactions) -> sp.csr_array:
    """A row per item with a one for each user who had it: stands in where there is no content."""
    ones = np.ones(len(events), np.float32)
    vectors = sp.csr_array(
        (ones, (events.item_row, events.user_row)), shape=(events.n_items, events.n_users)
    )
    vectors.data[:] = 1.0
    return vectors


def serendipity(
    top_item: Int32[np.ndarray, "queries k"],
    obvious: Int32[np.ndarray, "queries j"],
    relevant_ptr: Int64[np.ndarray, " queries+1"],
    relevant_item: Int32[np.ndarray, " relevant"],
) -> Float64[np.ndarray, " queries"]:
    """Share of each list's k places that came true and were not obvious, in [0, 1].

    Args:
        top_item: Recommended lists.
        obvious: What a primitive method, here popularity, recommended to the same queries.
        relevant_ptr: What came true for query i is `[relevant_ptr[i], relevant_ptr[i + 1])`.
        relevant_item: Item rows that came true, ascending within a query.

    Source:
        Ge, Delgado-Battenfeld and Jannach 2010, doi:10.1145/1864708.1864761: unexpected are the
        items a primitive recommender does not give; useful are those that came true. Divided by
        k, not by the list's length, so that a short list has no advantage.
    """
    is_item = top_item != NO_ROW
    surprising = is_item & _holds(relevant_ptr, relevant_item, top_item)
    n_obvious = np.arange(len(obvious) + 1, dtype=np.int64) * obvious.shape[1]
    surprising &= ~_holds(n_obvious, np.sort(obvious, axis=1).ravel(), top_item)
    share: Float64[np.ndarray, " queries"] = surprising.sum(axis=1) / max(1, top_item.shape[1])
    return share


def _mean_cosine(
    top_item: Int32[np.ndarray, "queries k"],
    unit: sp.csr_array,
    is_filled: Float64[np.ndarray, " items"],
) -> Float64[np.ndarray, " queries"]:
    """Mean cosine over the pairs of each list: |Σv|² = Σ|v|² + Σ over ordered pairs of v·w."""
    is_item = top_item != NO_ROW
    length = is_item.sum(axis=1)
    ptr = np.concatenate([[0], np.cumsum(length)])
    lists = sp.csr_array(
        (np.ones(ptr[-1]), top_item[is_item], ptr), shape=(len(top_item), unit.shape[0])
    )
    total = lists @ unit
    total.data **= 2
    return _divide(total.sum(axis=1) - lists @ is_filled, length * (length - 1))


def _holds(
    ptr: Int64[np.ndarray, " borders"],
    item: Int32[np.ndarray, " entries"],
    top_item: Int32[np.ndarray, "queries k"],
) -> Bool[np.ndarray, "queries k"]:
    """Whether each place's item is in its query's ascending list."""
    span = int(max(item.max(initial=0), top_item.max(initial=0))) + 2
    query = np.arange(len(top_item), dtype=np.int64)
    key = np.repeat(query, np.diff(ptr)) * span + item + 1
    found: Bool[np.ndarray, "queries k"] = np.isin(query[:, None] * span + top_item + 1, key)
    return found


def _divide(
    total: Any, count: Any, *, empty: float = float("nan")
) -> Float64[np.ndarray, " queries"]:
    out = np.full(np.shape(total), empty, dtype=np.float64)
    np.divide(total, count, out=out, where=np.asarray(count) > 0)
    return out
