"""Stages that learn as events arrive."""

from typing import Protocol, runtime_checkable

from graphrec.stages import Interactions


@runtime_checkable
class Absorbing(Protocol):
    """Learns from watches."""

    def absorb(self, events: Interactions) -> None:
        """Learn from events that arrived since."""
        ...


@runtime_checkable
class StreamAbsorbing(Protocol):
    """Learns from streams of other events, by their names."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        ...

    def absorb_stream(self, name: str, events: Interactions) -> None:
        """Learn from events of one stream."""
        ...

    def tell_streams(self, time_s: int) -> None:
        """Learn all that streams hold before a time, UTC seconds."""
        ...
