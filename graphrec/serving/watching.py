"""Whoever wants to know what a service did: each event, each slate, as it happens."""

from collections.abc import Sequence
from typing import Protocol

from graphrec.serving.messages import EventsOut, SlateOut


class Watcher(Protocol):
    """Is told what happened; may not fail, and does little, because callers wait for it."""

    def recorded(self, found: EventsOut) -> None:
        """Events were answered; those stored are durable."""

    def made(self, slate: SlateOut, seconds: float) -> None:
        """A slate was made within `seconds`."""


class Watchers:
    """Several of them, told one after the other."""

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        """Tell `watchers`."""
        self._watchers = tuple(watchers)

    def recorded(self, found: EventsOut) -> None:
        """Tell them of events."""
        for one in self._watchers:
            one.recorded(found)

    def made(self, slate: SlateOut, seconds: float) -> None:
        """Tell them of a slate."""
        for one in self._watchers:
            one.made(slate, seconds)
