"""From what stands where to the arrays of a slate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped

from graphrec.arrays import NO_ROW
from graphrec.stages import Candidates, Evidence

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
    source = _pick(candidates.source, column, -1)
    score = _pick(candidates.score, column, -np.inf)
    names = candidates.source_names
    if is_pin.any():
        source[is_pin], score[is_pin] = len(names), 0.0
        names = (*names, PINNED)
    evidence = candidates.evidence
    if evidence is not None:
        seen = _pick(evidence.score, column, np.nan)
        place = _pick(evidence.place, column, -1)
        extra = ((0, 0), (0, 0), (0, len(names) - seen.shape[2]))
        evidence = Evidence(
            np.pad(seen, extra, constant_values=np.nan), np.pad(place, extra, constant_values=-1)
        )
    shown = replace(
        candidates,
        item_row=item,
        score=score,
        source=source,
        source_names=names,
        reason_item=_pick(candidates.reason_item, column, NO_ROW),
        reason_share=_pick(candidates.reason_share, column, 0),
        evidence=evidence,
    )
    return shown, propensity


def _pick(
    values: Shaped[np.ndarray, "users found *more"],
    column: Int64[np.ndarray, "users k"],
    missing: int | float,
) -> Shaped[np.ndarray, "users k *more"]:
    """Each query's values at its columns, `missing` at -1."""
    out = np.full((*column.shape, *values.shape[2:]), missing, values.dtype)
    row, place = np.nonzero(column >= 0)
    out[row, place] = values[row, column[row, place]]
    return out
