"""What a feature is, and what families of features have in common."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.stages import Candidates, Interactions, Queries

Sees = Literal["query", "history", "events", "streams", "item", "sources", "shown"]
"""What a feature may read: the query's time alone, the user's own past, all users' events before
the query, other streams before the query, what is known of the item, the sources' answers, the list
as it was shown."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature's one declaration.

    Attributes:
        name: Column name, `family.feature`.
        meaning: What it says, in words.
        unit: Its unit; "1" where it has none.
        sees: What it may read.
    """

    name: str
    meaning: str
    unit: str
    sees: Sees


@dataclass(frozen=True, slots=True)
class Asked:
    """Candidates whose features are asked for.

    Attributes:
        queries: Who asks, when, with what history.
        candidates: The candidates.
        slot: Scratch of kernels, one entry an item row, -1 throughout.
        given: Columns that come with a list as it was shown, by name.
    """

    queries: Queries
    candidates: Candidates
    slot: Int32[np.ndarray, " items"]
    given: dict[str, Float32[np.ndarray, "users k"]]

    @property
    def item_row(self) -> Int32[np.ndarray, "users k"]:
        """The candidates' items."""
        return self.candidates.item_row

    @property
    def time_s(self) -> Int64[np.ndarray, " users"]:
        """When each query asks, UTC seconds."""
        return self.queries.time_s


@runtime_checkable
class FeatureFamily(Protocol):
    """Features that are computed together."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """Declarations, in the order of the columns."""
        ...

    def reset(self) -> None:
        """Forget every event."""
        ...

    def absorb(self, stream: str, events: Interactions) -> None:
        """Learn from events of a stream; `EVENTS` is the one that histories are made of."""
        ...

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns from `at` on; padding stays as it is."""
        ...


EVENTS = "events"
"""Name of the main stream: the events that histories are made of."""
