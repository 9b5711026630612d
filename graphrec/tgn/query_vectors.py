"""What queries ask for, as vectors: the other factor of every score."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class PastWeights(NamedTuple):
    """A sparse vector over items: what a query asks for of that stood beside its past items.

    Attributes:
        item: The past items.
        weight: Their entries, in each channel of `neighbour_scores`.
    """

    item: Int[Tensor, "queries tokens"]
    weight: Float[Tensor, "queries tokens channels"]


class QueryVectors(NamedTuple):
    """What a query asks for; its dot product with an item's vector is the score.

    Attributes:
        code: To be multiplied with the items' unit vectors.
        dynamic: To be multiplied with the items' vectors of recent events; None without any.
        memory: To be multiplied with the items' memories; None without any.
        past: To be multiplied with how often each item stood beside past ones; None without it.
    """

    code: Float[Tensor, "queries dim"]
    dynamic: Float[Tensor, "queries dynamic"] | None
    memory: Float[Tensor, "queries memory"] | None
    past: PastWeights | None = None


def joined_vectors(parts: Sequence[QueryVectors]) -> QueryVectors:
    """Vectors of several lists of queries, one below the other."""
    dynamic = [part.dynamic for part in parts if part.dynamic is not None]
    memory = [part.memory for part in parts if part.memory is not None]
    past = [part.past for part in parts if part.past is not None]
    return QueryVectors(
        torch.cat([part.code for part in parts]),
        torch.cat(dynamic) if dynamic else None,
        torch.cat(memory) if memory else None,
        PastWeights(*(torch.cat(part) for part in zip(*past, strict=True))) if past else None,
    )
