"""Stages are brought up to date, and time passes for them, ahead of the next question."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from graphrec.stages import Ageing, Settling


@runtime_checkable
class Growing(Protocol):
    """A stage that holds columns of items and learns from no event how many there are."""

    def grow(self, n_items: int) -> None:
        """Have room for items up to row `n_items - 1`."""
        ...


def settle_stages(stages: Iterable[object], n_items: int) -> None:
    """Bring each stage that knows how to up to date for `n_items` items."""
    for stage in stages:
        if isinstance(stage, Growing):
            stage.grow(n_items)
        if isinstance(stage, Settling):
            stage.settle()


def advance_stages(stages: Iterable[object], now_s: int) -> None:
    """Let it be `now_s` (UTC seconds) for each stage that ages by a clock of its own."""
    for stage in stages:
        if isinstance(stage, Ageing):
            stage.advance(now_s)
