"""Numbers and categories that an items table holds beside names."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor, nn
from torch.nn import functional

_HIDDEN: Final = 64
_CATEGORY_DIM: Final = 16
_FARTHEST: Final = 5.0
"""Standard deviations that a number is cut to."""


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """Columns of items as they were read, and what of them is known by training.

    Attributes:
        number: Numbers; NaN where missing.
        category: Which value of its column an item has, from 0; -1 where missing.
        n_categories: How many values each column of `category` has.
        known: Items whose values training may learn scales and categories from; None: all.
    """

    number: Float32[np.ndarray, "items numbers"]
    category: Int64[np.ndarray, "items categories"]
    n_categories: tuple[int, ...]
    known: Bool[np.ndarray, " items"] | None = None

    @property
    def n_columns(self) -> int:
        """Numbers and categories together."""
        return self.number.shape[1] + self.category.shape[1]

    def learnt_from(self, item_row: Int[np.ndarray, " events"]) -> "ItemFeatures":
        """The same features, to be scaled by the items of these events alone."""
        known = np.zeros(len(self.number), bool)
        known[item_row] = True
        return replace(self, known=known)

    def tail(self, first: int) -> "ItemFeatures":
        """Features of the items from row `first` on."""
        known = None if self.known is None else self.known[first:]
        return replace(
            self, number=self.number[first:], category=self.category[first:], known=known
        )


class FeatureEncoder(nn.Module):
    """A two-layer network over standardised numbers, missing flags and vectors of categories.

    A missing number stands at the mean, with its flag set. A category that no training item has is
    read as a missing one.
    """

    def __init__(self, features: ItemFeatures, dim: int) -> None:
        """Learn the scales, and draw the rest."""
        super().__init__()
        known = (
            features.known if features.known is not None else np.ones(len(features.number), bool)
        )
        number = features.number[known].astype(np.float64)
        there = ~np.isnan(number)
        count = np.maximum(there.sum(0), 1)
        mean = np.where(there, number, 0).sum(0) / count
        spread = np.sqrt(np.where(there, (number - mean) ** 2, 0).sum(0) / count)
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("spread", torch.from_numpy(np.where(spread > 0, spread, 1)).float())
        # Row 0 of each column's block stands for a missing value.
        size = np.array([0, *features.n_categories], np.int64) + 1
        size[0] = 0
        first = np.cumsum(size)
        met = np.zeros(int(first[-1]), bool)
        mine = features.category[known]
        met[(np.where(mine >= 0, mine + 1, 0) + first[:-1]).ravel()] = True
        self.register_buffer("first", torch.from_numpy(first))
        self.register_buffer("met", torch.from_numpy(met))
        value, missing, row = self._read(features)
        self.register_buffer("value", value)
        self.register_buffer("missing", missing)
        self.register_buffer("row", row)
        self.mean: Tensor
        self.spread: Tensor
        self.first: Tensor
        self.met: Tensor
        self.value: Tensor
        self.missing: Tensor
        self.row: Tensor
        self.category = nn.Parameter(torch.randn(len(met), _CATEGORY_DIM))
        width = 2 * value.shape[1] + _CATEGORY_DIM * row.shape[1]
        self.enter = nn.Linear(width, _HIDDEN)
        self.leave = nn.Linear(_HIDDEN, dim, bias=False)

    def grow(self, n_more: int, features: ItemFeatures | None = None) -> None:
        """Let `n_more` items follow, by the scales that were learnt; None: nothing is known."""
        if features is None:
            n_numbers, n_columns = self.value.shape[1], self.row.shape[1]
            features = ItemFeatures(
                np.full((n_more, n_numbers), np.nan, np.float32),
                np.full((n_more, n_columns), -1, np.int64),
                (),
            )
        more = self._read(features)
        self.value = torch.cat([self.value, more[0]])
        self.missing = torch.cat([self.missing, more[1]])
        self.row = torch.cat([self.row, more[2]])

    def forward(self) -> Float[Tensor, "items dim"]:
        """Vectors of items."""
        category = functional.embedding(self.row, self.category).flatten(1)
        told = torch.cat([self.value, self.missing, category], dim=1)
        return self.leave(functional.gelu(self.enter(told)))

    def _read(self, features: ItemFeatures) -> tuple[Tensor, Tensor, Tensor]:
        number = torch.from_numpy(features.number.astype(np.float32)).to(self.mean.device)
        missing = torch.isnan(number)
        value = ((number - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        category = torch.from_numpy(features.category).to(self.mean.device)
        row = category + 1 + self.first[:-1]
        row = torch.where((category >= 0) & (row < self.first[1:]), row, self.first[:-1])
        if len(self.met):
            row = torch.where(self.met[row], row, self.first[:-1])
        return torch.where(missing, 0.0, value), missing.float(), row
