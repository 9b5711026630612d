"""What each user did in order of time, packed for the co-watch kernels."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from graphrec.errors import DataError
from graphrec.graph.threads import balanced_bounds, run_blocks
from graphrec.kernels.timelines import (
    END,
    END_S,
    count_rows,
    finish_timelines,
    place_rows,
    scatter_events,
)
from graphrec.stages import Interactions

PADDING: Final = 16
"""Places after the last event that kernels may read ahead."""


@dataclass(frozen=True, slots=True)
class Timelines:
    """Events by user, then time, then arrival.

    Attributes:
        user_ptr: User u's events are `[user_ptr[u], user_ptr[u + 1] - 1)`; one `END` follows.
        packed: `(time_s << 31) | item_row` of each event, with an `END` before the first and a few
            after the last.
        weight: Strength at each place of `packed`, unitless, > 0; empty where events are counted.
        n_items: Items that have a row.
    """

    user_ptr: Int64[np.ndarray, " users_and_end"]
    packed: Int64[np.ndarray, " places"]
    weight: Float32[np.ndarray, " _"]
    n_items: int


def check_events(events: Interactions, *, weighted: bool) -> None:
    """Check what kernels take for granted.

    Args:
        events: Events as given.
        weighted: Whether their weights count.

    Raises:
        DataError: Columns differ in length, a row lies outside its range, a time does not fit in
            33 bits, or a weight that counts is not finite and positive.
    """
    n = len(events)
    columns = [events.user_row, events.item_row, events.weight]
    if events.event_id is not None:
        columns.append(events.event_id)
    if any(len(column) != n for column in columns):
        lengths = [n, *(len(column) for column in columns)]
        raise DataError(f"event columns of lengths {lengths} — must be of one length")
    if n >= np.iinfo(np.int32).max:
        raise DataError(f"{n:,} events — one graph holds less than 2^31")
    _check_range("user row", events.user_row, 0, events.n_users)
    _check_range("item row", events.item_row, 0, events.n_items)
    _check_range("time_s", events.time_s, -END_S, END_S)
    if weighted and n and not (np.isfinite(events.weight) & (events.weight > 0)).all():
        wrong = events.weight[~(np.isfinite(events.weight) & (events.weight > 0))][0]
        raise DataError(f"event weight {wrong} — must be finite and greater than 0")


def _check_range(
    what: str, values: Int32[np.ndarray, " _"] | Int64[np.ndarray, " _"], low: int, high: int
) -> None:
    for value in (values.min(), values.max()) if len(values) else ():
        if not low <= value < high:
            raise DataError(f"{what} {value} — must be in [{low}, {high})")


def arrange_by_user(events: Interactions, *, weighted: bool, n_threads: int) -> Timelines:
    """Sort checked events by user, then time, ties in order of arrival.

    Args:
        events: Events in order of arrival; sorted by time is fastest.
        weighted: Keep the events' weights.
        n_threads: Threads to use; the result does not depend on it.
    """
    cuts = np.linspace(0, len(events), n_threads + 1).astype(np.int64)
    position = np.zeros((n_threads, events.n_users), np.int32)
    run_blocks(
        lambda block: count_rows(events.user_row[cuts[block] : cuts[block + 1]], position[block]),
        n_threads,
        n_threads,
    )
    user_ptr = np.empty(events.n_users + 1, np.int64)
    place_rows(position, user_ptr)
    n_places = int(user_ptr[-1])
    packed = np.empty(n_places + PADDING, np.int64)
    packed[0] = packed[n_places:] = END
    weight = np.empty(len(packed) if weighted else 0, np.float32)

    def scatter(block: int) -> None:
        part = slice(cuts[block], cuts[block + 1])
        scatter_events(
            events.time_s[part],
            events.user_row[part],
            events.item_row[part],
            events.weight[part],
            position[block],
            packed,
            weight,
        )

    run_blocks(scatter, n_threads, n_threads)
    bounds = balanced_bounds(user_ptr, n_threads)
    run_blocks(
        lambda block: finish_timelines(packed, weight, user_ptr, bounds[block], bounds[block + 1]),
        n_threads,
        n_threads,
    )
    return Timelines(user_ptr, packed, weight, events.n_items)
