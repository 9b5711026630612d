"""How much of the catalogue is shown, how evenly, and how often items are watched."""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from pydantic import BaseModel, Field

from graphrec.serving.shown_items import ShownItems
from graphrec.serving.state import LiveState

_LORENZ_POINTS: Final = 51
_RANKS: Final = 120


class RankOut(BaseModel):
    """How often the item of a rank occurs."""

    rank: int = Field(description="1: the most frequent.")
    n: int = Field(description="How often it occurs, > 0.")


class CoverageOut(BaseModel):
    """What the last slates of the process that answers showed, and what is watched."""

    n_slates: int = Field(description="Slates looked at.")
    n_places: int = Field(description="Items they showed, each as often as it stood there.")
    n_items: int = Field(description="Items known and not deleted.")
    n_shown: int = Field(description="Different items they showed.")
    coverage: float = Field(description="Share of the known items that was shown, in [0, 1].")
    gini: float | None = Field(
        description="How unevenly places are shared among all known items: 0 equally, 1 one item "
        "has all; null where nothing was shown."
    )
    lorenz: list[float] = Field(
        description="Share of all places that the least shown 0 %, 2 %, ... 100 % of the known "
        "items have; empty where nothing was shown."
    )
    shown_by_rank: list[RankOut] = Field(description="How often items were shown.")
    watched_by_rank: list[RankOut] = Field(description="How often items were watched so far.")
    n_watched: int = Field(description="Different items that were watched at least once.")


def coverage_of(state: LiveState, shown: ShownItems) -> CoverageOut:
    """What the last slates showed of what `state` knows.

    Args:
        state: What is known; the caller holds it still.
        shown: What was shown.
    """
    n_slates, n_shown = shown.counts()
    catalogue = state.pipeline.catalogue
    watched = catalogue.n_events[catalogue.n_events > 0]
    n_items = max(catalogue.n_items - catalogue.n_deleted, len(n_shown))
    curve = lorenz(n_shown, n_items)
    return CoverageOut(
        n_slates=n_slates,
        n_places=int(n_shown.sum()),
        n_items=n_items,
        n_shown=len(n_shown),
        coverage=len(n_shown) / max(n_items, 1),
        gini=gini(n_shown, n_items),
        lorenz=curve.round(6).tolist(),
        shown_by_rank=ranks(n_shown),
        watched_by_rank=ranks(watched),
        n_watched=len(watched),
    )


def gini(count: Int64[np.ndarray, " items"], n_items: int) -> float | None:
    """How unevenly counts are shared among `n_items`, of which the others have none.

    Returns:
        0 where all have as much, (n - 1) / n where one has all; None where there is nothing.
    """
    total = int(count.sum())
    if not total:
        return None
    place = np.arange(n_items - len(count) + 1, n_items + 1)
    return float(2 * (place * np.sort(count)).sum() / (n_items * total) - (n_items + 1) / n_items)


def lorenz(count: Int64[np.ndarray, " items"], n_items: int) -> Float64[np.ndarray, " points"]:
    """Share of all that the poorest 0, 2, ... 100 % of `n_items` have; empty: there is nothing."""
    total = int(count.sum())
    if not total:
        return np.empty(0)
    held = np.concatenate([[0], np.cumsum(np.sort(count))]) / total
    at = np.linspace(0, n_items, _LORENZ_POINTS) - (n_items - len(count))
    return np.asarray(np.interp(at, np.arange(len(held)), held))


def ranks(count: Int64[np.ndarray, " items"]) -> list[RankOut]:
    """Counts above 0 by rank, at most `_RANKS` of them, evenly spaced in the rank's logarithm."""
    if not len(count):
        return []
    ordered = np.sort(count)[::-1]
    rank = np.unique(np.geomspace(1, len(ordered), _RANKS).round().astype(np.int64))
    return [RankOut(rank=int(one), n=int(ordered[one - 1])) for one in rank]
