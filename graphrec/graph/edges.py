"""The co-watch graph's weighted edges at one moment: what walks and exports read."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

COLD_START_NODE: Final = 0
"""Source node "nothing watched yet". Item row i is node i + 1, so that items can be added."""


@dataclass(frozen=True, slots=True)
class WeightedEdges:
    """Outgoing edges of source nodes in compressed rows, targets ascending within a row.

    Attributes:
        ptr: Node n's edges are `[ptr[n], ptr[n + 1])`. Over the whole graph node 0 is the
            cold-start node and node i + 1 is item row i; over a selection row i is the i-th node
            asked for.
        target_row: Item row each edge leads to.
        weight: Strength at that moment, unitless, > 0.
    """

    ptr: Int64[np.ndarray, " nodes_and_end"]
    target_row: Int32[np.ndarray, " edges"]
    weight: Float32[np.ndarray, " edges"]
