"""A large made-up log of events for the co-watch benchmarks, and what a process takes."""

from pathlib import Path

import numpy as np

from graphrec.stages import Interactions

COLUMNS = ("time_s", "user_row", "item_row")


def made_up_log(n_events: int, n_users: int, n_items: int, seed: int = 7) -> Interactions:
    """Sessions of 3.6 events on average, minutes apart, over 180 days.

    Users are active like rank^-0.5, items watched like rank^-0.9, both in random rows. With 20
    events a user this makes 2.75 pairs an event within 24 hours and 20 places.
    """
    rng = np.random.default_rng(seed)
    length = rng.geometric(1 / 3.6, n_events // 3 + 10)
    first = np.cumsum(length) - length
    length, first = length[first < n_events], first[first < n_events]
    user = _ranked(rng, n_users, len(length), exponent=0.5, shift=50)
    start_s = rng.integers(0, 180 * 86_400, len(length)) + 1_700_000_000
    later_s = np.cumsum(rng.exponential(900, n_events)).astype(np.int64)
    time_s = np.repeat(start_s - later_s[first], length)[:n_events] + later_s
    order = np.argsort(time_s, kind="stable")
    return Interactions(
        time_s[order],
        np.repeat(user, length)[:n_events][order],
        _ranked(rng, n_items, n_events, exponent=0.9, shift=20)[order],
        np.ones(n_events, np.float32),
        n_users,
        n_items,
    )


def save_log(events: Interactions, folder: Path) -> None:
    """Keep a log for `load_log`."""
    for name in COLUMNS:
        np.save(folder / f"{name}.npy", getattr(events, name))
    np.save(folder / "sizes.npy", np.array([events.n_users, events.n_items]))


def load_log(folder: Path) -> Interactions:
    """The log that `save_log` kept."""
    columns = [np.load(folder / f"{name}.npy") for name in COLUMNS]
    n_users, n_items = np.load(folder / "sizes.npy").tolist()
    return Interactions(*columns, np.ones(len(columns[0]), np.float32), n_users, n_items)


def peak_memory_gb() -> float:
    """Most memory this process has held, GB; unlike `ru_maxrss` without what its parent held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1e6
    return float("nan")


def _ranked(
    rng: np.random.Generator, n_rows: int, n_draws: int, *, exponent: float, shift: int
) -> np.ndarray:
    """Rows drawn like (rank + shift)^-exponent, ranks given to rows at random."""
    share = np.cumsum((np.arange(n_rows) + float(shift)) ** -exponent)
    rank = np.searchsorted(share, rng.random(n_draws) * share[-1])
    row = rng.permutation(n_rows).astype(np.int32)
    return row[np.minimum(rank, n_rows - 1)]
