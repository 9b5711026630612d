"""A clock that never goes back while the process lives."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

_LOG = logging.getLogger(__name__)
_TOLD_OF_S: Final = 60.0


class SteadyClock:
    """The wall clock; where that is set back, the time goes on at its rate.

    Without it, a clock set back by hours would have every event that bears the right time refused
    as lying ahead. A clock that ran ahead and was put right is followed again after a restart.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read `wall`, UTC seconds, and `monotonic`, seconds since whenever."""
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._anchor = (wall(), monotonic())
        self._is_behind = False

    def __call__(self) -> float:
        """Now, UTC seconds; never before an answer that it gave."""
        with self._lock:
            wall, since = self._wall(), self._monotonic()
            steady = self._anchor[0] + since - self._anchor[1]
            now = max(wall, steady)
            self._anchor = (now, since)
            was_behind, self._is_behind = self._is_behind, now - wall > _TOLD_OF_S
        if self._is_behind and not was_behind:
            _LOG.warning("the clock was set back by %.0f s; time goes on without it", now - wall)
        return now
