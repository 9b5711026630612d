"""What is known of an item itself, and whether it fits who asks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from graphrec.arrays import NO_ROW
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class Fit:
    """A property that users and items have alike, such as a language.

    Attributes:
        of_user: Its value for each user, >= 0; -1 where it is not known.
        of_item: Its value for each item, >= 0; -1 where it is not known.
    """

    of_user: Int32[np.ndarray, " users"]
    of_item: Int32[np.ndarray, " items"]


class ItemColumnFeatures:
    """Numbers of the catalogue, such as a duration or a flag, and properties shared with the user.

    A column is to hold what is known from the item's publication on.
    """

    def __init__(
        self, numbers: Mapping[str, Float32[np.ndarray, " items"]], fits: Mapping[str, Fit]
    ) -> None:
        """Know the columns by name; NaN is missing, and so is an item or user past their ends."""
        self._numbers = dict(numbers)
        self._fits = dict(fits)
        self.features = (
            *(Feature(f"item.{name}", f"the item's {name}", "1", "item") for name in numbers),
            *(
                Feature(f"fit.{name}", f"whether user and item have the same {name}", "1", "item")
                for name in fits
            ),
        )

    def reset(self) -> None:
        """Nothing to forget."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write a column a number and a column a shared property; padding stays as it is."""
        item = asked.item_row
        for n, values in enumerate(self._numbers.values()):
            known = (item >= 0) & (item < len(values))
            out[..., at + n] = np.where(known, values[np.where(known, item, 0)], np.nan)
        at += len(self._numbers)
        for n, fit in enumerate(self._fits.values()):
            mine = _at(fit.of_user, asked.queries.user_row)[:, None]
            its = _at(fit.of_item, item)
            out[..., at + n] = np.where((mine < 0) | (its < 0), np.nan, mine == its)


def _at(
    values: Int32[np.ndarray, " rows"], row: Int32[np.ndarray, " *asked"]
) -> Int32[np.ndarray, " *asked"]:
    known = (row >= 0) & (row < len(values))
    found: Int32[np.ndarray, " *asked"]
    found = np.where(known, values[np.where(known, row, 0)], np.int32(NO_ROW)).astype(np.int32)
    return found
