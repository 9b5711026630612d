"""What is known of items apart from events — publishers, keywords — as vectors of their own."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class NodeContent:
    """Names that stand at items: publishers first, then keywords.

    Attributes:
        n_items: Items that have a row.
        n_publishers: Publishers that have a row.
        n_keywords: Keywords that have a row.
        ptr: Item i's names are `name[ptr[i]:ptr[i + 1]]`.
        name: Publisher row, or `n_publishers` plus keyword row.
    """

    n_items: int
    n_publishers: int
    n_keywords: int
    ptr: Int64[np.ndarray, " borders"]
    name: Int64[np.ndarray, " entries"]

    @property
    def n_names(self) -> int:
        """Publishers and keywords together."""
        return self.n_publishers + self.n_keywords

    @classmethod
    def nothing(cls, n_items: int) -> "NodeContent":
        """Items of which nothing is known."""
        return cls(n_items, 0, 0, np.zeros(n_items + 1, np.int64), np.empty(0, np.int64))


class ContentEncoder(nn.Module):
    """Adds the mean of an item's names to its identity vector.

    An item without events keeps its drawn identity, which is short beside its names: it starts
    from its content.
    """

    def __init__(self, content: NodeContent, dim: int, size: float = 1.0) -> None:
        """Vectors of every name, whose entries have about `size` at first."""
        super().__init__()
        self.name = nn.Parameter(size * torch.randn(content.n_names, dim))
        self.identity_share = nn.Parameter(torch.tensor(0.3))
        self.register_buffer("ptr", torch.from_numpy(content.ptr))
        self.register_buffer("entry", torch.from_numpy(content.name))
        self.ptr: Tensor
        self.entry: Tensor

    def grow(self, n_more: int) -> None:
        """Let `n_more` items follow of which nothing is known."""
        self.ptr = torch.cat([self.ptr, self.ptr[-1:].expand(n_more)])

    def forward(self, identity: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
        """Vectors of items, not of unit length."""
        names = functional.embedding_bag(
            self.entry, self.name, self.ptr, mode="mean", include_last_offset=True
        )
        return names + self.identity_share * identity
