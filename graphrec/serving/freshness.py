"""How long it takes from an acknowledgement until slates know of what was acknowledged."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from graphrec.serving.following import Engine
from graphrec.serving.messages import EventsOut, SlateOut

_MOST_WAITING: Final = 10_000
_PATIENCE_S: Final = 0.5


class Freshness:
    """Waits beside the engine for what was acknowledged, and tells how long that took.

    While nobody has started it, acknowledgements are dropped from `_MOST_WAITING` on.
    """

    def __init__(self, engine: Engine, tell: Callable[[float], None]) -> None:
        """Tell `tell` the seconds of every call whose events were stored."""
        self._engine = engine
        self._tell = tell
        self._waiting: deque[tuple[int, float]] = deque(maxlen=_MOST_WAITING)
        self._some, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def recorded(self, found: EventsOut) -> None:
        """Wait for the newest of these events from now on."""
        stored = [one.seq for one in found.results if one.outcome == "stored" and one.seq]
        if stored:
            self._waiting.append((max(stored), time.monotonic()))
            self._some.set()

    def made(self, slate: SlateOut, seconds: float) -> None:
        """Do nothing: slates are of no interest here."""

    def start(self) -> None:
        """Wait in a thread of its own until `close`."""
        self._closed.clear()
        self._thread = threading.Thread(target=self._follow, name="freshness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join()

    def tell_visible(self) -> None:
        """Tell of all that can be seen now, oldest first."""
        while self._waiting and self._waiting[0][0] <= self._engine.applied_seq:
            _, since = self._waiting.popleft()
            self._tell(time.monotonic() - since)

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._some.wait()
            self._some.clear()
            while self._waiting and not self._closed.is_set():
                self._engine.wait_until(self._waiting[0][0], _PATIENCE_S)
                self.tell_visible()
