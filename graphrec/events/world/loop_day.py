"""One day of the closed loop: everyone's sessions, held wherever a page is wanted."""

import numpy as np
from jaxtyping import Bool, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.events.world.policy import PageRequests, Pages
from graphrec.events.world.trace import Trace, empty_records
from graphrec.kernels.world_loop import (
    AWAY,
    SEAT,
    VISIT,
    Memory,
    hand_pages,
    live_on,
    recall,
    user_keys,
)
from graphrec.kernels.world_scene import (
    MAX_STEPS,
    ROWS_PER_SESSION,
    WATCH,
    Roster,
    Scene,
)
from graphrec.stages import Queries

N_REMEMBERED = 64


def memory_of(trace: Trace, n_users: int) -> Memory:
    """What each user has watched last, of a trace in the order it was lived."""
    memory = Memory(
        np.full((n_users, N_REMEMBERED), NO_ROW, np.int32),
        np.zeros((n_users, N_REMEMBERED), np.int64),
        np.zeros(n_users, np.int64),
    )
    is_watch = trace.acts["kind"] == WATCH
    acts, user = trace.acts[is_watch], trace.actor[is_watch]
    order = np.argsort(user, kind="stable")
    acts, user = acts[order], user[order]
    count = np.bincount(user, minlength=n_users)
    number = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    last = number >= count[user] - N_REMEMBERED
    place = number[last] % N_REMEMBERED
    memory.item[user[last], place] = acts["target"][last]
    memory.time_s[user[last], place] = acts["time_s"][last]
    memory.n_watched[:] = count
    return memory


class LoopDay:
    """The sessions of a day. `wanting` lets them live on; `hand` gives pages to those who ask."""

    def __init__(
        self,
        scene: Scene,
        key: np.uint64,
        rosters: list[Roster],
        memory: Memory,
        n_places: int,
    ) -> None:
        """Seat everyone who comes on the day; nothing happens yet.

        Args:
            scene: The platform at midnight; users' standing in it changes as they live.
            key: Key of the draws that users make on the day.
            rosters: Who comes, and when.
            memory: Everyone's last watches; it is added to.
            n_places: Places of a page.
        """
        none = np.empty(0, np.int64)
        user = np.concatenate([np.empty(0, np.int32), *(roster.user for roster in rosters)])
        counts = [np.diff(roster.session_ptr) for roster in rosters]
        first = np.concatenate([[0], np.cumsum(np.concatenate([none, *counts]))]).astype(np.int64)
        self._start_s = np.concatenate([none, *(roster.session_start_s for roster in rosters)])
        self._scene, self._memory, self._n_places = scene, memory, n_places
        self._records = empty_records(len(self._start_s), n_places)
        self.visit = np.zeros(len(self._start_s), VISIT)
        self.visit["start_s"] = self.visit["end_s"] = -1
        self.visitor: Int32[np.ndarray, " sessions"] = np.repeat(user, np.diff(first))
        seats = np.zeros(len(user), SEAT)
        keys = np.empty(len(user), np.uint64)
        user_keys(key, user, keys)
        seats["user"], seats["key"] = user, keys
        seats["session"], seats["last_session"] = first[:-1], first[1:]
        seats["n_steps"], seats["state"] = -1, AWAY
        for name in ("act", "noted_act", "told_act"):
            seats[name] = first[:-1] * ROWS_PER_SESSION
        for name in ("page", "told_page"):
            seats[name] = first[:-1] * MAX_STEPS
        self._seats, self._first = seats, first[:-1]
        self._asking = np.empty(len(user), np.int64)

    def wanting(self, until_s: int) -> Int64[np.ndarray, " asking"]:
        """Let everyone live on to the page they want next; the seats that want it before then."""
        n_asking = live_on(
            self._scene,
            self._seats,
            self._start_s,
            until_s,
            self._records,
            self._memory,
            self.visit,
            self._asking,
        )
        asking: Int64[np.ndarray, " asking"] = self._asking[:n_asking].copy()
        return asking

    def requests(
        self,
        asking: Int64[np.ndarray, " asking"],
        available: Bool[np.ndarray, " items"],
        told_s: int,
        first_session: int,
    ) -> PageRequests:
        """What the policy is asked for those seats; the day's sessions count from the given one."""
        seats = self._seats[asking]
        user = seats["user"].copy()
        known = np.minimum(self._memory.n_watched[user], N_REMEMBERED)
        ptr = np.zeros(len(user) + 1, np.int64)
        np.cumsum(known, out=ptr[1:])
        item, time_s = np.empty(ptr[-1], np.int32), np.empty(ptr[-1], np.int64)
        recall(self._memory, user, ptr, item, time_s)
        queries = Queries(
            user, seats["time_s"].copy(), ptr, item, time_s, np.ones(len(item), np.float32)
        )
        session = seats["session"] + first_session
        return PageRequests(queries, session, available, self._n_places, told_s)

    def hand(self, asking: Int64[np.ndarray, " asking"], pages: Pages) -> None:
        """Put a page before each of those seats."""
        hand_pages(self._seats, asking, pages.item_row, pages.propensity, self._records)

    def new_trace(self) -> Trace:
        """What was lived since this was asked last."""
        seats = self._seats
        moved = (seats["act"] > seats["told_act"]) | (seats["page"] > seats["told_page"])
        some = seats[moved]
        found = self._trace(some["user"], some["told_act"], some["told_page"], some)
        seats["told_act"], seats["told_page"] = seats["act"], seats["page"]
        return found

    def trace(self) -> Trace:
        """All that was lived, user by user."""
        first = self._first
        seats = self._seats
        return self._trace(seats["user"], first * ROWS_PER_SESSION, first * MAX_STEPS, seats)

    def _trace(
        self, user: np.ndarray, act: np.ndarray, page: np.ndarray, seats: np.ndarray
    ) -> Trace:
        return Trace.of_records(
            self._records,
            np.ascontiguousarray(user),
            (act, seats["act"] - act),
            (page, seats["page"] - page),
        )
