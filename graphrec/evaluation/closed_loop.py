"""What came of a policy in a simulated world: for users, for creators, for the platform.

Each measure is a ratio of sums over users (watches that satisfied over watches, say), kept by user,
so that two policies can be compared user by user in the same worlds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S, NO_ROW
from graphrec.evaluation.beyond_accuracy import exposure_gini
from graphrec.evaluation.ratios import Ratio
from graphrec.events.world.closed_loop import Lived
from graphrec.events.world.truth import GroundTruth
from graphrec.kernels.world_scene import LIKED, REPORTED, SATISFIED, WATCH

RETURN_DAYS: Final = 28
_PAGES_AT_ONCE: Final = 16_384

Aim = Literal["more", "less", "neither"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table.

    Attributes:
        name: Its name.
        meaning: What it is, with its unit.
        aim: Whether more is better.
    """

    name: str
    meaning: str
    aim: Aim


MEASURES: Final = (
    Measure("watch_minutes", "Minutes watched per user and day.", "more"),
    Measure("watches", "Watches per user and day.", "more"),
    Measure("sessions", "Sessions per user and day.", "more"),
    Measure("minutes_a_session", "Minutes watched per session.", "more"),
    Measure("ctr", "Shown items that were watched from the page, share.", "more"),
    Measure("page_ctr", "Pages with at least one watch, share.", "more"),
    Measure("satisfied", "Watches that satisfied, share; the users' own truth.", "more"),
    Measure("likes", "Likes per watch.", "more"),
    Measure("reports", "Reports per thousand watches.", "less"),
    Measure("bad_watches", "Watches of content that breaks the rules, share.", "less"),
    Measure("clickbait_watches", "Watches of clickbait, share.", "less"),
    Measure("goodwill", "Goodwill towards the platform at the end, in [-2, 1].", "more"),
    Measure(
        "return_days",
        f"Days with a session in the last {RETURN_DAYS} (or in all, where fewer were lived), of "
        "users signed up by their start.",
        "more",
    ),
    Measure("left", "Users who left for good, share.", "less"),
    Measure("topics", "Different topics on a page.", "neither"),
    Measure("niches", "Different niches on a page.", "neither"),
    Measure("niche_entropy", "Entropy of the niches of a page, bits.", "neither"),
    Measure("publisher_diversity", "Pairs of items of a page of two publishers, share.", "neither"),
)

OF_THINGS: Final = ("items_shown", "publishers_watched", "new_items_found")
"""Those of `WHOLE` that are shares of items or of publishers, so that policies can be compared item
by item."""

WHOLE: Final = (
    Measure("items_shown", "Items out that were shown to anybody, share.", "more"),
    Measure("publishers_watched", "Publishers with an item out that were watched, share.", "more"),
    Measure("publisher_gini", "How unevenly watches are shared among publishers.", "less"),
    Measure("new_items_found", "New items that found their first viewers, share.", "more"),
)

OVER_DAYS: Final = (
    Measure("active_users", "Users with a session.", "more"),
    Measure("watch_hours", "Hours watched.", "more"),
    Measure("satisfied_share", "Watches that satisfied, share.", "more"),
    Measure("reports", "Reports.", "less"),
)


class OutcomeSettings(BaseModel):
    """When a new item counts as found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    found_watches: int = Field(10, ge=1, le=10_000, description="Watches it has by the end.")
    found_days: int = Field(
        7, ge=1, le=365, description="Items published later than this before the end do not count."
    )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of one policy in one world.

    Attributes:
        by_user: Every one of `MEASURES`, by user: those who had not left before, signed up by the
            end; the same users for every policy.
        whole: Every one of `WHOLE`; NaN where it does not apply.
        by_thing: Every one of `OF_THINGS`, by item or publisher; the same ones for every policy.
        over_days: Every one of `OVER_DAYS`, by day; NaN where it does not apply.
    """

    by_user: Mapping[str, Ratio]
    whole: Mapping[str, float]
    by_thing: Mapping[str, Ratio]
    over_days: Mapping[str, Float64[np.ndarray, " days"]]


def outcomes_of(
    life: Lived, truth: GroundTruth, settings: OutcomeSettings | None = None
) -> Outcomes:
    """Measure a life.

    Args:
        life: What came of a policy.
        truth: The world it was lived in.
        settings: When a new item counts as found.
    """
    start_s = int(truth.habits["period_start_s"][0]) + life.first_day * DAY_S
    end_s = start_s + life.days * DAY_S
    here_s = np.maximum(start_s, truth.signup_s)
    counted = ~life.left_before & (truth.signup_s < end_s)
    days = np.where(counted, (end_s - here_s) / DAY_S, 0.0)
    watches = _Watches.of(life, truth)
    measures = {
        **_engagement(life, watches, days),
        **_answers(watches, truth),
        **_loyalty(life, truth, counted),
        **_variety(life, truth),
    }
    by_user = {
        measure.name: Ratio(*(column[counted] for column in measures[measure.name]))
        for measure in MEASURES
    }
    things, gini = _creators(life, watches, truth, settings or OutcomeSettings())
    whole = {**{name: things[name].value for name in OF_THINGS}, "publisher_gini": gini}
    whole = {measure.name: whole[measure.name] for measure in WHOLE}
    return Outcomes(by_user, whole, things, _over_days(life, watches))


