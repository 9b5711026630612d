"""From what stands where to the arrays of a slate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.stages import Candidates

PINNED = "pinned"
"""Name of the source of items that no source brought."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The places of one query.

    Attributes:
        item_row: Items in order of place.
        column: Where each stands among the query's candidates; -1 where it is only pinned.
        propensity: Probability with which it was drawn for its place.
    """

    item_row: Int32[np.ndarray, " placed"]
    column: Int64[np.ndarray, " placed"]
    propensity: Float32[np.ndarray, " placed"]


def lay_out(
    candidates: Candidates, placed: Sequence[Placed], k: int
) -> tuple[Candidates, Float32[np.ndarray, "users k"]]:
    """The candidates in order of place, padded to `k`, and their propensities.

    An item that was only pinned has score 0, no reason, and the source `pinned`, which is added.
    """
    n = len(placed)
    item = np.full((n, k), NO_ROW, np.int32)
    column = np.full((n, k), -1, np.int64)
    propensity = np.zeros((n, k), np.float32)
    for query, one in enumerate(placed):
        stop = len(one.item_row)
        item[query, :stop] = one.item_row
        column[query, :stop] = one.column
        propensity[query, :stop] = one.propensity
    is_pin = (item >= 0) & (column < 0)
    shown = candidates.at_columns(column)
    source, score = shown.source, shown.score
    if is_pin.any():
        source[is_pin], score[is_pin] = len(candidates.source_names), 0.0
        shown = shown.with_source(PINNED)
    return replace(shown, item_row=item), propensity
