"""What a query's history weighs: its distinct items, newest first, and how much each counts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.checks import refuse_unknown_items
from graphrec.kernels.sparse_scores import weigh_history
from graphrec.retrieval.interaction_matrix import Values
from graphrec.stages import Queries


class HistorySettings(BaseModel):
    """How much past items count when a query is scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_items: int | None = Field(
        None, ge=1, description="Look at this many newest distinct items only; null looks at all."
    )
    half_life_items: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="After so many newer distinct items a past item counts half; null: never.",
    )


@dataclass(frozen=True, slots=True)
class PastItems:
    """The distinct past items of each query, newest first.

    Attributes:
        ptr: Query i's items are `[ptr[i], ptr[i + 1])`.
        item_row: The items.
        weight: How much each counts, unitless, > 0.
    """

    ptr: Int64[np.ndarray, " pointers"]
    item_row: Int32[np.ndarray, " seeds"]
    weight: Float32[np.ndarray, " seeds"]


def weigh_past_items(
    queries: Queries, settings: HistorySettings, values: Values, n_items: int, name: str
) -> PastItems:
    """Weigh each query's past items.

    Args:
        queries: The queries.
        settings: How many count, and how fast they fade.
        values: `once`: an item counts 1 however often it was used. `summed`: its weights add up.
        n_items: Rows the source knows.
        name: Name of the source, for messages.

    Raises:
        DataError: A history holds an item row outside `[0, n_items)`.
    """
    refuse_unknown_items(queries, n_items, name)
    half_life = settings.half_life_items
    ptr = np.empty(len(queries) + 1, np.int64)
    item_row = np.empty(len(queries.history_item), np.int32)
    weight = np.empty(len(queries.history_item), np.float32)
    weigh_history(
        queries.history_ptr,
        queries.history_item,
        queries.history_weight,
        n_items,
        n_items if settings.max_items is None else settings.max_items,
        values == "once",
        1.0 if half_life is None else 0.5 ** (1.0 / half_life),
        ptr,
        item_row,
        weight,
    )
    return PastItems(ptr, item_row[: ptr[-1]], weight[: ptr[-1]])
