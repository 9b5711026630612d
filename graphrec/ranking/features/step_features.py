"""How strongly the steps of all users lead from a user's last items to a candidate."""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32

from graphrec.kernels.decayed_counters import follow_users
from graphrec.kernels.rank_features import fill_steps
from graphrec.ranking.features.counters import PairCounters, pair_keys
from graphrec.ranking.features.declared import EVENTS, Asked, Feature
from graphrec.stages import Interactions

STEPS: Final = (
    Feature("step.from_last", "log(1 + fading steps from the last item to it)", "1", "events"),
    Feature("step.share", "their share of all steps out of the last item", "1", "events"),
    Feature("step.to_last", "log(1 + fading steps from it to the last item)", "1", "events"),
    Feature("step.lift", "steps from the last item over the root of both's steps", "1", "events"),
    Feature("step.from_recent", "log(1 + steps from the last items, nearer more)", "1", "events"),
    Feature("step.best_share", "largest share of steps out of one of them", "1", "events"),
)


class StepFeatures:
    """Steps from item to item in users' sequences: the co-watch graph by places, not hours.

    Users' events are followed in the order they arrive; an event that comes late counts as a step
    from what its user did last. Events of nobody (user -1) are left out.
    """

    features = STEPS

    def __init__(self, half_life_s: float, reach: int, discount: float, n_recent: int) -> None:
        """Follow users.

        Args:
            half_life_s: Of a step, seconds.
            reach: Items back from an event that make a step, a run of one item counting once.
            discount: What a step from one place further back counts, as a share.
            n_recent: Distinct last items of a query that are looked up.
        """
        self._reach = reach
        self._discount = discount
        self._n_recent = n_recent
        self._pairs = PairCounters(half_life_s)
        self.reset()

    def reset(self) -> None:
        """Forget every event."""
        self._pairs.reset()
        self._recent: Int32[np.ndarray, "users reach"] = np.full((0, self._reach), -1, np.int32)
        self._n_steps: Float64[np.ndarray, " items"] = np.zeros(0)

    def absorb(self, stream: str, events: Interactions) -> None:
        """Follow users through the main stream."""
        if stream != EVENTS or not len(events):
            return
        self._grow(events)
        room = len(events) * self._reach
        before, after = np.empty(room, np.int32), np.empty(room, np.int32)
        amount, source = np.empty(room, np.float32), np.empty(room, np.int64)
        n_pairs = follow_users(
            events.user_row,
            events.item_row,
            self._recent,
            self._discount,
            before,
            after,
            amount,
            source,
        )
        before, after, amount = before[:n_pairs], after[:n_pairs], amount[:n_pairs]
        self._pairs.absorb(pair_keys(before, after), events.time_s[source[:n_pairs]], amount)
        np.add.at(self._n_steps, before, amount)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns of `STEPS`."""
        past, pairs = asked.queries, self._pairs
        fill_steps(
            past.time_s,
            past.history_ptr,
            past.history_item,
            asked.item_row,
            pairs.half_life_s,
            self._n_recent,
            pairs.key,
            pairs.decayed,
            pairs.last_s,
            self._n_steps,
            at,
            out,
        )

    def _grow(self, events: Interactions) -> None:
        if events.n_users > len(self._recent):
            room = max(events.n_users, 2 * len(self._recent)) - len(self._recent)
            more = np.full((room, self._reach), -1, np.int32)
            self._recent = np.concatenate([self._recent, more])
        if events.n_items > len(self._n_steps):
            room = max(events.n_items, 2 * len(self._n_steps)) - len(self._n_steps)
            self._n_steps = np.concatenate([self._n_steps, np.zeros(room)])
