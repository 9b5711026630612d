"""Check the saved arrays of a co-watch graph."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Shaped

from graphrec.errors import SnapshotError
from graphrec.graph.settings import CoWatchSettings

Arrays = Mapping[str, Shaped[np.ndarray, " _"]]

DTYPES: Mapping[str, np.dtype[np.generic]] = MappingProxyType(
    {
        "ptr": np.dtype(np.int64),
        "target_row": np.dtype(np.int32),
        "cohort": np.dtype(np.int32),
        "count": np.dtype(np.int32),
        "strength": np.dtype(np.float64),
    }
)


def check_arrays(arrays: Arrays, settings: CoWatchSettings) -> None:
    """Check that arrays are what a co-watch graph of these settings can hold.

    Args:
        arrays: Arrays by name; others than the graph's are left alone.
        settings: Settings the graph was built with.

    Raises:
        SnapshotError: An array is missing, of another type or length, or holds what no graph of
            these settings can; the message names it.
    """
    for name, dtype in DTYPES.items():
        if name not in arrays:
            raise SnapshotError(f"co-watch graph lacks the array {name!r}")
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise SnapshotError(
                f"co-watch array {name!r} is {arrays[name].dtype} with {arrays[name].ndim} axes — "
                f"must be {dtype} with 1"
            )
    n = len(arrays["target_row"])
    lengths = {
        "count": n,
        "cohort": n if settings.dated else 0,
        "strength": n if settings.real else 0,
    }
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise SnapshotError(
                f"co-watch array {name!r} has {len(arrays[name])} entries — these settings need "
                f"{length}"
            )
    _check_rows(arrays)
    _check_entries(arrays, settings)


def _check_rows(arrays: Arrays) -> None:
    ptr, n = arrays["ptr"], len(arrays["target_row"])
    if len(ptr) < 2 or ptr[0] != 0 or ptr[-1] != n:
        raise SnapshotError(f"co-watch array 'ptr' must run from 0 to {n}, for one node or more")
    if (np.diff(ptr) < 0).any():
        raise SnapshotError("co-watch array 'ptr' decreases")


def _check_entries(arrays: Arrays, settings: CoWatchSettings) -> None:
    ptr, target_row, count = arrays["ptr"], arrays["target_row"], arrays["count"]
    n, n_items = len(target_row), len(ptr) - 2
    if n and not (target_row.min() >= 0 and target_row.max() < n_items):
        raise SnapshotError(f"co-watch array 'target_row' leaves [0, {n_items})")
    if n and count.min() < 1:
        raise SnapshotError(f"co-watch array 'count' holds {count.min()} — must be > 0")
    if not (np.isfinite(arrays["strength"]) & (arrays["strength"] > 0)).all():
        raise SnapshotError("co-watch array 'strength' holds a value that is not > 0")
    key = target_row.astype(np.int64) << 32
    if settings.dated:
        key += arrays["cohort"]
    rises = np.diff(key) > 0
    starts = ptr[1:-1]
    rises[starts[(starts > 0) & (starts < n)] - 1] = True
    if not rises.all():
        raise SnapshotError("co-watch entries of a node are not ascending by target and cohort")
