"""The records that kernels of the simulated world read and write."""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.world_response import Response

MAX_STEPS: Final = 14
MAX_WATCHES: Final = 40
ROWS_PER_SESSION: Final = MAX_STEPS + MAX_WATCHES
N_NEAR: Final = 5
WATCH: Final = 0
SEARCH: Final = 1
SATISFIED: Final = 1
LIKED: Final = 2
REPORTED: Final = 4
FROM_PAGE: Final = 0
FROM_SEARCH: Final = 1
FROM_AUTOPLAY: Final = 2
FROM_REWATCH: Final = 3
FROM_FOLLOW: Final = 4

POLICY: Final = np.dtype([(name, "f8") for name in ("popular", "near", "next", "fresh", "explore")])
"""Shares of the sources that a shown place is drawn from."""

ACT: Final = np.dtype(
    [
        ("time_s", "i8"),
        ("target", "i4"),
        ("watched_s", "i4"),
        ("kind", "i1"),
        ("place", "i1"),
        ("answer", "i1"),
        ("rating", "i1"),
    ],
    align=True,
)
"""A watch (of item `target`, from `place`) or a search (for keyword `target`)."""

PAGE: Final = np.dtype(
    [("time_s", "i8"), ("end_s", "i8"), ("n_shown", "i4"), ("clicked", "i4")], align=True
)
"""A page shown; bit p of `clicked` is set where place p was watched."""


class Links(NamedTuple):
    """Rows by owner: those of owner `o` are `x[ptr[o]:ptr[o + 1]]`, in increasing order."""

    niche_ptr: NDArray[np.int64]
    niche_item: NDArray[np.int32]
    niche_keyword_ptr: NDArray[np.int64]
    niche_keyword: NDArray[np.int32]
    keyword_ptr: NDArray[np.int64]
    keyword_item: NDArray[np.int32]
    publisher_ptr: NDArray[np.int64]
    publisher_item: NDArray[np.int32]


class Stock(NamedTuple):
    """The catalogue as the platform knows it at midnight.

    `score` is the popularity of each item, 0 where unpublished; `cumulative` its running sum in the
    order of `Links.niche_item`, with a leading 0; `[fresh_from, n_published)` are the new items.
    """

    n_published: int
    fresh_from: int
    score: NDArray[np.float64]
    cumulative: NDArray[np.float64]


class Standing(NamedTuple):
    """Where users stand: last distinct items (newest first, -1 padded), goodwill, gone, busy."""

    recent: NDArray[np.int32]
    goodwill: NDArray[np.float64]
    left: NDArray[np.bool_]
    busy_until_s: NDArray[np.int64]


class Scene(NamedTuple):
    """All that a session reads, and `standing`, which it changes."""

    response: Response
    policy: NDArray[np.void]
    links: Links
    stock: Stock
    standing: Standing


class Roster(NamedTuple):
    """Who lives a day; user n's sessions start at `session_start_s[ptr[n]:ptr[n + 1]]`.

    `n_rows` and `n_pages` are written: what each user left in the diary and the pages.
    """

    user: NDArray[np.int32]
    session_ptr: NDArray[np.int64]
    session_start_s: NDArray[np.int64]
    n_rows: NDArray[np.int64]
    n_pages: NDArray[np.int64]


class Records(NamedTuple):
    """What a day leaves behind: acts, pages, and the items and chances by page and place."""

    acts: NDArray[np.void]
    pages: NDArray[np.void]
    shown: NDArray[np.int32]
    chance: NDArray[np.float32]


class Desk(NamedTuple):
    """Where one user's day is worked out.

    `dice` is a random key and how often it was rolled; `near` and `upcoming` the niches of the
    user's last items and the episodes that follow them, `sizes` how many of each; `cursor` the next
    free act and the next free page of `records`.
    """

    dice: NDArray[np.uint64]
    near: NDArray[np.int64]
    upcoming: NDArray[np.int64]
    sizes: NDArray[np.int64]
    cursor: NDArray[np.int64]
    records: Records


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def has_seen(recent: NDArray[np.int32], u: int, i: int) -> bool:
    """Whether the item is among the user's last distinct items."""
    for n in range(recent.shape[1]):
        if recent[u, n] == i:
            return True
        if recent[u, n] < 0:
            return False
    return False


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def remember(recent: NDArray[np.int32], u: int, i: int) -> None:
    """Move the item to the front of the user's last distinct items."""
    place = recent.shape[1] - 1
    for n in range(recent.shape[1]):
        if recent[u, n] == i or recent[u, n] < 0:
            place = n
            break
    for n in range(place, 0, -1):
        recent[u, n] = recent[u, n - 1]
    recent[u, 0] = i
