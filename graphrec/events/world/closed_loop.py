"""A simulated world lived under any policy, day by day.

Up to a first midnight the platform's own mixture fills the pages; from then on a policy does. What
users do next follows from what they are shown: how much they watch, how they like it, when they
come again, whether they leave, and what becomes popular.

**Time.** A day is cut into spans of `span_minutes`. In a span every session lives on to the first
page it wants before the span ends; those pages are one batch. They are looked through, the
sessions live on, and the next batch holds whoever wants another page before the span ends, until
nobody does. The last span of a day lasts until all of its sessions have ended, past midnight if
need be. So batches are in order of time up to the length of a span.

**What a policy knows.** Before the first batch of a span that starts at `a` it is told all that was
over before `a`: a watch when it ended, an answer or a search when it was made, a page when the user
was through, an item when it was published. No page of the span is asked for before `a`. Beside
this each request carries its user's own watches up to that second. Nothing else is handed over, so
a policy never sees an event that came after a page it is asked for.

**Chance.** What a user draws is a hash of (seed, user, day, counter), when they come of (seed,
user, day), and pages draw nothing from either: two policies meet the same users with the same
luck until what they show makes a difference, so their outcomes can be compared user by user.
"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, Shaped
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.errors import DataError, LeakageError, SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.behaviour import Life, live
from graphrec.events.world.generate import truth_of
from graphrec.events.world.loop_day import LoopDay, memory_of
from graphrec.events.world.mixture import MixturePolicy
from graphrec.events.world.news import News
from graphrec.events.world.parts import make_parts
from graphrec.events.world.policy import PageRequests, Pages, Policy
from graphrec.events.world.settings import WorldSettings
from graphrec.events.world.tables import WORLD_EDGE_TYPES, make_dataset, make_ids
from graphrec.events.world.trace import Trace
from graphrec.events.world.truth import GroundTruth
from graphrec.kernels import world_loop
from graphrec.kernels.world_loop import SOUND, find_fault
from graphrec.kernels.world_scene import WATCH

_FOREVER = 2**62


class LoopSettings(BaseModel):
    """How the loop passes time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    span_minutes: int = Field(
        60,
        ge=1,
        le=1440,
        description="Length of a span, minutes: how stale what others did may be for a policy, "
        "and how large batches are.",
    )


