"""Items like an item: what walks from it alone come by."""

from dataclasses import replace

import numpy as np

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.stages import Candidates, CandidateSource, Eligibility, Queries


def similar_items(source: CandidateSource, item_row: int, k: int, *, at_s: int = 0) -> Candidates:
    """Find the `k` items nearest to one item, the item itself left out.

    Args:
        source: A fitted source that gives reasons, such as `RandomWalkSource`.
        item_row: The item.
        k: At most this many.
        at_s: The moment of the question, UTC seconds.

    Returns:
        One row of candidates, each with the item as its reason; padding alone where nothing leads
        on from the item, since what a source shows to strangers is not like it.

    Raises:
        DataError: `item_row` or `k` is negative, or the source has no such row.
    """
    if item_row < 0 or k < 0:
        raise DataError(f"similar items to row {item_row}, k {k} — must not be negative")
    queries = Queries.of_sessions([np.array([item_row], np.int32)], at_s)
    found = source.retrieve(queries, k, Eligibility("hide"))
    unlike = found.reason_item != item_row
    return replace(
        found,
        item_row=np.where(unlike, NO_ROW, found.item_row).astype(np.int32),
        score=np.where(unlike, -np.inf, found.score).astype(np.float32),
        source=np.where(unlike, -1, found.source).astype(np.int8),
    )
