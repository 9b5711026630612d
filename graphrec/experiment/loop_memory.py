"""What a pipeline in a simulated world remembers beside its sources."""

from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages
from graphrec.experiment.loop_settings import LoopWatchNext
from graphrec.graph.watch_next import LiveWatchNext, WatchNextTable, watched_seconds
from graphrec.pipeline.loop_outcomes import CatalogueColumns
from graphrec.slate.demotion import ShownMemory
from graphrec.slate.exploration import ArmCounts
from graphrec.slate.settings import SlateSettings


class LoopMemory:
    """State that slates and values read, and that only `absorb` changes."""

    def __init__(
        self,
        slate: SlateSettings,
        watch_next: LoopWatchNext | None,
        items: CatalogueColumns,
        groups: dict[str, Int32[np.ndarray, " items"]],
    ) -> None:
        """Remember nothing yet.

        Args:
            slate: Tells what slates need.
            watch_next: How the value of what follows is learnt; None: it is not.
            items: Durations.
            groups: Groups of items by name; values of rare items lean on their publisher's.
        """
        self.shown = None if slate.demotion is None else ShownMemory(slate.demotion.half_life_days)
        is_thompson = slate.exploration.method == "thompson"
        self.counts = ArmCounts(0) if is_thompson else None
        self._arm = groups.get(slate.exploration.level)
        self._watch_next = watch_next
        self._following = LiveWatchNext(watch_next.table if watch_next else None)
        self._items = items
        self._publisher = groups["publisher"]
        self._category = groups["category"]
        self._after: Float32[np.ndarray, " items"]
        self._after = np.full(len(items.duration_s), np.nan, np.float32)
        self._told_s, self._read_s = np.iinfo(np.int64).min, np.iinfo(np.int64).min

    def absorb(self, events: EventLog, pages: ShownPages) -> None:
        """Learn from what was over, events and pages by start."""
        is_watch = events.edge_type == events.type_index("watch")
        if self.shown is not None:
            self._note(self.shown, events.take(is_watch), pages)
        if self.counts is not None:
            is_shown = pages.item_row != NO_ROW
            item = pages.item_row[is_shown]
            arm = item if self._arm is None else self._arm[item]
            self.counts.absorb(arm, pages.clicked[is_shown].astype(np.float64))
        if self._watch_next is not None and len(events):
            self._told_s = max(self._told_s, int(events.time_s[-1]) + 1)
            seconds = watched_seconds(events, self._items.duration_s)
            self._following.absorb(seconds, self._told_s)
            if self._told_s - DAY_S >= self._read_s:
                self._read_s = self._told_s
                unit_s = 60.0 * self._watch_next.unit_minutes
                table = self._following.table(self._publisher)
                less_s = _taken_off(table, self._watch_next.less, self._category)
                self._after = ((table.value_s - less_s) / unit_s).astype(np.float32)

    def value_after(self, item_row: Int32[np.ndarray, " pairs"]) -> Float32[np.ndarray, " pairs"]:
        """What usually follows each item, in units of value, as of the last day; NaN: not known."""
        after: Float32[np.ndarray, " pairs"] = self._after[item_row]
        return after

    @staticmethod
    def _note(shown: ShownMemory, watches: EventLog, pages: ShownPages) -> None:
        for user, time_s, items in zip(
            pages.user_row.tolist(), pages.time_s.tolist(), pages.item_row, strict=True
        ):
            shown.absorb(user, time_s, items)
        for user, time_s, item in zip(
            watches.source_row.tolist(),
            watches.time_s.tolist(),
            watches.target_row[:, None],
            strict=True,
        ):
            shown.absorb_watches(user, time_s, item)


def _taken_off(
    table: WatchNextTable,
    less: Literal["nothing", "mean", "category"],
    category: Int32[np.ndarray, " items"],
) -> Float64[np.ndarray, " items"]:
    """Seconds that each item's value is counted from; those of a category by its watches."""
    mean_s = np.full(len(table.value_s), 0.0 if less == "nothing" else table.mean_s)
    if less != "category":
        return mean_s
    known = category >= 0
    count = np.bincount(category[known], table.count[known])
    total = np.bincount(category[known], (table.count * table.value_s)[known])
    own = np.divide(total, count, out=np.full(len(count), table.mean_s), where=count > 0)
    mean_s[known] = own[category[known]]
    return mean_s
