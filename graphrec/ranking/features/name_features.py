"""How much of a history shares a publisher or keywords with a candidate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.kernels.rank_features import fill_affinity
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class NamesOfItems:
    """Names that items bear: item i has `name_row[ptr[i]:ptr[i + 1]]`.

    Attributes:
        ptr: Borders.
        name_row: Rows of names.
        n_names: Rows there are.
    """

    ptr: Int64[np.ndarray, " items_and_end"]
    name_row: Int32[np.ndarray, " names"]
    n_names: int

    def first(self) -> Int32[np.ndarray, " items"]:
        """The first name of each item; -1 where it has none."""
        has_one = np.diff(self.ptr) > 0
        row = np.full(len(has_one), -1, np.int32)
        row[has_one] = self.name_row[self.ptr[:-1][has_one]]
        return row


class NameFeatures:
    """Affinity of a user, by what they had, to the names a candidate bears."""

    def __init__(self, kind: str, names: NamesOfItems, n_past: int) -> None:
        """Know the names of a kind, such as `publisher`; read the newest `n_past` events."""
        self._names = names
        self._n_past = n_past
        self._profile = np.zeros(names.n_names)
        self.features = (
            Feature(
                f"{kind}.affinity", f"mean share of the history with its {kind}s", "1", "history"
            ),
            Feature(
                f"{kind}.best", f"largest share of the history with one {kind}", "1", "history"
            ),
            Feature(f"{kind}.overlap", f"overlap of {kind}s with the last item", "1", "history"),
        )

    def reset(self) -> None:
        """Nothing to forget: histories come with the queries."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the three columns; missing where the item bears no name or nothing was done."""
        past = asked.queries
        fill_affinity(
            past.history_ptr,
            past.history_item,
            asked.item_row,
            self._names.ptr,
            self._names.name_row,
            self._n_past,
            self._profile,
            at,
            out,
        )
