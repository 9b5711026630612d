"""Events in the batches in which they arrived, which are one where they are read or kept."""

from typing import Any

import numpy as np

from graphrec.stages import Interactions


class EventBatches:
    """Events in order of arrival; appending a batch costs nothing.

    A copy or what is written down holds one batch, however many came.
    """

    def __init__(self, *batches: Interactions) -> None:
        """Start with these batches."""
        self._batches = list(batches)

    def __getstate__(self) -> dict[str, Any]:
        """All in one."""
        return {"_batches": [self.joined()]}

    def __len__(self) -> int:
        return sum(map(len, self._batches))

    def append(self, events: Interactions) -> None:
        """Add a batch behind the others."""
        self._batches.append(events)

    def joined(self) -> Interactions:
        """All events in one, in order of arrival."""
        if len(self._batches) != 1:
            parts = self._batches
            empty = [np.empty(0, kind) for kind in (np.int64, np.int32, np.int32, np.float32)]
            names = ("time_s", "user_row", "item_row", "weight")
            time_s, user_row, item_row, weight = (
                np.concatenate([none, *(getattr(part, name) for part in parts)])
                for none, name in zip(empty, names, strict=True)
            )
            n_users = max((part.n_users for part in parts), default=0)
            n_items = max((part.n_items for part in parts), default=0)
            self._batches = [Interactions(time_s, user_row, item_row, weight, n_users, n_items)]
        return self._batches[0]

    def by_time(self) -> Interactions:
        """All events in one, in order of time; those of one second in order of arrival."""
        events = self.joined()
        return events.take(np.argsort(events.time_s, kind="stable"))
