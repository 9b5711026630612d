"""Other streams of events, which become known as the time of the questions passes them."""

from collections.abc import Iterator, Mapping

import numpy as np

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.stages import Interactions


class PendingStreams:
    """Streams whose events are told strictly before the moment of a question.

    What arrives waits until a question of a later second is asked; what arrives late is told with
    the next question.
    """

    def __init__(self, streams: Mapping[str, Interactions]) -> None:
        """Know streams by name, sorted by time each."""
        for name, events in streams.items():
            if (np.diff(events.time_s) < 0).any():
                raise DataError(f"stream {name} is not sorted by time — sort it first")
            refuse_unknown_rows(events, name)
        self._given = dict(streams)
        self.reset()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(self._given)

    def reset(self) -> None:
        """Start before the first event of what was given."""
        self._waiting = dict(self._given)
        self._told = dict.fromkeys(self._given, 0)

    def add(self, name: str, events: Interactions) -> None:
        """Let events wait that have just arrived, in any order.

        Raises:
            DataError: There is no such stream, or a row is outside what the events declare.
        """
        if name not in self._given:
            raise DataError(f"no stream {name!r} — there are {', '.join(self._given) or 'none'}")
        refuse_unknown_rows(events, name)
        left = self._waiting[name].take(slice(self._told[name], None))
        joined = _joined(left, events)
        order = np.argsort(joined.time_s, kind="stable")
        self._waiting[name], self._told[name] = joined.take(order), 0

    def told_before(self, time_s: int) -> Iterator[tuple[str, Interactions]]:
        """What has not been told yet and lies before `time_s` (UTC seconds), by stream."""
        for name, events in self._waiting.items():
            first = self._told[name]
            if first == len(events) or events.time_s[first] >= time_s:
                continue
            last = int(np.searchsorted(events.time_s, time_s))
            self._told[name] = last
            yield name, events.take(slice(first, last))


def refuse_unknown_rows(events: Interactions, name: str) -> None:
    """Check that rows of `events` lie within the users and items they declare; user -1 is nobody.

    Raises:
        DataError: A row is outside `[0, n_items)` or `[-1, n_users)`.
    """
    for what, row, lowest, n_rows in (
        ("item", events.item_row, 0, events.n_items),
        ("user", events.user_row, NO_ROW, events.n_users),
    ):
        if len(row) and (row.min() < lowest or row.max() >= n_rows):
            wrong = int(row.min() if row.min() < lowest else row.max())
            raise DataError(f"{name} hold {what} row {wrong} — rows are {lowest} to {n_rows - 1}")


def _joined(first: Interactions, second: Interactions) -> Interactions:
    return Interactions(
        np.concatenate([first.time_s, second.time_s]),
        np.concatenate([first.user_row, second.user_row]),
        np.concatenate([first.item_row, second.item_row]),
        np.concatenate([first.weight, second.weight]),
        max(first.n_users, second.n_users),
        max(first.n_items, second.n_items),
    )
