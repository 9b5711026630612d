"""The world lived day by day: users come, are shown pages, watch, and make items popular."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float64, Int32

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.events.world.draws import Draws
from graphrec.events.world.parts import WorldParts
from graphrec.events.world.popularity import Popularity, link_rows
from graphrec.events.world.sessions import Arrivals, day_weights
from graphrec.events.world.settings import WorldSettings
from graphrec.events.world.trace import Trace, empty_records
from graphrec.kernels.world import live_day
from graphrec.kernels.world_scene import (
    LIKED,
    MAX_STEPS,
    POLICY,
    REPORTED,
    ROWS_PER_SESSION,
    WATCH,
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


class Platform:
    """A platform and its users between two days; they change from one midnight to the next."""

    def __init__(self, parts: WorldParts) -> None:
        """Open on the first midnight: nobody has watched anything."""
        self.parts = parts
        self.standing = _fresh_standing(len(parts.people.signup_s))
        self.arrivals = Arrivals(parts.settings, parts.people, self.standing)
        self._links = link_rows(parts.catalogue)
        self._popularity = Popularity(parts.catalogue, self._links, parts.settings.policy)
        self._policy = np.zeros(1, POLICY)
        for name in POLICY.names or ():
            self._policy[name] = getattr(parts.settings.policy, name)
        self._draws = Draws(parts.settings.seed, "session")

    def scene(self, day: int) -> Scene:
        """All that the sessions of a day read, as of its midnight."""
        stock = self._popularity.stock(self.parts.settings.start_s + day * DAY_S)
        return Scene(self.parts.response, self._policy, self._links, stock, self.standing)

    def key_of(self, day: int) -> np.uint64:
        """Key of the draws that users make on a day."""
        return self._draws.key_of(day)

    def close_day(self, watched: Int32[np.ndarray, " watches"]) -> None:
        """Let the day pass: count its watches, and let goodwill fade."""
        self._popularity.absorb(watched)
        kept = self.parts.settings.behaviour.goodwill_keep
        np.multiply(self.standing.goodwill, kept, out=self.standing.goodwill)

    def copy(self) -> "Platform":
        """The same platform, to live on by itself."""
        other = Platform(self.parts)
        for name in self.standing._fields:
            np.copyto(getattr(other.standing, name), getattr(self.standing, name))
        other._popularity.follow(self._popularity)
        return other


@dataclass(frozen=True, slots=True)
class Life:
    """A lived period.

    Attributes:
        trace: What users did and were shown.
        platform: The platform and its users at its end.
        day_rate: Sessions a day for each unit of activity, by day.
    """

    trace: Trace
    platform: Platform
    day_rate: Float64[np.ndarray, " days"]


def live(parts: WorldParts, *, threads: int, days: int | None = None) -> Life:
    """Live the whole period so that it makes a little more than the events wanted.

    Args:
        parts: The world on its first midnight.
        threads: Threads to use; the outcome does not depend on it.
        days: Stop after so many days, which are lived as the whole period lives them.
    """
    settings = parts.settings
    platform = Platform(parts)
    quota = _Quota(settings, parts.n_events)
    n_places = settings.policy.slate_size
    rates = np.empty(settings.days if days is None else days)
    lived: list[Trace] = []
    with ThreadPoolExecutor(threads) as pool:
        for day in range(len(rates)):
            scene = platform.scene(day)
            rates[day] = platform.arrivals.rate_for(day, quota.sessions_for(day))
            rosters = platform.arrivals.rosters(day, rates[day])
            some = pool.map(partial(_live_some, scene, platform.key_of(day), n_places), rosters)
            today = Trace.join([Trace.nothing(n_places), *some])
            quota.count(today, sum(len(roster.session_start_s) for roster in rosters))
            platform.close_day(today.acts["target"][today.acts["kind"] == WATCH])
            lived.append(today)
    return Life(Trace.join(lived), platform, rates)


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
    records = empty_records(len(roster.session_start_s), n_places)
    live_day(scene, key, roster, records)
    return Trace.of_records(
        records,
        roster.user,
        (roster.session_ptr[:-1] * ROWS_PER_SESSION, roster.n_rows),
        (roster.session_ptr[:-1] * MAX_STEPS, roster.n_pages),
    )
