"""What a policy of the simulated platform is asked and told."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.stages import Queries


@dataclass(frozen=True, slots=True)
class PageRequests:
    """Pages wanted at about the same time.

    Attributes:
        queries: Who wants one, when, and the watches they had finished just before, newest first
            (64 at most).
        session: Number of the session each page belongs to; never the same for two sessions.
        available: Items that were out when the round's span of time began.
        n_places: Places of a page.
        told_s: Everything the policy has been told was over before this time, UTC seconds; no
            request is earlier.
    """

    queries: Queries
    session: Int64[np.ndarray, " users"]
    available: Bool[np.ndarray, " items"]
    n_places: int
    told_s: int

    def __len__(self) -> int:
        return len(self.session)


@dataclass(frozen=True, slots=True)
class Pages:
    """A policy's answer: a page for each request.

    Attributes:
        item_row: Different items by place, from the top; -1 pads a page that came out short.
        propensity: Probability with which the item stands at its place given those above it, in
            (0, 1]; 1 where nothing was drawn; 0 in padding.
    """

    item_row: Int32[np.ndarray, "users places"]
    propensity: Float32[np.ndarray, "users places"]

    @classmethod
    def certain(cls, item_row: Int32[np.ndarray, "users places"]) -> "Pages":
        """Pages of a policy that draws nothing."""
        return cls(item_row, (item_row >= 0).astype(np.float32))


@dataclass(frozen=True, slots=True)
class ShownPages:
    """Pages that users are through with, by the time they were asked for.

    Attributes:
        user_row: Who looked.
        time_s: When they were shown, UTC seconds.
        end_s: When the user was through, UTC seconds.
        item_row: Items by place; -1 is padding.
        propensity: As the policy told it; 0 in padding.
        clicked: Places that were watched.
    """

    user_row: Int32[np.ndarray, " pages"]
    time_s: Int64[np.ndarray, " pages"]
    end_s: Int64[np.ndarray, " pages"]
    item_row: Int32[np.ndarray, "pages places"]
    propensity: Float32[np.ndarray, "pages places"]
    clicked: Bool[np.ndarray, "pages places"]

    def __len__(self) -> int:
        return len(self.user_row)


@runtime_checkable
class Policy(Protocol):
    """Decides what pages show. `fit` and `absorb` are the only calls that change it."""

    def fit(self, dataset: Dataset, cut_s: int) -> None:
        """Forget everything, then learn from a log whose events were all over before `cut_s`."""
        ...

    def absorb(self, events: EventLog, pages: ShownPages) -> None:
        """Learn from what has happened since it was last told, publications among it.

        Args:
            events: By start; an event is told once it is over, so some are older than others that
                were told before. Rows, edge types and weights are those of the fitted log.
            pages: Pages by start, told once the user is through with them.
        """
        ...

    def recommend(self, requests: PageRequests) -> Pages:
        """A page for each request, of items in `requests.available`."""
        ...
