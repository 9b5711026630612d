"""When users come: how many sessions a day has, whose they are, and when they start."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64

from graphrec.arrays import DAY_S
from graphrec.events.world.draws import Draws
from graphrec.events.world.people import People
from graphrec.events.world.settings import WorldSettings
from graphrec.kernels.world_scene import Roster, Standing

SESSIONS_A_USER = 12
_SESSIONS_A_CALL = 256
_WEEKDAYS = (0.94, 0.92, 0.93, 0.96, 1.05, 1.15, 1.05)


def day_weights(settings: WorldSettings) -> Float64[np.ndarray, " days"]:
    """How the period's events are spread over its days: growth and a weekly rhythm."""
    day = np.arange(settings.days)
    first = settings.start_s // DAY_S
    # Day 0 of UTC seconds was a Thursday.
    weekday = (first + day + 3) % 7
    grown = 1.0 + settings.growth * day / max(settings.days - 1, 1)
    return np.array(_WEEKDAYS)[weekday] * grown


class Arrivals:
    """Who comes on a day, and when."""

    def __init__(self, settings: WorldSettings, people: People, standing: Standing) -> None:
        """Watch over the users of a world; `standing` is read anew each day."""
        self._settings = settings
        self._people = people
        self._standing = standing
        self._draws = Draws(settings.seed, "arrival")

    def rate_for(self, day: int, n_sessions: float) -> float:
        """Sessions a day for each unit of activity that make about `n_sessions` in all."""
        wanted, is_new = self._wanted(day)
        most = self._settings.behaviour.max_sessions
        goal = n_sessions - int(is_new.sum())
        total = float(wanted.sum())
        if goal <= 0 or total <= 0:
            return 0.0
        rate = goal / total
        # The most active are held at `most`, so the others must make up for them.
        for _ in range(4):
            made = float(np.minimum(wanted * rate, most).sum())
            rate *= goal / made
        return rate

    def rosters(self, day: int, rate: float) -> list[Roster]:
        """The users of a day in groups of a few hundred sessions, with their starts."""
        user, count = self._count(day, rate)
        return list(self._grouped(day, user, count))

    def _wanted(self, day: int) -> tuple[Float64[np.ndarray, " users"], Bool[np.ndarray, " users"]]:
        """Relative sessions of those signed up by midnight, and who signs up on the day."""
        midnight_s = self._settings.start_s + day * DAY_S
        signup_s = self._people.signup_s
        here = (signup_s < midnight_s) & ~self._standing.left
        boost = np.exp(self._settings.behaviour.return_goodwill * self._standing.goodwill)
        is_new = (signup_s >= midnight_s) & (signup_s < midnight_s + DAY_S)
        return np.where(here, self._people.records["activity"] * boost, 0.0), is_new

    def _count(
        self, day: int, rate: float
    ) -> tuple[Int64[np.ndarray, " some"], Int64[np.ndarray, " some"]]:
        wanted, is_new = self._wanted(day)
        mean = np.minimum(wanted * rate, self._settings.behaviour.max_sessions)
        x = self._draws.uniform(len(mean), day)
        below = np.exp(-mean)
        user = np.flatnonzero((x > below) | is_new)
        mean, x, below = mean[user], x[user], below[user]
        count = np.zeros(len(user), np.int64)
        term = below.copy()
        for k in range(1, SESSIONS_A_USER + 1):
            count += x > below
            term *= mean / k
            below += term
        return user, np.where(is_new[user], np.maximum(count, 1), count)

    def _grouped(
        self,
        day: int,
        user: Int64[np.ndarray, " some"],
        count: Int64[np.ndarray, " some"],
    ) -> Iterator[Roster]:
        ptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        start_s = self._starts(day, user, count)
        bounds = np.searchsorted(ptr, np.arange(0, ptr[-1] + 1, _SESSIONS_A_CALL))
        edges = np.unique(np.append(bounds, len(user)))
        for lo, hi in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            yield Roster(
                user[lo:hi].astype(np.int32),
                ptr[lo : hi + 1] - ptr[lo],
                start_s[ptr[lo] : ptr[hi]],
                np.zeros(hi - lo, np.int64),
                np.zeros(hi - lo, np.int64),
            )

    def _starts(
        self,
        day: int,
        user: Int64[np.ndarray, " some"],
        count: Int64[np.ndarray, " some"],
    ) -> Int64[np.ndarray, " sessions"]:
        """Starts of the sessions, user by user and increasing; a newcomer's first at sign-up."""
        midnight_s = self._settings.start_s + day * DAY_S
        owner = np.repeat(user, count)
        first = np.cumsum(count) - count
        place = np.arange(len(owner)) - np.repeat(first, count)
        number = (day * SESSIONS_A_USER + place) * 2 + 2 * self._settings.days
        spread = self._draws.uniform(owner, number) + self._draws.uniform(owner, number + 1) - 1
        second = (self._people.peak_s[owner] + (spread * 6 * 3600).astype(np.int64)) % DAY_S
        signup_s = self._people.signup_s[owner]
        start_s = np.maximum(midnight_s + second, signup_s)
        start_s = np.where((place == 0) & (signup_s >= midnight_s), signup_s, start_s)
        order = np.lexsort((start_s, owner))
        sorted_s: Int64[np.ndarray, " sessions"] = start_s[order]
        return sorted_s
