"""Items that were shown before and passed over sink, the more the oftener and the later."""

import math
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S
from graphrec.errors import DataError
from graphrec.stages import Queries

_KEPT: Final = 32


class DemotionSettings(BaseModel):
    """How far items sink that a user was shown and did not watch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["multiply", "places"] = Field(
        "multiply",
        description="`multiply` relevance by keep ** times; `places` moves down so many a time.",
    )
    keep: float = Field(0.8, gt=0, le=1, description="Share of relevance kept per time shown.")
    places: float = Field(2.0, ge=0, le=1000, description="Places down per time shown.")
    half_life_days: float = Field(
        7.0, gt=0, le=3650, description="After so many days, a time shown counts half."
    )


class ShownMemory:
    """What each user was shown and has not watched since: live state, kept in memory.

    Of a user's dealings with one item the last 32 are kept. A show counts at times after it, and
    until the item is watched: what is read at a time knows nothing of that time or later.
    """

    def __init__(self, half_life_days: float = 7.0) -> None:
        """Start empty.

        Args:
            half_life_days: After so many days, a time shown counts half; > 0.
        """
        if not half_life_days > 0:
            raise DataError(f"half_life_days {half_life_days:g} — must be above 0")
        self._half_life_s = half_life_days * DAY_S
        self._dealings: dict[tuple[int, int], deque[tuple[int, bool]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """The same as arrays: a row for each user and item, and one for each of their dealings."""
        dealings = [dealing for own in self._dealings.values() for dealing in own]
        return {
            "half_life_s": self._half_life_s,
            "key": np.array(list(self._dealings), np.int64).reshape(-1, 2),
            "n_dealings": np.array([len(own) for own in self._dealings.values()], np.int64),
            "time_s": np.array([time_s for time_s, _ in dealings], np.int64),
            "watched": np.array([watched for _, watched in dealings], np.bool_),
        }

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Take over what was kept."""
        self._half_life_s = kept["half_life_s"]
        dealings = zip(kept["time_s"].tolist(), kept["watched"].tolist(), strict=True)
        self._dealings = {
            (user, item): deque(islice(dealings, n), maxlen=_KEPT)
            for (user, item), n in zip(
                kept["key"].tolist(), kept["n_dealings"].tolist(), strict=True
            )
        }

    def absorb(self, user_row: int, time_s: int, items: Int32[np.ndarray, " shown"]) -> None:
        """Note that the user was shown `items` at `time_s`; padding (-1) is passed over."""
        self._note(user_row, time_s, items, watched=False)

    def absorb_watches(
        self, user_row: int, time_s: int, items: Int32[np.ndarray, " watched"]
    ) -> None:
        """Note that the user watched `items` at `time_s`: earlier shows of them are forgotten."""
        self._note(user_row, time_s, items, watched=True)

    def read(
        self, user_row: int, items: Int32[np.ndarray, " k"], time_s: int
    ) -> Float64[np.ndarray, " k"]:
        """How often the user was shown each item before `time_s`, each time decayed, >= 0."""
        times = np.zeros(len(items))
        for place, item in enumerate(items.tolist()):
            dealings = self._dealings.get((user_row, item))
            if dealings:
                times[place] = self._decayed(dealings, time_s)
        return times

    def __len__(self) -> int:
        return len(self._dealings)

    def _note(
        self, user_row: int, time_s: int, items: Int32[np.ndarray, " some"], *, watched: bool
    ) -> None:
        for item in items.tolist():
            if item < 0 or user_row < 0:
                continue
            key = (user_row, item)
            if watched and key not in self._dealings:
                continue
            self._dealings.setdefault(key, deque(maxlen=_KEPT)).append((time_s, watched))

    def _decayed(self, dealings: deque[tuple[int, bool]], time_s: int) -> float:
        past = [(when, watched) for when, watched in dealings if when < time_s]
        forgotten = max((when for when, watched in past if watched), default=None)
        ages_s = [
            time_s - when
            for when, watched in past
            if not watched and (forgotten is None or when > forgotten)
        ]
        return float(sum(math.pow(0.5, age_s / self._half_life_s) for age_s in ages_s))


def times_shown(
    memory: ShownMemory, queries: Queries, query: int, items: Int32[np.ndarray, " k"]
) -> Float64[np.ndarray, " k"]:
    """How often the user of one query was shown each item; 0 for anonymous visits."""
    user = int(queries.user_row[query])
    if user < 0:
        return np.zeros(len(items))
    return memory.read(user, items, int(queries.time_s[query]))


def demote(
    relevance: Float64[np.ndarray, " k"],
    times: Float64[np.ndarray, " k"],
    settings: DemotionSettings,
) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    """Let items sink that were shown before.

    Args:
        relevance: Relevance, best first.
        times: How often each was shown, decayed.
        settings: How far they sink.

    Returns:
        Positions in the new order, ties in the old, and their relevance, best first. Moved by
        `places`, each place keeps the relevance it had. Under `multiply`, relevance is counted
        from the least where that is negative, so that a factor never lifts an item.
    """
    if settings.mode == "places":
        goal = np.arange(len(relevance)) + settings.places * times
        # Pushed to a place, an item stands behind the one that is there.
        order = np.lexsort((times, goal)).astype(np.int64)
        return order, relevance
    floor = min(float(relevance.min(initial=0.0)), 0.0)
    sunk = (relevance - floor) * settings.keep**times + floor
    order = np.argsort(-sunk, kind="stable").astype(np.int64)
    return order, sunk[order]
