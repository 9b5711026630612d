"""How much of a history shares a publisher or keywords with a candidate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.errors import DataError
from graphrec.kernels.rank_features import fill_affinity
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.ranking.features.scratch import Scratch
from graphrec.row_lists import spliced
from graphrec.stages import DescribedItems, Interactions


@dataclass(frozen=True, slots=True)
class NamesOfItems:
    """Names that items bear: item i has `name_row[ptr[i]:ptr[i + 1]]`, each once.

    Attributes:
        ptr: Borders.
        name_row: Rows of names.
        n_names: Rows there are.
    """

    ptr: Int64[np.ndarray, " borders"]
    name_row: Int32[np.ndarray, " names"]
    n_names: int

    def __post_init__(self) -> None:
        ptr, row = self.ptr, self.name_row
        if not len(ptr) or ptr[0] != 0 or ptr[-1] != len(row) or (np.diff(ptr) < 0).any():
            raise DataError(f"borders of names — they ascend from 0 to {len(row)}, the last name")
        if len(row) and (row.min() < 0 or row.max() >= self.n_names):
            wrong = int(row.min() if row.min() < 0 else row.max())
            raise DataError(f"row of a name {wrong} — rows are 0 to {self.n_names - 1}")
        key = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr)) * self.n_names + row
        key.sort()
        twice = np.flatnonzero(key[1:] == key[:-1])
        if len(twice):
            item = int(key[twice[0]]) // self.n_names
            raise DataError(f"item row {item} bears a name twice — each item bears a name once")

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
        self._kind = kind
        self._ptr, self._name_row = names.ptr, names.name_row
        self._n_past = n_past
        self._n_names = names.n_names
        self._profiles = Scratch(np.float64(0))
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

    def learn_items(self, items: DescribedItems) -> None:
        """Replace the names of items, where they are of the kind `publisher` or `keyword`."""
        match self._kind:
            case "publisher":
                ptr, row, n_names = items.publisher_ptr, items.publisher_row, items.n_publishers
            case "keyword":
                ptr, row, n_names = items.keyword_ptr, items.keyword_row, items.n_keywords
            case _:
                return
        names = NamesOfItems(ptr, row, n_names)
        self._ptr, (self._name_row,) = spliced(
            self._ptr, [self._name_row], items.item_row, names.ptr, [names.name_row]
        )
        self._n_names = max(self._n_names, n_names)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the three columns; missing where the item bears no name or nothing was done."""
        past, profile = asked.queries, self._profiles.take(self._n_names)
        fill_affinity(
            past.history_ptr,
            past.history_item,
            asked.item_row,
            self._ptr,
            self._name_row,
            self._n_past,
            profile,
            at,
            out,
        )
        self._profiles.give(profile)
