"""What a caller may ask of a slate, and what a visit did that the log does not know of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int32

from graphrec.retrieval.filters import ItemFilters
from graphrec.stages import Queries, SeenPolicy


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller may ask of a slate.

    Attributes:
        k: Places to fill.
        seen: What happens to items in the history.
        filters: Rules the items have to meet.
        diversity: How much unlikeness counts against relevance, in [0, 1]: 0 shows items as they
            are ranked, 1 looks at unlikeness alone; None: as the pipeline is set.
        objectives: Weights of objectives by name, over those of the pipeline; see
            `Pipeline.objectives`.
        shown_before: Item rows of earlier pages, in the order of their places: they are left out,
            and this page is drawn as the one behind them.
    """

    k: int = 10
    seen: SeenPolicy = "hide"
    filters: ItemFilters = field(default_factory=ItemFilters)
    diversity: float | None = None
    objectives: Mapping[str, float] = field(default_factory=dict)
    shown_before: tuple[int, ...] = ()


def after_visit(queries: Queries, item_row: Int32[np.ndarray, " visited"]) -> Queries:
    """One query with what this visit did so far before its history, dated a second before the cut.

    Args:
        queries: One query.
        item_row: Items of the visit, newest first; events of the visit that were absorbed already
            stand in the history, too, and count twice.
    """
    n = len(item_row)
    if not n:
        return queries
    return replace(
        queries,
        history_ptr=queries.history_ptr + np.array([0, n]),
        history_item=np.concatenate([item_row, queries.history_item]),
        history_time_s=np.concatenate(
            [np.full(n, queries.time_s[0] - 1, np.int64), queries.history_time_s]
        ),
        history_weight=np.concatenate([np.ones(n, np.float32), queries.history_weight]),
    )