@dataclass(frozen=True, slots=True)
class _Watches:
    """Watches, and how many users there are."""

    user: Int32[np.ndarray, " watches"]
    item: Int32[np.ndarray, " watches"]
    day: Int64[np.ndarray, " watches"]
    watched_s: Int32[np.ndarray, " watches"]
    satisfied: Bool[np.ndarray, " watches"]
    liked: Bool[np.ndarray, " watches"]
    reported: Bool[np.ndarray, " watches"]
    n_users: int

    @classmethod
    def of(cls, life: Lived, truth: GroundTruth) -> "_Watches":
        day = np.repeat(np.arange(life.days), np.diff(life.act_ptr))
        kept = life.trace.acts["kind"] == WATCH
        acts = life.trace.acts[kept]
        return cls(
            life.trace.actor[kept],
            acts["target"].copy(),
            day[kept],
            acts["watched_s"].copy(),
            (acts["answer"] & SATISFIED) > 0,
            (acts["answer"] & LIKED) > 0,
            (acts["answer"] & REPORTED) > 0,
            len(truth.users),
        )

    def sums(
        self, value: Float64[np.ndarray, " watches"] | Bool[np.ndarray, " watches"]
    ) -> Float64[np.ndarray, " users"]:
        return np.bincount(self.user, value.astype(np.float64), minlength=self.n_users)


_Pair = tuple[Float64[np.ndarray, " users"], Float64[np.ndarray, " users"]]


def _engagement(
    life: Lived, watches: _Watches, days: Float64[np.ndarray, " users"]
) -> dict[str, _Pair]:
    n_users, pages = watches.n_users, life.trace.pages
    viewer = life.trace.viewer
    places = np.arange(life.trace.shown.shape[1])
    clicks = ((pages["clicked"][:, None] >> places) & 1).sum(axis=1)
    n_pages = np.bincount(viewer, minlength=n_users).astype(np.float64)
    shown = np.bincount(viewer, pages["n_shown"].astype(np.float64), minlength=n_users)
    lived = life.visitor[life.visit["start_s"] >= 0]
    sessions = np.bincount(lived, minlength=n_users).astype(np.float64)
    return {
        "watch_minutes": (watches.sums(watches.watched_s / 60.0), days),
        "watches": (watches.sums(np.ones(len(watches.user))), days),
        "sessions": (sessions, days),
        "minutes_a_session": (watches.sums(watches.watched_s / 60.0), sessions),
        "ctr": (np.bincount(viewer, clicks.astype(np.float64), minlength=n_users), shown),
        "page_ctr": (
            np.bincount(viewer, (clicks > 0).astype(np.float64), minlength=n_users),
            n_pages,
        ),
    }


def _answers(watches: _Watches, truth: GroundTruth) -> dict[str, _Pair]:
    count = watches.sums(np.ones(len(watches.user)))
    items = truth.items
    return {
        "satisfied": (watches.sums(watches.satisfied), count),
        "likes": (watches.sums(watches.liked), count),
        "reports": (1000.0 * watches.sums(watches.reported), count),
        "bad_watches": (watches.sums(items["bad"][watches.item]), count),
        "clickbait_watches": (watches.sums(items["clickbait"][watches.item]), count),
    }


def _loyalty(
    life: Lived, truth: GroundTruth, counted: Bool[np.ndarray, " users"]
) -> dict[str, _Pair]:
    n_users = len(truth.users)
    first = max(life.days - RETURN_DAYS, 0)
    day = np.repeat(np.arange(life.days), np.diff(life.visit_ptr))
    lived = (life.visit["start_s"] >= 0) & (day >= first)
    present = np.unique(day[lived] * n_users + life.visitor[lived]) % n_users
    first_s = int(truth.habits["period_start_s"][0]) + (life.first_day + first) * DAY_S
    was_here = (truth.signup_s < first_s) & counted
    one = counted.astype(np.float64)
    days = np.bincount(present, minlength=n_users).astype(np.float64)
    return {
        "return_days": (np.where(was_here, days, 0.0), was_here.astype(np.float64)),
        "left": ((life.left_day >= 0).astype(np.float64), one),
        "goodwill": (np.where(counted, life.goodwill, 0.0), one),
    }


