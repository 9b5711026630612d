"""How much happens with an item, or with its publisher, and how that changes."""

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.kernels.candidate_features import fill_ages
from graphrec.kernels.rank_features import fill_row_counts
from graphrec.publications import Publications
from graphrec.ranking.features.counters import RowCounters
from graphrec.ranking.features.declared import EVENTS, Asked, Feature, Sees
from graphrec.stages import DescribedItems, Interactions


class PopularityFeatures:
    """Fading counts of events at several half-lives, by item or by a group of items."""

    def __init__(
        self,
        name: str,
        half_life_s: tuple[float, ...],
        group: Int32[np.ndarray, " items"] | None = None,
        stream: str = EVENTS,
    ) -> None:
        """Count by item, or by `group`.

        Args:
            name: Of the family; groups of `publisher` are publishers, and learn of new ones.
            half_life_s: Half-lives, seconds, shortest first.
            group: Group of each item, such as its publisher; -1 has none. None counts by item.
            stream: The stream that is counted.
        """
        self._counters = RowCounters(half_life_s)
        self._group = group
        self._n_groups = 0 if group is None else int(group.max(initial=-1)) + 1
        self._by_publisher = name == "publisher"
        self._stream = stream
        sees: Sees = "events" if stream == EVENTS else "streams"
        what = "the item" if group is None else f"the item's {name}"
        self.features = (
            *(
                Feature(
                    f"{name}.popular_{_hours(half_life)}",
                    f"log(1 + {stream} of {what}, halved every {_hours(half_life)})",
                    "1",
                    sees,
                )
                for half_life in half_life_s
            ),
            Feature(f"{name}.total", f"log(1 + {stream} of {what} ever)", "1", sees),
            Feature(f"{name}.known", f"log(1 + age of its first of {stream})", "log s", sees),
            Feature(f"{name}.quiet", f"log(1 + age of its last of {stream})", "log s", sees),
            Feature(f"{name}.trend", "log of its short over its long rate", "1", sees),
        )

    def reset(self) -> None:
        """Forget every event."""
        self._counters.reset()

    def absorb(self, stream: str, events: Interactions) -> None:
        """Count events of the stream."""
        if stream != self._stream:
            return
        row, n_rows = events.item_row, events.n_items
        ones = np.ones(len(events), np.float32)
        if self._group is None:
            self._counters.absorb(events.time_s, row, ones, n_rows)
            return
        group = self._rows(row)
        has_one = group >= 0
        self._counters.absorb(
            events.time_s[has_one],
            group[has_one],
            ones[has_one],
            self._n_groups,
        )

    def learn_items(self, items: DescribedItems) -> None:
        """Count events to come by new publishers, where publishers are the group."""
        if self._group is None or not self._by_publisher or not len(items):
            return
        n_more = int(items.item_row[-1]) + 1 - len(self._group)
        group = np.pad(self._group, (0, max(n_more, 0)), constant_values=-1)
        has_one = np.diff(items.publisher_ptr) > 0
        group[items.item_row] = -1
        first = items.publisher_row[items.publisher_ptr[:-1][has_one]]
        group[items.item_row[has_one]] = first
        self._group = group
        self._n_groups = max(self._n_groups, int(first.max(initial=-1)) + 1)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the family's columns."""
        counted = self._counters
        fill_row_counts(
            asked.time_s,
            self._rows(asked.item_row),
            counted.half_life_s,
            counted.decayed,
            counted.total,
            counted.first_s,
            counted.last_s,
            at,
            out,
        )

    def _rows(self, item_row: Int32[np.ndarray, "..."]) -> Int32[np.ndarray, "..."]:
        if self._group is None:
            return item_row
        row = np.full(item_row.shape, -1, np.int32)
        known = (item_row >= 0) & (item_row < len(self._group))
        row[known] = self._group[item_row[known]]
        return row


class AgeFeatures:
    """How long ago an item was published, strictly before the query."""

    features = (
        Feature("item.age", "log(1 + time since publication)", "log s", "item"),
        Feature("item.fresh", "1 / (1 + days since publication)", "1", "item"),
    )

    def __init__(self, published_s: Int64[np.ndarray, " items"]) -> None:
        """Know when items were published, UTC seconds.

        One with `NEVER_S`, or without a place, is published at its first event.
        """
        self._publications = Publications(published_s)

    def reset(self) -> None:
        """Forget every event."""
        self._publications.reset()

    def absorb(self, stream: str, events: Interactions) -> None:
        """Date items that have no date by their first event."""
        if stream == EVENTS:
            self._publications.absorb(events)

    def learn_items(self, items: DescribedItems) -> None:
        """Give items other dates."""
        self._publications.redate(items.item_row, items.published_s)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write both columns; missing where the item is not out before the query, or unknown."""
        fill_ages(asked.time_s, asked.item_row, self._publications.published_s, at, out)


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:g}d" if hours >= 24 else f"{hours:g}h"
