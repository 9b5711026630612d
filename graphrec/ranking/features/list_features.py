"""Where a candidate stands in the list it was shown in, next to what the user met of that list.

A candidate was met where it occurs in the user's history; the last one met is the one whose newest
event is the newest.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Interactions, Queries

POSITION: Final = "position"
"""The given column that is the 0-based place of an item in its list."""

_NEVER: Final = np.iinfo(np.int64).max

LIST_PLACES: Final = (
    Feature("list.length", "items in the list", "items", "shown"),
    Feature("list.met", "items of the list that were met", "items", "shown"),
    Feature("list.met_above", "items above it that were met", "items", "shown"),
    Feature("list.from_last", "its place less that of the last one met", "places", "shown"),
    Feature("list.from_nearest", "places to the nearest other one met", "places", "shown"),
    Feature("list.from_deepest", "its place less that of the lowest one met", "places", "shown"),
)


class ListPlaceFeatures:
    """Places in a list relative to those of items that were met; missing where no place is given.

    Relative places alone do not tell the place itself, save by the length of the list and by what
    was met, so that a ranker can be kept from leaning on the order it was shown.
    """

    features = LIST_PLACES

    def reset(self) -> None:
        """Nothing to forget: histories come with the queries."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns of `LIST_PLACES`."""
        if POSITION not in asked.given:
            return
        is_real = asked.item_row != NO_ROW
        newest = newest_meetings(asked.queries, asked.item_row)
        for query, real in enumerate(is_real):
            place = asked.given[POSITION][query, real].astype(np.float64)
            out[query, real, at : at + len(LIST_PLACES)] = _relative_places(
                place, newest[query, real]
            )


class ListValueFeatures:
    """Given columns, such as prices, within their list: rank, spread, and next to what was met."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Read the given columns of these names; one that is not given leaves its own missing."""
        self._names = names
        columns = []
        for name in names:
            columns += [
                Feature(f"list.{name}_rank", f"share of the list of lower {name}", "1", "shown"),
                Feature(
                    f"list.{name}_z",
                    f"{name} less the list's mean, in its standard deviations",
                    "1",
                    "shown",
                ),
                Feature(
                    f"list.{name}_from_last",
                    f"{name} less that of the last one met, in the same",
                    "1",
                    "shown",
                ),
                Feature(
                    f"list.{name}_from_met",
                    f"{name} less the mean of those met, in the same",
                    "1",
                    "shown",
                ),
            ]
        self.features = tuple(columns)

    def reset(self) -> None:
        """Nothing to forget: histories come with the queries."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write four columns for each given one."""
        given = [(n, name) for n, name in enumerate(self._names) if name in asked.given]
        if not given:
            return
        newest = newest_meetings(asked.queries, asked.item_row)
        for query, real in enumerate(asked.item_row != NO_ROW):
            for n, name in given:
                value = asked.given[name][query, real].astype(np.float64)
                out[query, real, at + 4 * n : at + 4 * n + 4] = _within_list(
                    value, newest[query, real]
                )


def newest_meetings(
    queries: Queries, item_row: Int32[np.ndarray, "users k"]
) -> Int64[np.ndarray, "users k"]:
    """How many events are newer than each candidate's newest one; the largest int64 for none."""
    newest = np.full(item_row.shape, _NEVER, np.int64)
    if not item_row.shape[1]:
        return newest
    for query, row in enumerate(item_row):
        past = queries.history_item[queries.history(query)]
        order = np.argsort(row, kind="stable")
        at = np.searchsorted(row[order], past).clip(max=len(row) - 1)
        event = np.flatnonzero(row[order[at]] == past)
        np.minimum.at(newest[query], order[at[event]], event)
    return newest


def _relative_places(
    place: Float64[np.ndarray, " real"], newest: Int64[np.ndarray, " real"]
) -> Float64[np.ndarray, "real columns"]:
    met: Bool[np.ndarray, " real"] = newest < _NEVER
    out = np.full((len(place), len(LIST_PLACES)), np.nan)
    out[:, 0] = len(place)
    out[:, 1] = met.sum()
    out[:, 2] = (place[met][None, :] < place[:, None]).sum(axis=1)
    if met.any():
        out[:, 3] = place - place[np.argmin(newest)]
        gap = np.abs(place[met][None, :] - place[:, None])
        gap[gap == 0] = np.inf
        nearest = gap.min(axis=1)
        out[:, 4] = np.where(np.isinf(nearest), np.nan, nearest)
        out[:, 5] = place - place[met].max()
    return out


def _within_list(
    value: Float64[np.ndarray, " real"], newest: Int64[np.ndarray, " real"]
) -> Float64[np.ndarray, "real columns"]:
    out = np.full((len(value), 4), np.nan)
    known = ~np.isnan(value)
    if not known.any():
        return out
    own = value[known]
    lower = (own[None, :] < own[:, None]).sum(axis=1)
    equal = (own[None, :] == own[:, None]).sum(axis=1) - 1
    out[known, 0] = (lower + 0.5 * equal) / max(len(own) - 1, 1)
    spread = float(own.std()) or 1.0
    out[known, 1] = (own - own.mean()) / spread
    met = known & (newest < _NEVER)
    if met.any():
        last = value[met][np.argmin(newest[met])]
        out[known, 2] = (own - last) / spread
        out[known, 3] = (own - value[met].mean()) / spread
    return out
