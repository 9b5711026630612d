"""What a user did with a candidate, and what is going on with the user."""

from typing import Final

import numpy as np
from jaxtyping import Float32

from graphrec.kernels.history_features import fill_context, fill_pair_history
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Interactions

PAIR_HISTORY: Final = (
    Feature("pair.count", "log(1 + the user's events with the item)", "1", "history"),
    Feature("pair.since", "log(1 + time since the newest of them)", "log s", "history"),
    Feature("pair.places", "log(1 + events newer than the newest of them)", "1", "history"),
    Feature("pair.switches", "changes to another item since", "1", "history"),
    Feature("pair.streak", "unbroken run of the item up to now", "events", "history"),
    Feature("pair.activation", "its share of the history, newest counting most", "1", "history"),
    Feature(
        "pair.habit",
        "log(1 + how often it came right after the last item, newest counting most)",
        "1",
        "history",
    ),
    Feature("pair.share", "its share of the history", "1", "history"),
    Feature("pair.recent_share", "its share of the newest eight events", "1", "history"),
    Feature("pair.gap", "log(1 + mean time between its events)", "log s", "history"),
    Feature(
        "pair.habit_few",
        "log(1 + how often second to eighth after the last item, newest counting most)",
        "1",
        "history",
    ),
    Feature("pair.run_length", "events of it for each unbroken run", "1", "history"),
    Feature("pair.phase", "log of time since over the mean gap", "1", "history"),
    Feature("pair.last_phase", "log of time since over the last gap", "1", "history"),
)

CONTEXT: Final = (
    Feature("user.events", "log(1 + events in the history)", "1", "history"),
    Feature("user.since", "log(1 + time since the newest event)", "log s", "history"),
    Feature("user.run", "log(1 + unbroken run of the last item)", "1", "history"),
    Feature("user.session", "log(1 + events in the last half hour)", "1", "history"),
    Feature("user.day", "log(1 + events in the last 24 hours)", "1", "history"),
    Feature("user.variety", "distinct items in the newest 32 events, share", "1", "history"),
    Feature("user.switching", "changes of item in the newest 32 events, share", "1", "history"),
    Feature("user.pace", "log(1 + mean time between the newest eight)", "log s", "history"),
    Feature("time.hour", "hour of the day, UTC", "h", "query"),
    Feature("time.weekday", "day of the week, Monday 0", "1", "query"),
)


class PairHistoryFeatures:
    """The user's own past with each candidate."""

    features = PAIR_HISTORY

    def reset(self) -> None:
        """Nothing to forget: histories come with the queries."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns of `PAIR_HISTORY`."""
        past = asked.queries
        fill_pair_history(
            past.time_s,
            past.history_ptr,
            past.history_item,
            past.history_time_s,
            asked.item_row,
            asked.slot,
            at,
            out,
        )


class ContextFeatures:
    """The user's last doings and the time of day: alike for all candidates of a query."""

    features = CONTEXT

    def reset(self) -> None:
        """Nothing to forget: histories come with the queries."""

    def absorb(self, stream: str, events: Interactions) -> None:
        """Nothing to learn."""

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the columns of `CONTEXT`."""
        past = asked.queries
        fill_context(
            past.time_s,
            past.history_ptr,
            past.history_item,
            past.history_time_s,
            asked.item_row,
            at,
            out,
        )