@dataclass(frozen=True, slots=True)
class Opening:
    """A world on the midnight when policies take over, the same for each of them.

    Attributes:
        dataset: What the platform has logged, and all of it was over by `cut_s`.
        truth: What nobody on it can see, with users as they stand at `cut_s`.
        cut_s: The midnight, UTC seconds.
        warm_up: The time before it.
        day_rate: Sessions a day for each unit of activity, by day of the whole period: as the
            mixture would go on to live it, so that no policy can change the calendar.
        described: Publications, keywords and contexts from `cut_s` on.
    """

    dataset: Dataset
    truth: GroundTruth
    cut_s: int
    warm_up: Life
    day_rate: Float64[np.ndarray, " days"]
    described: EventLog

    @property
    def first_day(self) -> int:
        """Day of the period on which policies take over."""
        return len(self.warm_up.day_rate)


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a policy.

    Attributes:
        first_day: Day of the period that is day 0 here.
        days: How many were lived.
        trace: What was done and shown, day by day, user by user.
        act_ptr: Acts of day d are `[act_ptr[d], act_ptr[d + 1])` of the trace.
        page_ptr: The same for pages.
        visitor: User of each session.
        visit: Records of `VISIT`; a session that was not lived is -1 twice.
        visit_ptr: The same for sessions.
        left_day: Day on which each user left for good; -1 for those who did not.
        left_before: Users who had left before day 0.
        goodwill: Goodwill of each user at the end, in [-2, 1].
        policy_s: Seconds that the policy took, of `seconds`.
        seconds: Seconds in all, without fitting.
    """

    first_day: int
    days: int
    trace: Trace
    act_ptr: Int64[np.ndarray, " borders"]
    page_ptr: Int64[np.ndarray, " borders"]
    visitor: Int32[np.ndarray, " sessions"]
    visit: Shaped[np.ndarray, " sessions"]
    visit_ptr: Int64[np.ndarray, " borders"]
    left_day: Int32[np.ndarray, " users"]
    left_before: Bool[np.ndarray, " users"]
    goodwill: Float64[np.ndarray, " users"]
    policy_s: float
    seconds: float


def open_world(settings: WorldSettings, warm_up_days: int, *, threads: int = 1) -> Opening:
    """Live the first days of a world under its own mixture.

    Args:
        settings: The world; its period must be longer than the warm-up.
        warm_up_days: Days that policies may learn from.
        threads: Threads to use; the outcome does not depend on it.

    Raises:
        SettingsError: The warm-up is as long as the period, or the sizes do not fit together.
    """
    if not 1 <= warm_up_days < settings.days:
        raise SettingsError(
            f"warm_up_days = {warm_up_days} — at least 1 and less than the world's {settings.days}"
        )
    parts = make_parts(settings)
    warm_up = live(parts, threads=threads, days=warm_up_days)
    whole = live(parts, threads=threads)
    cut_s = settings.start_s + warm_up_days * DAY_S
    ids = make_ids(settings, parts.catalogue, parts.sizes.users)
    finished, _ = _split(warm_up.trace, cut_s)
    data = make_dataset(settings, parts.catalogue, parts.people, ids, finished)
    log = data.log
    describes = [index for index, kind in enumerate(WORLD_EDGE_TYPES) if kind.source != "user"]
    later = log.since(cut_s)
    known = Dataset(data.name, log.before(cut_s), ids, data.items, data.users, data.impressions)
    return Opening(
        known,
        truth_of(warm_up),
        cut_s,
        warm_up,
        whole.day_rate,
        later.take(np.isin(later.edge_type, np.array(describes, np.int8))),
    )


def live_loop(
    opening: Opening, policy: Policy, days: int, settings: LoopSettings | None = None
) -> Lived:
    """Live days of a world under a policy that is fitted.

    Args:
        opening: Where it begins; it is not changed.
        policy: Fills the pages; it is told what happens.
        days: How many, at most to the end of the world's period.
        settings: How time passes.

    Raises:
        SettingsError: The period is too short for `days`.
        DataError: A page is of another shape, repeats an item, or holds one that does not exist or
            a propensity outside (0, 1].
        LeakageError: A page holds an item that is not out yet.
    """
    most = len(opening.day_rate) - opening.first_day
    if not 1 <= days <= most:
        raise SettingsError(f"days = {days} — from 1 to {most}, where the world's period ends")
    return _Loop(opening, policy, settings or LoopSettings()).live(days)


class _Loop:
    """A policy and a platform, living."""

    def __init__(self, opening: Opening, policy: Policy, settings: LoopSettings) -> None:
        parts = opening.warm_up.platform.parts
        self._opening, self._policy = opening, policy
        self._span_s = settings.span_minutes * 60
        self._platform = opening.warm_up.platform.copy()
        self._n_places = parts.settings.policy.slate_size
        self._published_s = parts.catalogue.items["published_s"].copy()
        self._memory = memory_of(opening.warm_up.trace, parts.sizes.users)
        self._news = News(
            opening.described, parts.catalogue.items["duration_s"].copy(), self._n_places
        )
        self._news.add(_split(opening.warm_up.trace, opening.cut_s)[1])
        self._n_sessions = 0
        self._policy_s = 0.0

    def live(self, days: int) -> Lived:
        """Live the days."""
        start = perf_counter()
        standing = self._platform.standing
        left_before = standing.left.copy()
        left_day = np.full(len(left_before), NO_ROW, np.int32)
        lived: list[LoopDay] = []
        traces: list[Trace] = []
        for day in range(days):
            today = self._live_day(self._opening.first_day + day)
            traces.append(today.trace())
            left_day[standing.left & ~left_before & (left_day < 0)] = day
            acts = traces[-1].acts
            self._platform.close_day(acts["target"][acts["kind"] == WATCH])
            lived.append(today)
        return Lived(
            self._opening.first_day,
            days,
            Trace.join(traces),
            _borders([len(trace.acts) for trace in traces]),
            _borders([len(trace.pages) for trace in traces]),
            np.concatenate([today.visitor for today in lived]),
            np.concatenate([today.visit for today in lived]),
            _borders([len(today.visitor) for today in lived]),
            left_day,
            left_before,
            standing.goodwill.copy(),
            self._policy_s,
            perf_counter() - start,
        )

    def _live_day(self, day: int) -> LoopDay:
        scene = self._platform.scene(day)
        if isinstance(self._policy, MixturePolicy):
            self._policy.read(scene)
        arrivals = self._platform.arrivals
        today = LoopDay(
            scene,
            self._platform.key_of(day),
            arrivals.rosters(day, float(self._opening.day_rate[day])),
            self._memory,
            self._n_places,
        )
        midnight_s = self._platform.parts.settings.start_s + day * DAY_S
        for from_s in range(midnight_s, midnight_s + DAY_S, self._span_s):
            is_last = from_s + self._span_s >= midnight_s + DAY_S
            self._live_span(today, from_s, _FOREVER if is_last else from_s + self._span_s)
        self._n_sessions += len(today.visitor)
        return today

    def _live_span(self, today: LoopDay, from_s: int, until_s: int) -> None:
        asking = today.wanting(until_s)
        if len(asking):
            self._tell(from_s)
            available = self._published_s < from_s
        while len(asking):
            requests = today.requests(asking, available, from_s, self._n_sessions)
            start = perf_counter()
            pages = self._policy.recommend(requests)
            self._policy_s += perf_counter() - start
            self._check(requests, pages)
            today.hand(asking, pages)
            asking = today.wanting(until_s)
        self._news.add(today.new_trace())

    def _tell(self, until_s: int) -> None:
        told = self._news.tell(until_s)
        if len(told.events) or len(told.pages):
            start = perf_counter()
            self._policy.absorb(told.events, told.pages)
            self._policy_s += perf_counter() - start

    def _check(self, requests: PageRequests, pages: Pages) -> None:
        item, chance = pages.item_row, pages.propensity
        shape = (len(requests), requests.n_places)
        if item.shape != shape or chance.shape != shape:
            raise DataError(f"pages of shape {item.shape} and {chance.shape} — asked for {shape}")
        time_s = requests.queries.time_s
        fault, page, place = find_fault(item, chance, time_s, self._published_s)
        if fault == SOUND:
            return
        row, where = int(item[page, place]), f"place {place + 1} of a page"
        match fault:
            case world_loop.NOT_OUT:
                raise LeakageError(
                    f"item row {row} is shown at {time_s[page]} s and comes out at "
                    f"{self._published_s[row]} s — only what is out can be shown"
                )
            case world_loop.UNKNOWN:
                rule = f"rows are from 0 to {len(self._published_s) - 1}, or -1 for none"
            case world_loop.REPEATED:
                rule = "it stands there twice; the items of a page must differ"
            case world_loop.CHANCE:
                rule = f"its propensity is {chance[page, place]:g}; it must be in (0, 1]"
            case _:
                rule = "it stands behind an empty place; pages are filled from the top"
        raise DataError(f"item row {row} at {where} — {rule}")


def _split(trace: Trace, cut_s: int) -> tuple[Trace, Trace]:
    """What was over before the cut, and what was not; an answer goes with its watch."""
    is_watch = trace.acts["kind"] == WATCH
    end_s = trace.acts["time_s"] + np.where(is_watch, trace.acts["watched_s"], 0)
    # Answers come up to three seconds after the end of a watch.
    act_over = end_s + 3 < cut_s
    page_over = trace.pages["end_s"] < cut_s
    return trace.take(act_over, page_over), trace.take(~act_over, ~page_over)


def _borders(counts: list[int]) -> Int64[np.ndarray, " borders"]:
    borders: Int64[np.ndarray, " borders"]
    borders = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return borders
