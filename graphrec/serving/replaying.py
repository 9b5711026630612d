"""A log fed to a server as it happened, only faster."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.serving.messages import EventIn, EventsOut


class Told(Protocol):
    """Takes events, such as a client."""

    def tell(self, events: Sequence[EventIn]) -> EventsOut:
        """Tell what happened."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a log is told.

    Attributes:
        speed: How many seconds of the log pass in one; None: as fast as the server takes them.
        most: Events told in one call.

    Raises:
        DataError: `speed` is not above 0, or `most` is below 1.
    """

    speed: float | None = None
    most: int = 200

    def __post_init__(self) -> None:
        if (self.speed is not None and not self.speed > 0) or self.most < 1:
            raise DataError(
                f"speed {self.speed} and {self.most} events a call — above 0, and at least 1"
            )


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay.

    Attributes:
        n_stored: Events that were stored now.
        n_repeated: Events that the server knew already.
        n_refused: Events that it refused.
        seconds: How long it took.
        first_refusal: Why the first one was refused; None: none was.
    """

    n_stored: int
    n_repeated: int
    n_refused: int
    seconds: float
    first_refusal: str | None


def events_of(dataset: Dataset) -> Iterator[EventIn]:
    """What users did with items, in the log's order; ids tell the log and the place."""
    log, ids = dataset.log, dataset.ids
    users, items = (ids[node].keys.to_list() for node in ("user", "item"))
    name = f"{dataset.name}-{dataset.sha256[:12]}"
    of_items = {
        index: kind.name
        for index, kind in enumerate(log.edge_types)
        if kind.source == "user" and kind.target == "item"
    }
    columns = (log.time_s, log.edge_type, log.source_row, log.target_row, log.weight)
    for n, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        time_s, kind, user, item, weight = row
        if kind in of_items:
            yield EventIn(
                event_id=f"{name}-{n}",
                event_type=of_items[kind],
                user_id=users[user],
                item_id=items[item],
                time_s=time_s,
                weight=weight,
            )


def replay(
    events: Iterator[EventIn],
    server: Told,
    pace: Pace,
    *,
    progress: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Tell a server events, each when its time has come.

    Args:
        events: In order of time.
        server: Who is told.
        pace: How fast.
        progress: Told how many were told after each call.
        clock: Seconds that pass.
        sleep: Waits, seconds.
    """
    began = clock()
    count = {"stored": 0, "repeated": 0, "refused": 0, "conflicting": 0}
    first_refusal = None
    waiting: list[EventIn] = []
    first_s: int | None = None

    def tell() -> None:
        nonlocal first_refusal
        for one in server.tell(waiting).results:
            count[one.outcome] += 1
            if one.problems and first_refusal is None:
                first_refusal = f"{one.problems[0].field}: {one.problems[0].rule}"
        if progress is not None:
            progress(len(waiting))
        waiting.clear()

    for event in events:
        time_s = event.time_s or 0
        first_s = time_s if first_s is None else first_s
        if pace.speed is not None:
            due_s = began + (time_s - first_s) / pace.speed
            if due_s > clock() and waiting:
                tell()
            if due_s > (now_s := clock()):
                sleep(due_s - now_s)
        waiting.append(event)
        if len(waiting) == pace.most:
            tell()
    if waiting:
        tell()
    return Replayed(
        count["stored"],
        count["repeated"],
        count["refused"] + count["conflicting"],
        clock() - began,
        first_refusal,
    )
