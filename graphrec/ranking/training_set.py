"""What rankers learn from: candidates by the list they stood in, their features and outcomes."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.errors import DataError


@dataclass(frozen=True, slots=True)
class RankingSet:
    """Lists of candidates with features and outcomes, list after list, in order of time.

    Attributes:
        feature_names: Columns of `features`.
        features: What was known of each candidate just before it was shown; NaN is missing.
        list_ptr: List i holds the candidates `[list_ptr[i], list_ptr[i + 1])`.
        time_s: When each list was asked for, UTC seconds, never decreasing.
        user_row: Who asked; -1 for anonymous.
        item_row: The candidates.
        position: 0-based place each candidate was shown at; -1 where nothing is known of places.
        outcome_names: Columns of `outcome`, such as `engagement`, `satisfaction`, `responsibility`.
        outcome: What came of each candidate: higher is better; NaN where it is not known.
        weight: How much each candidate counts, unitless, >= 0.
    """

    feature_names: tuple[str, ...]
    features: Float32[np.ndarray, "pairs features"]
    list_ptr: Int64[np.ndarray, " borders"]
    time_s: Int64[np.ndarray, " lists"]
    user_row: Int32[np.ndarray, " lists"]
    item_row: Int32[np.ndarray, " pairs"]
    position: Int32[np.ndarray, " pairs"]
    outcome_names: tuple[str, ...]
    outcome: Float32[np.ndarray, "pairs outcomes"]
    weight: Float32[np.ndarray, " pairs"]

    def __post_init__(self) -> None:
        n_pairs, n_lists = len(self.item_row), len(self.time_s)
        if self.features.shape[1] != len(self.feature_names):
            raise DataError(
                f"{self.features.shape[1]} columns of features with {len(self.feature_names)} names"
                " — one name each"
            )
        if len(self.list_ptr) != n_lists + 1 or self.list_ptr[-1] != n_pairs:
            raise DataError(f"lists end at {self.list_ptr[-1]} — at the last of {n_pairs} pairs")
        if (np.diff(self.time_s) < 0).any():
            raise DataError("lists are not in order of time — sort them first")

    @property
    def n_lists(self) -> int:
        """Lists there are."""
        return len(self.time_s)

    def __len__(self) -> int:
        return len(self.item_row)

    def column(self, name: str) -> Float32[np.ndarray, " pairs"]:
        """The outcome called `name`.

        Raises:
            DataError: There is none.
        """
        if name not in self.outcome_names:
            raise DataError(
                f"no outcome {name!r} — there are {', '.join(self.outcome_names) or 'none'}"
            )
        return self.outcome[:, self.outcome_names.index(name)]

    def lists_between(self, first: int, last: int) -> "RankingSet":
        """The lists `[first, last)`."""
        begin, end = int(self.list_ptr[first]), int(self.list_ptr[last])
        return replace(
            self,
            features=self.features[begin:end],
            list_ptr=self.list_ptr[first : last + 1] - begin,
            time_s=self.time_s[first:last],
            user_row=self.user_row[first:last],
            item_row=self.item_row[begin:end],
            position=self.position[begin:end],
            outcome=self.outcome[begin:end],
            weight=self.weight[begin:end],
        )

    def lists_at(self, which: Int64[np.ndarray, " some"]) -> "RankingSet":
        """The lists at `which`, ascending positions that may repeat."""
        length = np.diff(self.list_ptr)[which]
        ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        row = np.arange(ptr[-1]) + np.repeat(self.list_ptr[which] - ptr[:-1], length)
        return replace(
            self,
            features=self.features[row],
            list_ptr=ptr,
            time_s=self.time_s[which],
            user_row=self.user_row[which],
            item_row=self.item_row[row],
            position=self.position[row],
            outcome=self.outcome[row],
            weight=self.weight[row],
        )

    def split_by_time(self, share: float) -> "tuple[RankingSet, RankingSet]":
        """The first `share` of the lists, and the later ones."""
        border = round(share * self.n_lists)
        return self.lists_between(0, border), self.lists_between(border, self.n_lists)

    def without_features(self, names: tuple[str, ...]) -> "RankingSet":
        """The same lists with fewer columns.

        Raises:
            DataError: There is no such feature.
        """
        unknown = [name for name in names if name not in self.feature_names]
        if unknown:
            raise DataError(f"no feature {', '.join(unknown)} — see feature_names")
        kept = [at for at, name in enumerate(self.feature_names) if name not in names]
        return replace(
            self,
            feature_names=tuple(self.feature_names[at] for at in kept),
            features=np.ascontiguousarray(self.features[:, kept]),
        )
