"""Sessions that stop wherever a page is wanted, so that any policy may answer.

The same steps as `graphrec.kernels.world`, held in a record between two of them. A user's draws are
a hash of (seed, user, day, counter), and a page takes none of them.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer
from graphrec.kernels.world import do_next, goes_on, look_through, part
from graphrec.kernels.world_page import fill_page, look_around
from graphrec.kernels.world_response import GOLDEN
from graphrec.kernels.world_scene import (
    MAX_STEPS,
    N_NEAR,
    ROWS_PER_SESSION,
    WATCH,
    Desk,
    Records,
    Scene,
)

AWAY: Final = 0
WAITING: Final = 1
ANSWERED: Final = 2
DONE: Final = 3

SOUND: Final = 0
UNKNOWN: Final = 1
NOT_OUT: Final = 2
REPEATED: Final = 3
CHANCE: Final = 4
BEHIND_A_GAP: Final = 5

SEAT: Final = np.dtype(
    [
        ("key", "u8"),
        ("rolls", "u8"),
        ("session", "i8"),
        ("last_session", "i8"),
        ("time_s", "i8"),
        ("act", "i8"),
        ("page", "i8"),
        ("noted_act", "i8"),
        ("told_act", "i8"),
        ("told_page", "i8"),
        ("room", "i8"),
        ("user", "i4"),
        ("n_steps", "i4"),
        ("outcome", "i1"),
        ("state", "i1"),
    ],
    align=True,
)
"""One user's day, held between two steps.

`[session, last_session)` are still to live, the first of them perhaps begun; `act` and `page` are
the next free rows of the day's records, acts before `noted_act` are in the user's memory, those
before `told_act` and pages before `told_page` have been handed on; `room` is where the session's
acts must end.
"""

VISIT: Final = np.dtype([("start_s", "i8"), ("end_s", "i8")], align=True)
"""A session lived; -1 twice where it was not, because the user had left."""


class Memory(NamedTuple):
    """Each user's last watches in rings: watch n of a user stands at `n % item.shape[1]`."""

    item: NDArray[np.int32]
    time_s: NDArray[np.int64]
    n_watched: NDArray[np.int64]


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def note(memory: Memory, desk: Desk, u: int, first: int) -> None:
    """Put the watches among the acts from `first` to the cursor into the user's memory."""
    size = memory.item.shape[1]
    for n in range(first, desk.cursor[0]):
        act = desk.records.acts[n]
        if act.kind == WATCH:
            place = memory.n_watched[u] % size
            memory.item[u, place] = act.target
            memory.time_s[u, place] = act.time_s
            memory.n_watched[u] += 1


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def end_session(
    scene: Scene, desk: Desk, seats: NDArray[np.void], n: int, t: int, visits: NDArray[np.void]
) -> None:
    """End the session begun; the next one starts ten minutes later or more."""
    seat = seats[n]
    u = np.int64(seat.user)
    part(scene, desk, u)
    visits[seat.session].end_s = t
    scene.standing.busy_until_s[u] = t + 600
    seat.session += 1
    seat.n_steps = -1


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def live_seat(
    scene: Scene,
    desk: Desk,
    seats: NDArray[np.void],
    n: int,
    start_s: NDArray[np.int64],
    until_s: int,
    visits: NDArray[np.void],
) -> None:
    """Live on until a page is wanted, the day is over, or the next session starts too late."""
    seat = seats[n]
    u = np.int64(seat.user)
    t = np.int64(seat.time_s)
    outcome = np.int64(seat.outcome)
    if seat.state == ANSWERED:
        t, outcome = look_through(scene, desk, u, t)
        if not goes_on(scene, desk, outcome):
            end_session(scene, desk, seats, n, t, visits)
    while True:
        if seat.n_steps < 0:
            if seat.session == seat.last_session or scene.standing.left[u]:
                seat.state = DONE
                break
            begins = max(start_s[seat.session], scene.standing.busy_until_s[u])
            t = begins
            if begins >= until_s:
                seat.state = AWAY
                break
            # A session starts as if the last watch had pleased: series are taken up again.
            outcome = np.int64(1)
            seat.n_steps = 0
            seat.room = desk.cursor[0] + ROWS_PER_SESSION
            visits[seat.session].start_s = t
        if seat.n_steps == MAX_STEPS or (
            seat.room - desk.cursor[0] < desk.records.shown.shape[1] + 2
        ):
            end_session(scene, desk, seats, n, t, visits)
            continue
        seat.n_steps += 1
        t, outcome, wants_page = do_next(scene, desk, u, t, outcome)
        if wants_page:
            seat.state = WAITING
            break
        if not goes_on(scene, desk, outcome):
            end_session(scene, desk, seats, n, t, visits)
    seat.time_s = t
    seat.outcome = outcome


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def new_desk(records: Records) -> Desk:
    """A place to work out days; what it holds belongs to whoever sits at it."""
    return Desk(
        np.zeros(2, np.uint64),
        np.zeros(N_NEAR, np.int64),
        np.zeros(N_NEAR, np.int64),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
        records,
    )


