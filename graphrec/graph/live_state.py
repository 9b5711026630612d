"""Check the saved state of a live co-watch graph."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

from graphrec.errors import DataError, SnapshotError
from graphrec.graph.timelines import check_events
from graphrec.stages import Interactions

_DTYPES = {
    "user_ptr": np.dtype(np.int64),
    "time_s": np.dtype(np.int64),
    "item_row": np.dtype(np.int32),
    "weight": np.dtype(np.float32),
    "event_id": np.dtype(np.uint64),
    "n_items": np.dtype(np.int64),
}


def events_of_arrays(
    arrays: Mapping[str, Shaped[np.ndarray, " _"]], *, weighted: bool
) -> Interactions:
    """The events of a saved live graph, by user, without ids.

    Args:
        arrays: Arrays by name.
        weighted: Whether weights must be among them.

    Raises:
        SnapshotError: An array is missing, of another type or length, or holds what no live graph
            can.
    """
    for name, dtype in _DTYPES.items():
        if name not in arrays:
            raise SnapshotError(f"live co-watch graph lacks the array {name!r}")
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise SnapshotError(
                f"live co-watch array {name!r} is {arrays[name].dtype} with "
                f"{arrays[name].ndim} axes — must be {dtype} with 1"
            )
    time_s, user_ptr = arrays["time_s"], arrays["user_ptr"]
    n = len(time_s)
    lengths = {"item_row": n, "weight": n if weighted else 0, "n_items": 1}
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise SnapshotError(
                f"live co-watch array {name!r} has {len(arrays[name])} entries — must have {length}"
            )
    if not len(user_ptr) or user_ptr[0] != 0 or user_ptr[-1] != n or (np.diff(user_ptr) < 0).any():
        raise SnapshotError(f"live co-watch array 'user_ptr' must rise from 0 to {n}")
    sorted_in_time = np.diff(time_s) >= 0
    user_starts = user_ptr[1:-1]
    sorted_in_time[user_starts[(user_starts > 0) & (user_starts < n)] - 1] = True
    if not sorted_in_time.all():
        raise SnapshotError("live co-watch array 'time_s' is not sorted within a user")
    n_users = len(user_ptr) - 1
    events = Interactions(
        time_s,
        np.repeat(np.arange(n_users, dtype=np.int32), np.diff(user_ptr)),
        arrays["item_row"],
        arrays["weight"] if weighted else np.ones(n, np.float32),
        n_users,
        int(arrays["n_items"][0]),
    )
    try:
        check_events(events, weighted=weighted)
    except DataError as error:
        raise SnapshotError(f"live co-watch graph is damaged — {error}") from error
    return events
