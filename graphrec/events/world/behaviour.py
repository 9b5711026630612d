"""The world lived day by day: users come, are shown pages, watch, and make items popular."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, Shaped

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.world.catalogue import Catalogue
from graphrec.events.world.draws import Draws
from graphrec.events.world.people import People
from graphrec.events.world.popularity import Popularity, link_rows
from graphrec.events.world.sessions import Arrivals, day_weights
from graphrec.events.world.settings import WorldSettings
from graphrec.kernels.world import live_day
from graphrec.kernels.world_response import Response
from graphrec.kernels.world_scene import (
    ACT,
    LIKED,
    MAX_STEPS,
    PAGE,
    POLICY,
    REPORTED,
    ROWS_PER_SESSION,
    WATCH,
    Records,
    Roster,
    Scene,
    Standing,
)

N_RECENT = 64
_FIRST_GUESS = 5.0
_FIRST_WEIGHT = 20.0
_MEMORY = 0.9
_SPREAD = 10.0
"""Variance of a day's events over their mean: they come in sessions."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was done and shown, in the order it was lived: day by day, user by user.

    Attributes:
        actor: User of each act.
        acts: Records of `ACT`.
        viewer: User of each page.
        pages: Records of `PAGE`.
        shown: Items by place; past a page's `n_shown` undefined.
        chance: Probability of each item at its place, given those above it.
    """

    actor: Int32[np.ndarray, " acts"]
    acts: Shaped[np.ndarray, " acts"]
    viewer: Int32[np.ndarray, " pages"]
    pages: Shaped[np.ndarray, " pages"]
    shown: Int32[np.ndarray, "pages places"]
    chance: Float32[np.ndarray, "pages places"]

    def skipped(self) -> Bool[np.ndarray, "pages places"]:
        """Places passed over: not watched, and above one that was."""
        at_place = self.pages["clicked"][:, None] >> np.arange(self.shown.shape[1])
        above: Bool[np.ndarray, "pages places"] = (at_place > 1) & (at_place & 1 == 0)
        return above

    @classmethod
    def nothing(cls, n_places: int) -> "Trace":
        """A time without users."""
        return cls(
            np.empty(0, np.int32),
            np.empty(0, ACT),
            np.empty(0, np.int32),
            np.empty(0, PAGE),
            np.empty((0, n_places), np.int32),
            np.empty((0, n_places), np.float32),
        )

    @classmethod
    def join(cls, traces: list["Trace"]) -> "Trace":
        """One after the other; at least one."""
        return cls(
            *(np.concatenate([getattr(trace, name) for trace in traces]) for name in cls.__slots__)
        )


@dataclass(frozen=True, slots=True)
class Life:
    """A lived period.

    Attributes:
        trace: What users did and were shown.
        standing: Where users stand at its end.
        day_rate: Sessions a day for each unit of activity, by day.
    """

    trace: Trace
    standing: Standing
    day_rate: Float64[np.ndarray, " days"]


def live(
    settings: WorldSettings,
    catalogue: Catalogue,
    people: People,
    response: Response,
    n_events: int,
    *,
    threads: int,
) -> Life:
    """Live the whole period so that it makes a little more than `n_events` events.

    Args:
        settings: The world.
        catalogue: What there is to watch.
        people: Who watches.
        response: How they answer.
        n_events: Events wanted of users: watches, searches, likes, ratings, reports, skips.
        threads: Threads to use; the outcome does not depend on it.
    """
    standing = _fresh_standing(len(people.signup_s))
    links = link_rows(catalogue)
    popularity = Popularity(catalogue, links, settings.policy)
    arrivals = Arrivals(settings, people, standing)
    policy = np.zeros(1, POLICY)
    for name in POLICY.names or ():
        policy[name] = getattr(settings.policy, name)
    draws = Draws(settings.seed, "session")
    quota = _Quota(settings, n_events)
    n_places = settings.policy.slate_size
    rates = np.empty(settings.days)
    lived: list[Trace] = []
    with ThreadPoolExecutor(threads) as pool:
        for day in range(settings.days):
            stock = popularity.stock(settings.start_s + day * DAY_S)
            scene = Scene(response, policy, links, stock, standing)
            rates[day] = arrivals.rate_for(day, quota.sessions_for(day))
            rosters = arrivals.rosters(day, rates[day])
            key = draws.key_of(day)
            some = pool.map(partial(_live_some, scene, key, n_places), rosters)
            today = Trace.join([Trace.nothing(n_places), *some])
            quota.count(today, sum(len(roster.session_start_s) for roster in rosters))
            popularity.absorb(today.acts["target"][today.acts["kind"] == WATCH])
            np.multiply(standing.goodwill, settings.behaviour.goodwill_keep, out=standing.goodwill)
            lived.append(today)
    return Life(Trace.join(lived), standing, rates)


class _Quota:
    """Keeps the number of events on its way to the number wanted."""

    def __init__(self, settings: WorldSettings, n_events: int) -> None:
        self._weight = day_weights(settings)
        self._skips = settings.skip_events
        # The log is cut at its last event: a little more than wanted, so that few end short of it.
        a_day = n_events / settings.days
        self._left = n_events + 4.0 * np.sqrt(_SPREAD * a_day) + 0.05 * a_day
        self._sessions = _FIRST_WEIGHT
        self._events = _FIRST_WEIGHT * _FIRST_GUESS

    def sessions_for(self, day: int) -> float:
        """Sessions to let happen on a day."""
        wanted = max(self._left, 0.0) * self._weight[day] / self._weight[day:].sum()
        return float(wanted * self._sessions / self._events)

    def count(self, lived: Trace, n_sessions: int) -> None:
        """Note what a day made."""
        watches = lived.acts[lived.acts["kind"] == WATCH]
        said = [watches["answer"] & LIKED, watches["answer"] & REPORTED, watches["rating"]]
        said += [lived.skipped()] if self._skips else []
        events = len(lived.acts) + sum(int(np.count_nonzero(column)) for column in said)
        self._left -= events
        self._events = _MEMORY * self._events + events
        self._sessions = _MEMORY * self._sessions + n_sessions


def _fresh_standing(n_users: int) -> Standing:
    return Standing(
        np.full((n_users, N_RECENT), NO_ROW, np.int32),
        np.zeros(n_users),
        np.zeros(n_users, np.bool_),
        np.zeros(n_users, np.int64),
    )


def _live_some(scene: Scene, key: np.uint64, n_places: int, roster: Roster) -> Trace:
    """Live one day of some users, and take what they left off the kernel's wide records."""
    n_pages = len(roster.session_start_s) * MAX_STEPS
    records = Records(
        np.empty(len(roster.session_start_s) * ROWS_PER_SESSION, ACT),
        np.empty(n_pages, PAGE),
        np.empty((n_pages, n_places), np.int32),
        np.empty((n_pages, n_places), np.float32),
    )
    live_day(scene, key, roster, records)
    acts = _written(roster.session_ptr[:-1] * ROWS_PER_SESSION, roster.n_rows)
    pages = _written(roster.session_ptr[:-1] * MAX_STEPS, roster.n_pages)
    return Trace(
        np.repeat(roster.user, roster.n_rows),
        records.acts[acts],
        np.repeat(roster.user, roster.n_pages),
        records.pages[pages],
        records.shown[pages],
        records.chance[pages],
    )


def _written(
    start: Int64[np.ndarray, " some"], count: Int64[np.ndarray, " some"]
) -> Int64[np.ndarray, " written"]:
    """The positions `start[n]`, `start[n] + 1` and on, `count[n]` of them, for each n."""
    before = np.cumsum(count) - count
    written: Int64[np.ndarray, " written"]
    written = np.arange(count.sum()) + np.repeat(start - before, count)
    return written