def _variety(life: Lived, truth: GroundTruth) -> dict[str, _Pair]:
    trace, items = life.trace, truth.items
    is_shown = np.arange(trace.shown.shape[1]) < trace.pages["n_shown"][:, None]
    item = np.where(is_shown, trace.shown, 0)
    kinds = {
        name: np.where(is_shown, items[name][item], NO_ROW).astype(np.int32)
        for name in ("topic", "niche", "publisher")
    }
    n_users = len(truth.users)
    seen = trace.pages["n_shown"].astype(np.float64)

    def per_page(value: Float64[np.ndarray, " pages"], given: Bool[np.ndarray, " pages"]) -> _Pair:
        total = np.bincount(trace.viewer, np.where(given, value, 0.0), minlength=n_users)
        return total, np.bincount(trace.viewer, given.astype(np.float64), minlength=n_users)

    distinct = {name: page_variety(kind) for name, kind in kinds.items()}
    several = seen > 1
    pairs = np.where(several, seen * (seen - 1), 1.0)
    return {
        "topics": per_page(distinct["topic"].n_kinds, seen > 0),
        "niches": per_page(distinct["niche"].n_kinds, seen > 0),
        "niche_entropy": per_page(distinct["niche"].entropy, seen > 0),
        "publisher_diversity": per_page(1.0 - distinct["publisher"].n_alike / pairs, several),
    }


@dataclass(frozen=True, slots=True)
class PageVariety:
    """How various the pages are in one respect.

    Attributes:
        n_kinds: Different kinds on each page.
        entropy: Entropy of the kinds' shares on each page, bits; 0 for an empty one.
        n_alike: Ordered pairs of two places with the same kind.
    """

    n_kinds: Float64[np.ndarray, " pages"]
    entropy: Float64[np.ndarray, " pages"]
    n_alike: Float64[np.ndarray, " pages"]


def page_variety(kind: Int32[np.ndarray, "pages places"]) -> PageVariety:
    """Count the kinds of each page; -1 is an empty place."""
    parts = [
        _variety_of(kind[first : first + _PAGES_AT_ONCE])
        for first in range(0, len(kind), _PAGES_AT_ONCE)
    ]
    columns = zip(*parts, strict=True) if parts else ([np.empty(0)],) * 3
    return PageVariety(*(np.concatenate(list(column)) for column in columns))


def _variety_of(kind: Int32[np.ndarray, "pages places"]) -> tuple[np.ndarray, ...]:
    given = kind >= 0
    # How many places of the page hold what each place holds.
    alike = (kind[:, :, None] == kind[:, None, :]).sum(axis=2).astype(np.float64)
    alike = np.where(given, alike, 1.0)
    size = np.maximum(given.sum(axis=1), 1)[:, None]
    n_kinds = np.where(given, 1.0 / alike, 0.0).sum(axis=1)
    entropy = np.where(given, np.log2(size / alike) / size, 0.0).sum(axis=1)
    return n_kinds, entropy, np.where(given, alike - 1.0, 0.0).sum(axis=1)


def _creators(
    life: Lived, watches: _Watches, truth: GroundTruth, settings: OutcomeSettings
) -> tuple[dict[str, Ratio], float]:
    items = truth.items
    start_s = int(truth.habits["period_start_s"][0]) + life.first_day * DAY_S
    end_s = start_s + life.days * DAY_S
    out = items["published_s"] < end_s
    is_shown = np.arange(life.trace.shown.shape[1]) < life.trace.pages["n_shown"][:, None]
    shown = np.zeros(len(items), np.bool_)
    shown[life.trace.shown[is_shown]] = True
    publishers = np.unique(items["publisher"][out])
    row = np.searchsorted(publishers, items["publisher"][watches.item]).astype(np.int32)
    is_new = (items["published_s"] >= start_s) & (
        items["published_s"] < end_s - settings.found_days * DAY_S
    )
    count = np.bincount(watches.item, minlength=len(items))
    found = is_new & (count >= settings.found_watches)
    watched = np.bincount(row, minlength=len(publishers)) > 0
    shares = {
        "items_shown": (shown & out, out),
        "publishers_watched": (watched, np.ones(len(publishers), np.bool_)),
        "new_items_found": (found, is_new),
    }
    things = {
        name: Ratio(part.astype(np.float64), of.astype(np.float64))
        for name, (part, of) in shares.items()
    }
    return things, exposure_gini(row[:, None], len(publishers))


def _over_days(life: Lived, watches: _Watches) -> dict[str, Float64[np.ndarray, " days"]]:
    n_users = watches.n_users
    day = np.repeat(np.arange(life.days), np.diff(life.visit_ptr))
    lived = life.visit["start_s"] >= 0
    present = np.unique(day[lived] * n_users + life.visitor[lived]) // n_users

    def by_day(value: np.ndarray) -> Float64[np.ndarray, " days"]:
        return np.bincount(watches.day, value.astype(np.float64), minlength=life.days)

    count = by_day(np.ones(len(watches.day)))
    share = np.full(life.days, np.nan)
    np.divide(by_day(watches.satisfied), count, out=share, where=count > 0)
    return {
        "active_users": np.bincount(present, minlength=life.days).astype(np.float64),
        "watch_hours": by_day(watches.watched_s / 3600.0),
        "satisfied_share": share,
        "reports": by_day(watches.reported),
    }
