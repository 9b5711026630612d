"""The WatchNext table: how long people usually go on watching after an item, whoever they are.

What an item is followed by is the chance that a session goes on times what is watched if it does.
Each is learnt by itself: a chance tells items apart after tens of watches, the seconds after
hundreds, and seconds alone would value items by how long the videos are that their viewers like.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.events.log import EventLog
from graphrec.graph.credibility import CrossedSums
from graphrec.kernels.watch_next import sum_following
from graphrec.stages import Interactions

_NO_GAP: Final = 2**62
_MAX_SECONDS: Final = 10**7


class WatchNextSettings(BaseModel):
    """What counts as watched after an item, and how rare items are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_minutes: int = Field(
        240, ge=1, le=100_000, description="Watches that start at most so long after it count."
    )
    gap_minutes: int | None = Field(
        30,
        ge=0,
        le=100_000,
        description="A pause longer than this ends what follows: the session; null: it does not.",
    )
    wait_minutes: int = Field(
        120,
        ge=0,
        le=100_000,
        description="Events may arrive so late: a watch is judged this long after its window.",
    )
    prior_count: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="Watches that the mean of its group is worth beside an item's own; null: "
        "estimated from how much items differ (empirical Bayes), for the chance and for the "
        "seconds.",
    )
    less_user: bool = Field(
        True,
        description="Whether what a user goes on with more or less than others is taken off: "
        "without it what heavy watchers like passes for what brings watching about. Keeps a row "
        "for each pair of user and item.",
    )


@dataclass(frozen=True, slots=True)
class WatchNextTable:
    """Expected seconds watched after each item.

    Attributes:
        value_s: Seconds for an average user, >= 0: the chance that a session goes on times what is
            watched if it does. The chance is shrunk toward that of the item's group and that
            toward the mean of all, the seconds toward the mean of all.
        count: Watches that each value rests on; 0 where it is its group's alone.
        mean_s: Mean over all watches, seconds.
        prior_counts: Watches that a group's mean is worth beside an item's own, for the chance and
            for the seconds; infinite where items of one group do not differ beyond chance.
        until_s: Nothing at or after this time was known, UTC seconds.
    """

    value_s: Float64[np.ndarray, " items"]
    count: Int64[np.ndarray, " items"]
    mean_s: float
    prior_counts: tuple[float, float]
    until_s: int

    def value_of_showing(
        self,
        item_row: Int32[np.ndarray, " *pairs"],
        click_chance: Float32[np.ndarray, " *pairs"],
        unit_s: float,
    ) -> Float32[np.ndarray, " *pairs"]:
        """What showing an item is worth in the long run, in clicks.

        Pr(click) · (1 + value after / `unit_s`): the click, and what usually follows.

        Args:
            item_row: Items; -1 is padding and worth 0.
            click_chance: Probability that each is clicked, in [0, 1].
            unit_s: Seconds watched afterwards that are worth as much as a click, > 0.

        Raises:
            DataError: `unit_s` is not above 0.
        """
        if not unit_s > 0:
            raise DataError(f"unit_s = {unit_s} — seconds that are worth a click, above 0")
        after = np.where(item_row >= 0, 1.0 + self.value_s[item_row] / unit_s, 0.0)
        return np.asarray(click_chance * after, np.float32)


