"""Who came to an item lately, and how many came to it for the first time."""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.graph.seen_ids import SeenIds
from graphrec.kernels.rank_features import fill_row_counts
from graphrec.kernels.visitor_features import add_to_rings, fill_visitors
from graphrec.ranking.features.counters import RowCounters, pair_keys
from graphrec.ranking.features.declared import EVENTS, Asked, Feature
from graphrec.stages import Interactions

VISITORS: Final = (
    Feature("visit.others_since", "log(1 + events of others since the user's)", "1", "events"),
    Feature("visit.mine", "the user's share of its newest events", "1", "events"),
    Feature("visit.users", "distinct users among its newest events, share", "1", "events"),
    Feature("visit.second", "log(1 + age of its second newest event)", "log s", "events"),
    Feature("visit.fourth", "log(1 + age of its fourth newest event)", "log s", "events"),
    Feature("visit.oldest", "log(1 + age of the oldest of them)", "log s", "events"),
)


class VisitorFeatures:
    """The newest events of each item, whoever they are of; of equal times, the later arrived."""

    features = VISITORS

    def __init__(self, n_newest: int) -> None:
        """Keep the newest `n_newest` events of each item."""
        self._n_newest = n_newest
        self.reset()

    def reset(self) -> None:
        """Forget every event."""
        self._time_s: Int64[np.ndarray, "items newest"] = np.zeros((0, self._n_newest), np.int64)
        self._user: Int32[np.ndarray, "items newest"] = np.zeros((0, self._n_newest), np.int32)
        self._count: Int32[np.ndarray, " items"] = np.zeros(0, np.int32)

    def absorb(self, stream: str, events: Interactions) -> None:
        """Keep the newest events of the main stream."""
        if stream != EVENTS:
            return
        if events.n_items > len(self._count):
            more = max(events.n_items, 2 * len(self._count)) - len(self._count)
            self._time_s = np.pad(self._time_s, ((0, more), (0, 0)))
            self._user = np.pad(self._user, ((0, more), (0, 0)))
            self._count = np.pad(self._count, (0, more))
        add_to_rings(
            events.time_s, events.user_row, events.item_row, self._time_s, self._user, self._count
        )

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns of `VISITORS`."""
        fill_visitors(
            asked.time_s,
            asked.queries.user_row,
            asked.item_row,
            self._time_s,
            self._user,
            self._count,
            at,
            out,
        )


class ArrivalFeatures:
    """Fading counts of events that are a user's first with the item: popularity by people.

    The first is the one that arrived first: an earlier event that comes late is not counted again.
    Events of nobody (user -1) are left out.
    """

    prefix = "arrive"
    what = "first visits"

    def __init__(self, half_life_s: tuple[float, ...]) -> None:
        """Count at half-lives, seconds, shortest first."""
        self._seen = SeenIds()
        self._counters = RowCounters(half_life_s)
        what, name = self.what, self.prefix
        hours = [f"{seconds / 3600:g}h" for seconds in half_life_s]
        self.features = (
            *(
                Feature(f"{name}.{scale}", f"log(1 + {what}, halved every {scale})", "1", "events")
                for scale in hours
            ),
            Feature(f"{name}.total", f"log(1 + {what} ever)", "1", "events"),
            Feature(f"{name}.known", f"log(1 + age of the first of {what})", "log s", "events"),
            Feature(f"{name}.quiet", f"log(1 + age of the last of {what})", "log s", "events"),
            Feature(
                f"{name}.trend", f"log of the short over the long rate of {what}", "1", "events"
            ),
        )

    def reset(self) -> None:
        """Forget every event."""
        self._seen.reset()
        self._counters.reset()

    def absorb(self, stream: str, events: Interactions) -> None:
        """Count first visits of the main stream."""
        if stream != EVENTS:
            return
        known = events.user_row >= 0
        is_first = np.zeros(len(events), np.bool_)
        is_first[known] = self._are_new(events.user_row[known], events.item_row[known])
        self._counters.absorb(
            events.time_s[is_first],
            events.item_row[is_first],
            np.ones(int(is_first.sum()), np.float32),
            events.n_items,
        )

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the family's columns."""
        counted = self._counters
        fill_row_counts(
            asked.time_s,
            asked.item_row,
            counted.half_life_s,
            counted.decayed,
            counted.total,
            counted.first_s,
            counted.last_s,
            at,
            out,
        )

    def _are_new(
        self, user_row: Int32[np.ndarray, " events"], item_row: Int32[np.ndarray, " events"]
    ) -> Bool[np.ndarray, " events"]:
        return self._seen.absorb(pair_keys(user_row, item_row))


class NewcomerFeatures(ArrivalFeatures):
    """Fading counts of events that are a user's first of all: where strangers start."""

    prefix = "newcomer"
    what = "users who started with it"

    def _are_new(
        self, user_row: Int32[np.ndarray, " events"], item_row: Int32[np.ndarray, " events"]
    ) -> Bool[np.ndarray, " events"]:
        return self._seen.absorb(pair_keys(user_row, np.zeros_like(item_row)))
