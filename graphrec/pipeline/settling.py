"""Stages are brought up to date, and time passes for them, ahead of the next question."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from graphrec.stages import Ageing, Settling


@runtime_checkable
class Growing(Protocol):
    """A stage that holds columns of items and learns from no event how many there are."""

    def grow(self, n_items: int) -> None:
        """Have room for items up to row `n_items - 1`."""
        ...


@dataclass(frozen=True, slots=True)
class StageCare:
    """Which stages have to be told what: looked up once, since looking takes 20 us a stage.

    Attributes:
        growing: Those that are told how many items there are.
        settling: Those that are brought up to date.
        ageing: Those that age by a clock of their own.
    """

    growing: tuple[Growing, ...]
    settling: tuple[Settling, ...]
    ageing: tuple[Ageing, ...]

    @classmethod
    def of(cls, stages: Iterable[object]) -> "StageCare":
        """Look through stages; those that can do nothing of it are passed over."""
        found = list(stages)
        return cls(
            tuple(stage for stage in found if isinstance(stage, Growing)),
            tuple(stage for stage in found if isinstance(stage, Settling)),
            tuple(stage for stage in found if isinstance(stage, Ageing)),
        )

    def settle(self, n_items: int) -> None:
        """Bring each stage up to date for `n_items` items."""
        for growing in self.growing:
            growing.grow(n_items)
        for settling in self.settling:
            settling.settle()

    def advance(self, now_s: int) -> None:
        """Let it be `now_s` (UTC seconds) for each stage that ages."""
        for ageing in self.ageing:
            ageing.advance(now_s)
