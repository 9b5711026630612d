"""Open places of ranked lists, filled from a fallback."""

import numpy as np

from graphrec.arrays import NO_ROW
from graphrec.stages import Candidates


def topped_up(found: Candidates, extra: Candidates, k: int, *, below: bool) -> Candidates:
    """`found` with its open places up to `k` filled from `extra`, nothing twice.

    Args:
        found: Ranked lists, short rows padded.
        extra: What a fallback says of the same queries.
        k: Places that are to be filled.
        below: Score what is filled in below all that was found, so that an arranger keeps it
            there; else it keeps the fallback's scores.
    """
    filled = _widened(found, extra, max(k, found.item_row.shape[1]))
    for query in np.flatnonzero((filled.item_row[:, :k] == NO_ROW).any(axis=1)):
        n_found = int((filled.item_row[query] != NO_ROW).sum())
        fresh = ~np.isin(extra.item_row[query], filled.item_row[query])
        fresh &= extra.item_row[query] != NO_ROW
        chosen = np.flatnonzero(fresh)[: k - n_found]
        places = np.arange(n_found, n_found + len(chosen))
        filled.item_row[query, places] = extra.item_row[query, chosen]
        filled.source[query, places] = extra.source[query, chosen] + len(found.source_names)
        filled.score[query, places] = extra.score[query, chosen]
        if below and n_found:
            own = filled.score[query, :n_found]
            step = max(float(np.ptp(own)), 1.0) / n_found
            filled.score[query, places] = own.min() - step * np.arange(1, len(chosen) + 1)
    return filled


def _widened(found: Candidates, extra: Candidates, width: int) -> Candidates:
    """A copy with room for `width` places and the fallback's name behind the sources."""
    n_queries, n_found = found.item_row.shape
    column = np.full((n_queries, width), -1, np.int64)
    column[:, :n_found] = np.arange(n_found)
    return found.at_columns(column).with_source(*extra.source_names)
