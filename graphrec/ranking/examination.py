"""How likely a place of a shown list is looked at, told apart from what stands there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError
from graphrec.ranking.training_set import RankingSet

_LEAST: Final = 1e-12


class ExaminationSettings(BaseModel):
    """How examination is estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_places: int = Field(
        25, ge=1, le=1000, description="Places told apart; lower ones count as the last of them."
    )
    n_rounds: int = Field(200, ge=1, le=100_000, description="Rounds of fitting at most.")
    tolerance: float = Field(
        1e-6, gt=0, lt=1, description="Largest relative change of a place at which fitting ends."
    )


@dataclass(frozen=True, slots=True)
class Examination:
    """Chances of places, next to what is seen of them.

    Attributes:
        click_rate: Clicks a showing at each place, as logged.
        relative: Estimated chance of being looked at, relative to the first place's; NaN where a
            place shares no item with others.
        n_items: Items that tell anything: shown at two places or more, and clicked.
    """

    click_rate: Float64[np.ndarray, " places"]
    relative: Float64[np.ndarray, " places"]
    n_items: int


def estimate_examination(
    lists: RankingSet, outcome: str, settings: ExaminationSettings | None = None
) -> Examination:
    """Examination by place from items that were shown at several places.

    The clicks of an item at a place are Poisson with mean showings x attraction of the item x
    examination of the place; the likelihood is maximised over both in turn. An item shown at one
    place alone says nothing. What it cannot tell from examination: that an item is placed higher
    where it suits the visitor better, which makes the upper places look more examined than they
    are.

    Args:
        lists: Shown lists with positions.
        outcome: Above 0 where an item was clicked.
        settings: Places told apart, rounds.

    Raises:
        DataError: There is no such outcome, no place is known, or no item tells anything.

    Source:
        The position-based model of Richardson, Dominowska and Ragno 2007,
        doi:10.1145/1242572.1242643, read off natural changes of place as in Agarwal et al. 2019,
        doi:10.1145/3289600.3291017; Poisson with a term for each item instead of pairs of places.
    """
    settings = settings or ExaminationSettings()
    known = (lists.position >= 0) & ~np.isnan(lists.column(outcome))
    if not known.any():
        raise DataError(f"no place of {len(lists)} candidates is known — examination needs places")
    place = np.minimum(lists.position[known], settings.n_places - 1).astype(np.int64)
    hit = lists.column(outcome)[known] > 0
    shown_at = np.bincount(place, minlength=settings.n_places).astype(np.float64)
    clicked_at = np.bincount(place[hit], minlength=settings.n_places).astype(np.float64)
    rate = np.full(settings.n_places, np.nan)
    np.divide(clicked_at, shown_at, out=rate, where=shown_at > 0)
    item = np.unique(lists.item_row[known], return_inverse=True)[1].astype(np.int64)
    cells = _Cells.of_rows(item, place, hit, settings.n_places)
    if not len(cells.item):
        raise DataError("no clicked item was shown at two places — examination cannot be told")
    return Examination(rate, _fit(cells, settings), cells.n_items)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Showings and clicks of items at places, of items that tell anything."""

    item: Int64[np.ndarray, " cells"]
    place: Int64[np.ndarray, " cells"]
    shown: Float64[np.ndarray, " cells"]
    clicked: Float64[np.ndarray, " cells"]
    n_items: int

    @classmethod
    def of_rows(
        cls,
        item: Int64[np.ndarray, " rows"],
        place: Int64[np.ndarray, " rows"],
        hit: Bool[np.ndarray, " rows"],
        n_places: int,
    ) -> "_Cells":
        key, cell = np.unique(item * n_places + place, return_inverse=True)
        of_item = key // n_places
        clicks = np.bincount(item[hit], minlength=int(item.max()) + 1)
        tells = (np.bincount(of_item) >= 2) & (clicks > 0)
        kept = tells[of_item]
        number = np.cumsum(tells) - 1
        return cls(
            number[of_item[kept]],
            key[kept] % n_places,
            np.bincount(cell).astype(np.float64)[kept],
            np.bincount(cell, hit.astype(np.float64))[kept],
            int(tells.sum()),
        )


def _fit(cells: _Cells, settings: ExaminationSettings) -> Float64[np.ndarray, " places"]:
    n_places = settings.n_places
    by_item = np.bincount(cells.item, cells.clicked)
    by_place = np.bincount(cells.place, cells.clicked, n_places)
    seen = np.bincount(cells.place, minlength=n_places) > 0
    look = np.ones(n_places)
    for _ in range(settings.n_rounds):
        before = look
        chance = np.bincount(cells.item, cells.shown * look[cells.place])
        attraction = by_item / np.maximum(chance, _LEAST)
        expected = np.bincount(cells.place, cells.shown * attraction[cells.item], n_places)
        look = by_place / np.maximum(expected, _LEAST)
        look = look / max(float(look[np.argmax(seen)]), _LEAST)
        if np.max(np.abs(look - before) / np.maximum(before, _LEAST)) < settings.tolerance:
            break
    out: Float64[np.ndarray, " places"] = np.where(seen, look, np.nan)
    return out