@njit(cache=True, nogil=True)
def live_on(
    scene: Scene,
    seats: NDArray[np.void],
    start_s: NDArray[np.int64],
    until_s: int,
    records: Records,
    memory: Memory,
    visits: NDArray[np.void],
    asking: NDArray[np.int64],
) -> int:
    """Let every seat live on to its next page; write into `asking` who wants one before `until_s`.

    Returns how many do.
    """
    desk = new_desk(records)
    n_asking = 0
    for n in range(len(seats)):
        seat = seats[n]
        # Most seats of a round are between two sessions.
        if seat.state == ANSWERED or (seat.state == AWAY and seat.time_s < until_s):
            desk.dice[0] = seat.key
            desk.dice[1] = seat.rolls
            desk.cursor[0] = seat.act
            desk.cursor[1] = seat.page
            live_seat(scene, desk, seats, n, start_s, until_s, visits)
            note(memory, desk, np.int64(seat.user), np.int64(seat.noted_act))
            seat.rolls = desk.dice[1]
            seat.act = desk.cursor[0]
            seat.noted_act = desk.cursor[0]
            seat.page = desk.cursor[1]
        if seat.state == WAITING and seat.time_s < until_s:
            asking[n_asking] = n
            n_asking += 1
    return n_asking


@njit(cache=True, nogil=True)
def user_keys(key: int, user: NDArray[np.int32], out: NDArray[np.uint64]) -> None:
    """Write the key of each user's draws on the day of `key`."""
    for n in range(len(user)):
        out[n] = mix_integer(np.uint64(key) + np.uint64(user[n]) * GOLDEN)


@njit(cache=True, nogil=True)
def find_fault(
    item: NDArray[np.int32],
    chance: NDArray[np.float32],
    time_s: NDArray[np.int64],
    published_s: NDArray[np.int64],
) -> tuple[int, int, int]:
    """The first fault of the pages, with its page and place; `SOUND` if there is none."""
    for n in range(item.shape[0]):
        for place in range(item.shape[1]):
            i = item[n, place]
            if i == -1:
                continue
            if i < 0 or i >= len(published_s):
                return UNKNOWN, n, place
            if published_s[i] > time_s[n]:
                return NOT_OUT, n, place
            if not (chance[n, place] > 0.0 and chance[n, place] <= 1.0):
                return CHANCE, n, place
            if place > 0 and item[n, place - 1] == -1:
                return BEHIND_A_GAP, n, place
            for above in range(place):
                if item[n, above] == i:
                    return REPEATED, n, place
    return SOUND, 0, 0


@njit(cache=True, nogil=True)
def hand_pages(
    seats: NDArray[np.void],
    asking: NDArray[np.int64],
    item: NDArray[np.int32],
    chance: NDArray[np.float32],
    records: Records,
) -> None:
    """Put a page before each asking seat: a row of `item` up to its first -1."""
    for n in range(len(asking)):
        seat = seats[asking[n]]
        number = seat.page
        n_shown = 0
        for place in range(item.shape[1]):
            if item[n, place] < 0:
                break
            n_shown += 1
        for place in range(item.shape[1]):
            records.shown[number, place] = item[n, place] if place < n_shown else -1
            records.chance[number, place] = chance[n, place] if place < n_shown else 0.0
        records.pages[number].n_shown = n_shown
        seat.state = ANSWERED


@njit(cache=True, nogil=True)
def recall(
    memory: Memory,
    user: NDArray[np.int32],
    ptr: NDArray[np.int64],
    item: NDArray[np.int32],
    time_s: NDArray[np.int64],
) -> None:
    """Write the last `ptr[n + 1] - ptr[n]` watches of each user, newest first."""
    size = memory.item.shape[1]
    for n in range(len(user)):
        u = np.int64(user[n])
        for back in range(ptr[n + 1] - ptr[n]):
            place = (memory.n_watched[u] - 1 - back) % size
            item[ptr[n] + back] = memory.item[u, place]
            time_s[ptr[n] + back] = memory.time_s[u, place]


@njit(cache=True, nogil=True)
def draw_pages(
    scene: Scene, key: int, user: NDArray[np.int32], time_s: NDArray[np.int64], records: Records
) -> None:
    """Draw a page of the platform's own mixture for each user, by a hash of (key, user, time)."""
    desk = new_desk(records)
    for n in range(len(user)):
        u = np.int64(user[n])
        mixed = mix_integer(np.uint64(key) + np.uint64(u) * GOLDEN)
        desk.dice[0] = mix_integer(mixed + np.uint64(time_s[n]))
        desk.dice[1] = np.uint64(0)
        look_around(scene, desk, u)
        for place in range(fill_page(scene, desk, n), records.shown.shape[1]):
            records.shown[n, place] = -1
            records.chance[n, place] = 0.0
