"""Cut a log: by time, by each user's last items, or into the blocks of a stream."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Int64

from graphrec.errors import DataError, SettingsError
from graphrec.events.log import EventLog
from graphrec.stages import Interactions

StreamMode = Literal["strict", "batch"]

# One kind in, the same kind out.
EventsT = TypeVar("EventsT", EventLog, Interactions)


@dataclass(frozen=True, slots=True)
class TimeSplit(Generic[EventsT]):
    """A log cut at two times.

    Attributes:
        train: Events strictly before `validation_cut_s`.
        validation: Events from then on, strictly before `test_cut_s`.
        test: Events from then on.
        validation_cut_s: First cut, UTC seconds.
        test_cut_s: Second cut, UTC seconds, not before the first.
    """

    train: EventsT
    validation: EventsT
    test: EventsT
    validation_cut_s: int
    test_cut_s: int


@dataclass(frozen=True, slots=True)
class LastOut:
    """Each user's last event for the test, the one before it for validation.

    Attributes:
        train: Every other event, sorted by time.
        validation: At most one event a user, sorted by time.
        test: At most one event a user, sorted by time.
        validation_at: Positions of the validation events in the log that was split; a user's
            history is what stands before.
        test_at: Positions of the test events.
    """

    train: Interactions
    validation: Interactions
    test: Interactions
    validation_at: Int64[np.ndarray, " held"]
    test_at: Int64[np.ndarray, " held_too"]


def quantile_cuts(
    time_s: Int64[np.ndarray, " events"], fractions: Sequence[float] = (0.70, 0.15, 0.15)
) -> tuple[int, int]:
    """The two cuts that leave these shares of the events before, between and after them.

    Args:
        time_s: Times of the events, UTC seconds.
        fractions: Shares of training, validation and test, each > 0, together 1.

    Returns:
        Cuts `c` such that `time < c` holds for exactly the events at or before the quantile `q`:
        times are whole seconds, so that `c = floor(q) + 1`. Events of one second stay together.

    Raises:
        SettingsError: The fractions are not three shares of a whole.
        DataError: There are no events.

    Source:
        TGB's split, `time <= numpy.quantile(time, .70)` for training and so on.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0):
        raise SettingsError(f"split fractions {tuple(fractions)} — three shares > 0, together 1")
    if not len(time_s):
        raise DataError("a split by time of 0 events — needs at least one")
    shares = [fractions[0], 1.0 - fractions[2]]
    first, second = np.quantile(time_s, shares)
    return math.floor(first) + 1, math.floor(second) + 1


def time_split(
    events: EventsT,
    fractions: Sequence[float] = (0.70, 0.15, 0.15),
    cuts: tuple[int, int] | None = None,
) -> TimeSplit[EventsT]:
    """Cut events into training, validation and test at two times.

    Args:
        events: A log or interactions, sorted by time.
        fractions: Shares of the three parts; see `quantile_cuts`. Not looked at where there are
            `cuts`.
        cuts: The two times, UTC seconds.

    Raises:
        SettingsError: The cuts stand in the wrong order, or the fractions are no shares.
        DataError: There are no events to find quantiles of.
    """
    before, after = quantile_cuts(events.time_s, fractions) if cuts is None else cuts
    if after < before:
        raise SettingsError(f"test cut {after} — not before the validation cut {before}")
    first, second = np.searchsorted(events.time_s, [before, after], side="left").tolist()
    return TimeSplit(
        events.take(slice(0, first)),
        events.take(slice(first, second)),
        events.take(slice(second, None)),
        before,
        after,
    )


def last_out(events: Interactions, *, min_events: int = 3) -> LastOut:
    """Hold out each user's last event for the test and the one before it for validation.

    Args:
        events: Sorted by time; of a user's events of one second the later in the log is the last.
        min_events: Users with fewer events, at least 2, stay in training whole.

    Raises:
        SettingsError: `min_events` is below 2.
    """
    if min_events < 2:
        raise SettingsError(
            f"min_events {min_events} — at least 2: one to learn from, one held out"
        )
    order = np.argsort(events.user_row, kind="stable")
    counts = np.bincount(events.user_row, minlength=events.n_users)
    ends = np.cumsum(counts)[counts >= min_events]
    test_at = np.sort(order[ends - 1]).astype(np.int64)
    two_held = np.cumsum(counts)[counts >= max(min_events, 3)]
    validation_at = np.sort(order[two_held - 2]).astype(np.int64)
    kept = np.ones(len(events), dtype=bool)
    kept[test_at] = kept[validation_at] = False
    return LastOut(
        events.take(kept),
        events.take(validation_at),
        events.take(test_at),
        validation_at,
        test_at,
    )


def stream_blocks(
    events: EventLog | Interactions,
    start: int,
    mode: StreamMode = "strict",
    batch_size: int = 200,
    stop: int | None = None,
) -> Iterator[slice]:
    """The blocks in which a stream is predicted and then absorbed.

    Args:
        events: The whole log, sorted by time.
        start: Position of the first event to predict.
        mode: `strict`: a block is all events of one second, so that only earlier seconds are known
            when it is predicted. `batch`: `batch_size` consecutive events, counted from `start` —
            TGB counts afresh in each split — so that ties and close events are not yet known.
        batch_size: Events of a block in `batch` mode, at least 1.
        stop: Position behind the last event; by default the log's end.

    Yields:
        Slices of positions that cover `[start, stop)` once, in order.

    Raises:
        SettingsError: `batch_size` is below 1.
        DataError: `start` or `stop` lie outside the log.
    """
    time_s = events.time_s
    end = len(time_s) if stop is None else stop
    if batch_size < 1:
        raise SettingsError(f"batch size {batch_size} — at least 1")
    if not 0 <= start <= end <= len(time_s):
        raise DataError(f"stream from {start} to {end} — within the log's {len(time_s)} events")
    if mode == "batch":
        edges = [*range(start, end, batch_size), end]
    else:
        changes = np.flatnonzero(np.diff(time_s[start:end])) + start + 1
        edges = [start, *changes.tolist(), end]
    for low, high in itertools.pairwise(edges):
        if low < high:
            yield slice(low, high)