class LiveWatchNext:
    """Learns the table from watches as they arrive.

    A watch is judged once its window and the wait are over; until then it is kept. After any
    batches it holds exactly what one batch of all of them gives, if each event arrives at most
    `wait_minutes` late; one that is later counts for what follows it, not for what it followed.
    """

    def __init__(self, settings: WatchNextSettings | None = None) -> None:
        """Start without an event."""
        self._settings = settings or WatchNextSettings()
        self.reset()

    def reset(self, n_items: int = 0) -> None:
        """Forget everything."""
        self._going_on, self._rest = CrossedSums(), CrossedSums()
        self._count = np.zeros(n_items, np.int64)
        self._sum = np.zeros(n_items, np.int64)
        self._until_s = np.iinfo(np.int64).min
        self._time_s = np.empty(0, np.int64)
        self._user = np.empty(0, np.int32)
        self._item = np.empty(0, np.int32)
        self._watched_s = np.empty(0, np.int64)

    @property
    def n_waiting(self) -> int:
        """Watches that are not judged yet."""
        return len(self._time_s)

    def absorb(self, events: Interactions, until_s: int) -> None:
        """Learn from watches.

        Args:
            events: In any order; `weight` is seconds watched, rounded to whole ones. `n_items` may
                have grown. What nobody watched, user -1, is followed by nothing and passed over.
            until_s: All that happened before this time has been told, UTC seconds; it does not go
                back.

        Raises:
            DataError: An event is at or after `until_s` or lasts longer than 10 million seconds,
                or `until_s` goes back. Nothing is learnt then.
        """
        self._check(events, until_s)
        self._until_s = until_s
        self._grow(events.n_items)
        if (events.user_row == NO_ROW).any():
            events = events.take(events.user_row != NO_ROW)
        time_s = np.concatenate([self._time_s, events.time_s])
        user = np.concatenate([self._user, events.user_row])
        item = np.concatenate([self._item, events.item_row])
        watched = np.rint(events.weight.astype(np.float64)).astype(np.int64)
        watched_s = np.concatenate([self._watched_s, watched])
        order = np.lexsort((time_s, user))
        time_s, user, item, watched_s = (
            column[order] for column in (time_s, user, item, watched_s)
        )
        settings = self._settings
        window_s = settings.window_minutes * 60
        is_judged = time_s + window_s + settings.wait_minutes * 60 < until_s
        if is_judged.any():
            gap_s = _NO_GAP if settings.gap_minutes is None else settings.gap_minutes * 60
            after_s = np.empty(len(time_s), np.int64)
            sum_following(user, time_s, watched_s, window_s, gap_s, after_s)
            self._judge(user[is_judged], item[is_judged], after_s[is_judged])
        kept = ~is_judged
        self._time_s, self._user = time_s[kept], user[kept]
        self._item, self._watched_s = item[kept], watched_s[kept]

    def table(
        self,
        group_row: Int32[np.ndarray, " items"] | None = None,
    ) -> WatchNextTable:
        """The table as it stands.

        Args:
            group_row: Group of each item, such as its publisher or category, >= 0; -1 for none.
                None: the mean of all is all there is.

        Raises:
            DataError: There are not as many groups as items.
        """
        n_items = len(self._count)
        group = np.full(n_items, -1, np.int32) if group_row is None else group_row
        if len(group) != n_items:
            raise DataError(f"groups of {len(group)} items — the table has {n_items}")
        # Items without a group are one of their own.
        group = group.astype(np.int64) + 1
        given = self._settings.prior_count
        chance, of_chance = self._going_on.means_of_second(n_items, group, given)
        # Groups differ in how long their videos are, and so does what their viewers watch next.
        everyone = np.zeros(n_items, np.int64)
        rest_s, of_rest = self._rest.means_of_second(n_items, everyone, given)
        chance, rest_s = np.clip(chance, 0.0, 1.0), np.maximum(rest_s, 0.0)
        mean = float(self._sum.sum() / max(self._count.sum(), 1))
        return WatchNextTable(
            chance * rest_s,
            self._count.copy(),
            mean,
            (of_chance, of_rest),
            int(self._until_s),
        )

    def _judge(
        self,
        user: Int32[np.ndarray, " judged"],
        item: Int32[np.ndarray, " judged"],
        after_s: Int64[np.ndarray, " judged"],
    ) -> None:
        first = user.astype(np.int64) if self._settings.less_user else np.zeros(len(user), np.int64)
        second, goes_on = item.astype(np.int64), after_s > 0
        self._going_on.add(first, second, goes_on.astype(np.float64))
        self._rest.add(first[goes_on], second[goes_on], after_s[goes_on].astype(np.float64))
        np.add.at(self._count, item, 1)
        np.add.at(self._sum, item, after_s)

    def _grow(self, n_items: int) -> None:
        more = n_items - len(self._count)
        if more > 0:
            self._count = np.pad(self._count, (0, more))
            self._sum = np.pad(self._sum, (0, more))

    def _check(self, events: Interactions, until_s: int) -> None:
        if until_s < self._until_s:
            raise DataError(f"until_s {until_s} — goes back from {self._until_s}")
        if len(events) and int(events.time_s.max()) >= until_s:
            raise DataError(
                f"an event at {events.time_s.max()} s is not before until_s {until_s} — tell of it "
                "when it has happened"
            )
        weight = events.weight
        if len(events) and not bool(((weight >= 0) & (weight <= _MAX_SECONDS)).all()):
            raise DataError(
                f"watched seconds from {weight.min()} to {weight.max()} — from 0 to "
                f"{_MAX_SECONDS:,}"
            )


def watched_seconds(
    log: EventLog, duration_s: Int32[np.ndarray, " items"], names: tuple[str, ...] = ("watch",)
) -> Interactions:
    """The watches of a log with the seconds watched as their weight: share times duration.

    Args:
        log: A log whose watches weigh the share that was watched, in [0, 1].
        duration_s: Duration of each item, seconds.
        names: Event types that are watches.

    Raises:
        DataError: There are not as many durations as items, or an event type is unknown.
    """
    for name in names:
        log.type_index(name)
    if len(duration_s) != log.n_nodes.get("item", 0):
        raise DataError(
            f"{len(duration_s)} durations — the log has {log.n_nodes.get('item', 0)} items"
        )
    is_watch: Bool[np.ndarray, " events"]
    is_watch = np.isin(log.edge_type, np.array([log.type_index(name) for name in names], np.int8))
    watches = log.take(is_watch)
    weight = watches.weight.astype(np.float64) * duration_s[watches.target_row]
    return Interactions(
        watches.time_s,
        watches.source_row,
        watches.target_row,
        np.rint(weight).astype(np.float32),
        log.n_nodes.get("user", 0),
        log.n_nodes.get("item", 0),
        watches.event_id,
    )
