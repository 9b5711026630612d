"""What is used most: ever, in a sliding window, or with old use fading."""

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field, model_validator

from graphrec.arrays import DAY_S
from graphrec.checks import refuse_future
from graphrec.retrieval.event_timeline import DecayedSums, EventTimeline, WindowSums
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates


class PopularSettings(BaseModel):
    """What counts as popular; at most one of the three, and none means all time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_days: float | None = Field(
        None, gt=0, le=36_500, description="Count the days before the query only."
    )
    window_hours: float | None = Field(
        None, gt=0, le=876_000, description="Count the hours before the query only."
    )
    half_life_days: float | None = Field(
        None, gt=0, le=36_500, description="Days after which an event counts half."
    )

    @model_validator(mode="after")
    def _at_most_one(self) -> "PopularSettings":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both given — give at most one")
        return self

    @property
    def window_s(self) -> int | None:
        """Length of the window in whole seconds, at least one; None for all time."""
        if self.window_days is not None:
            return max(1, round(self.window_days * DAY_S))
        if self.window_hours is not None:
            return max(1, round(self.window_hours * 3600))
        return None


class PopularSource:
    """Items by summed event weight, as of the query's time.

    A window is exact at every query time: it slides with the query and does not depend on the order
    in which events arrived. Decayed sums agree in any order to rounding.
    """

    absorbs = True

    def __init__(self, settings: PopularSettings | None = None) -> None:
        """Popular by `settings`; all time by default."""
        self._settings = settings or PopularSettings()
        self._start()

    @property
    def name(self) -> str:
        """`popular`, `popular_7d`, `popular_1h`, or `popular_half_life_7d`."""
        settings = self._settings
        if settings.half_life_days is not None:
            return f"popular_half_life_{settings.half_life_days:g}d"
        if settings.window_days is not None:
            return f"popular_{settings.window_days:g}d"
        if settings.window_hours is not None:
            return f"popular_{settings.window_hours:g}h"
        return "popular"

    def fit(self, events: Interactions, cut_s: int) -> None:
        """Forget everything, then count `events`, all before `cut_s`.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, self.name)
        self._start()
        self.absorb(events)

    def absorb(self, events: Interactions) -> None:
        """Count `events`, in whatever order they arrive."""
        self._sums.refresh(self._timeline.insert(events))

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        """Summed weight of each item's events before the query, in the window or decayed."""
        if isinstance(self._sums, DecayedSums):
            return self._sums.before(queries.time_s)
        return self._sums.before(queries.time_s, self._settings.window_s)

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        """The `k` most popular eligible items of each query, without reasons."""
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)

    def _start(self) -> None:
        self._timeline = EventTimeline()
        half_life_days = self._settings.half_life_days
        self._sums = (
            WindowSums(self._timeline)
            if half_life_days is None
            else DecayedSums(self._timeline, half_life_days * DAY_S)
        )
