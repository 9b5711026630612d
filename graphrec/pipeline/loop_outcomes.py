"""What came of shown pages, as far as a platform can see it: clicks, watched shares, answers."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import NO_ROW
from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages

OUTCOMES: Final = ("engagement", "satisfaction", "responsibility")
_BEST_RATING: Final = 5.0
_ANSWERED_IN_S: Final = 60
"""Answers come at the end of a watch; one that is later answers another watch."""


class SatisfactionSettings(BaseModel):
    """What a watch's satisfaction is the weighted mean of, over what is known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(1.0, gt=0, le=100, description="Weight of the share watched, in [0, 1].")
    rating: float = Field(
        1.0, ge=0, le=100, description="Weight of a rating of 1 to 5, which counts from 0 to 1."
    )
    like: float = Field(
        1.0, ge=0, le=100, description="Weight of a like, which counts 1; no like says nothing."
    )


@dataclass(frozen=True, slots=True)
class PageOutcomes:
    """What came of each place of each page.

    Attributes:
        value: Engagement: 1 if it was watched from the page, else 0. Satisfaction, in [0, 1]: of
            a watch; NaN where there was none. Responsibility: 0 if the watch was reported or the
            item bears a flag, 1 of another watch, NaN where nothing was watched.
        watch: The watch that came of each place, a position in the log; -1 where there was none.
        over_s: When all of the page's outcomes were known, UTC seconds.
    """

    value: Float32[np.ndarray, "pages places outcomes"]
    watch: Int64[np.ndarray, "pages places"]
    over_s: Int64[np.ndarray, " pages"]

    def take(self, which: Int64[np.ndarray, " some"]) -> "PageOutcomes":
        """Those of some of the pages, in order."""
        return PageOutcomes(self.value[which], self.watch[which], self.over_s[which])


@dataclass(frozen=True, slots=True)
class CatalogueColumns:
    """Columns of items that outcomes are read with.

    Attributes:
        duration_s: Of each item, seconds.
        flagged: Items that the platform's own check marks.
    """

    duration_s: Int32[np.ndarray, " items"]
    flagged: Bool[np.ndarray, " items"]


def outcomes_of_pages(
    pages: ShownPages, log: EventLog, items: CatalogueColumns, settings: SatisfactionSettings
) -> PageOutcomes:
    """Join pages with what users did.

    A place that was clicked belongs to the user's next watch of its item, and answers to that
    watch up to a minute after its end. A watch that the log does not hold yet leaves satisfaction
    and responsibility unknown.

    Args:
        pages: The pages.
        log: Events of types `watch`, `like`, `rate` and `report`, watches weighing their share.
        items: What is known of items.
        settings: What satisfaction is made of.
    """
    page, place = np.nonzero(pages.clicked)
    user, item = pages.user_row[page], pages.item_row[page, place]
    watches = _Answers.of(log, "watch")
    found = watches.next_of(user, item, pages.time_s[page])
    known = found >= 0
    page, place, user, item, found = (x[known] for x in (page, place, user, item, found))
    began_s, share = log.time_s[found], log.weight[found]
    end_s = began_s + np.rint(share * items.duration_s[item]).astype(np.int64)
    answers = {
        name: _Answers.of(log, name).between(user, item, began_s, end_s + _ANSWERED_IN_S)
        for name in ("like", "rate", "report")
    }
    total, weight = settings.share * share.astype(np.float64), np.full(len(share), settings.share)
    liked, rated = answers["like"] >= 0, answers["rate"] >= 0
    total, weight = total + settings.like * liked, weight + settings.like * liked
    rating = (log.weight[np.maximum(answers["rate"], 0)] - 1.0) / (_BEST_RATING - 1.0)
    total += settings.rating * np.where(rated, rating, 0.0)
    weight += settings.rating * rated
    shape = pages.item_row.shape
    value = np.full((*shape, len(OUTCOMES)), np.nan, np.float32)
    is_shown = pages.item_row != NO_ROW
    value[..., 0] = np.where(is_shown, pages.clicked, np.nan)
    value[page, place, 1] = total / weight
    value[page, place, 2] = np.where((answers["report"] >= 0) | items.flagged[item], 0.0, 1.0)
    watch = np.full(shape, NO_ROW, np.int64)
    watch[page, place] = found
    over_s = np.maximum(pages.end_s, pages.time_s)
    np.maximum.at(over_s, page, end_s + _ANSWERED_IN_S)
    return PageOutcomes(value, watch, over_s)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Events of one type by user and item, then time."""

    pair: Int64[np.ndarray, " events"]
    time_s: Int64[np.ndarray, " events"]
    position: Int64[np.ndarray, " events"]

    @classmethod
    def of(cls, log: EventLog, name: str) -> "_Answers":
        position = np.flatnonzero(log.edge_type == log.type_index(name))
        pair = _pair(log.source_row[position], log.target_row[position])
        order = np.lexsort((log.time_s[position], pair))
        return cls(pair[order], log.time_s[position][order], position[order])

    def next_of(
        self,
        user: Int32[np.ndarray, " asked"],
        item: Int32[np.ndarray, " asked"],
        since_s: Int64[np.ndarray, " asked"],
    ) -> Int64[np.ndarray, " asked"]:
        """Position of the pair's first event at or after a time; -1 where there is none."""
        pair = _pair(user, item)
        # Both sides as one ascending key: the place of the pair, then the time.
        pairs = np.unique(self.pair)
        start_s = int(min(self.time_s.min(initial=0), since_s.min(initial=0)))
        span = int(max(self.time_s.max(initial=0), since_s.max(initial=0))) - start_s + 1
        key = np.searchsorted(pairs, self.pair) * span + (self.time_s - start_s)
        asked = np.searchsorted(pairs, pair) * span + (since_s - start_s)
        at = np.searchsorted(key, asked)
        there = at < len(key)
        at = np.where(there, at, 0)
        if not len(key):
            return np.full(len(pair), NO_ROW, np.int64)
        return np.where(there & (self.pair[at] == pair), self.position[at], NO_ROW)

    def between(
        self,
        user: Int32[np.ndarray, " asked"],
        item: Int32[np.ndarray, " asked"],
        since_s: Int64[np.ndarray, " asked"],
        until_s: Int64[np.ndarray, " asked"],
    ) -> Int64[np.ndarray, " asked"]:
        """Position of the pair's first event in a span of time; -1 where there is none."""
        found = self.next_of(user, item, since_s)
        if not len(self.position):
            return found
        time_s = np.zeros(int(self.position.max()) + 1, np.int64)
        time_s[self.position] = self.time_s
        late = time_s[np.maximum(found, 0)] > until_s if len(time_s) else np.zeros(0, bool)
        return np.where((found >= 0) & ~late, found, NO_ROW)


def _pair(
    user: Int32[np.ndarray, " rows"], item: Int32[np.ndarray, " rows"]
) -> Int64[np.ndarray, " rows"]:
    return (user.astype(np.int64) << 32) | item.astype(np.int64)
