"""Where training ends, and where validation ends and the test begins."""

import math
from dataclasses import dataclass

import numpy as np

from graphrec.errors import SettingsError
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class Cuts:
    """Two times that part a log in three: each is the first second of what follows it.

    Attributes:
        validation_s: Training is everything before this time, UTC seconds.
        test_s: Validation is everything from there to before this time; equal to `validation_s`
            where there is no validation.
        end_s: The test is everything from there to before this time; None for the log's end.
    """

    validation_s: int
    test_s: int
    end_s: int | None = None

    def __post_init__(self) -> None:
        ends_early = self.end_s is not None and self.end_s < self.test_s
        if self.validation_s > self.test_s or ends_early:
            raise SettingsError(
                f"cuts at {self.validation_s}, {self.test_s} and {self.end_s} s — validation, "
                "test and end come in this order"
            )

    def positions(self, events: Interactions) -> tuple[int, int, int]:
        """Log positions where validation, the test and what is not used begin.

        Raises:
            SettingsError: Nothing lies before the first cut, or nothing after it.
        """
        times = [self.validation_s, self.test_s]
        validation, test = (int(at) for at in np.searchsorted(events.time_s, times, side="left"))
        end = len(events)
        if self.end_s is not None:
            end = int(np.searchsorted(events.time_s, self.end_s, side="left"))
        if validation in (0, end):
            raise SettingsError(
                f"{validation:,} events lie before the cut at {self.validation_s} s and "
                f"{end - validation:,} after it — both need at least one"
            )
        return validation, test, end

    @classmethod
    def at_quantiles(
        cls, events: Interactions, training: float = 0.70, validation: float = 0.85
    ) -> "Cuts":
        """Cut behind the quantiles of the events' times, as TGB does: training holds times <= q.

        Args:
            events: The log, sorted by time.
            training: Share of the events to train on, in (0, 1).
            validation: Share of the events before the test, in [training, 1).

        Raises:
            SettingsError: The shares are out of range, or the log is empty.

        Source:
            Huang et al. 2023, arXiv:2307.01026, section 3.
        """
        if not 0.0 < training <= validation < 1.0 or not len(events):
            raise SettingsError(
                f"shares {training} and {validation} of {len(events):,} events — "
                "0 < training <= validation < 1, of at least one event"
            )
        first, second = np.quantile(events.time_s, [training, validation])
        return cls(math.floor(first) + 1, math.floor(second) + 1)
