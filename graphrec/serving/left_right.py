"""Two equal states: one is read while the other is changed, and then they swap.

Readers never wait for a change, and a reader sees one state from beginning to end. Each change is
made twice, first where nobody reads; what it costs in time and memory is a second state.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import Generic, TypeVar

State = TypeVar("State")


class LeftRight(Generic[State]):
    """A state that one thread changes and many read.

    Source:
        Ramalhete and Correia 2013, "Left-Right: a concurrency control technique with wait-free
        population oblivious reads"; counting readers under a lock is ours, which holds it for less
        than a microsecond.
    """

    def __init__(self, first: State, second: State) -> None:
        """Take two equal states that share nothing that changes."""
        self._sides = [first, second]
        self._front = 0
        self._n_reading = [0, 0]
        self._left = Condition()
        self._writing = Lock()
        self._version = 0

    @property
    def version(self) -> int:
        """How many changes can be seen by whoever reads next."""
        return self._version

    @contextmanager
    def read(self) -> Iterator[State]:
        """The state as of the last change; it stays as it is until the block ends."""
        with self._left:
            side = self._front
            self._n_reading[side] += 1
        try:
            yield self._sides[side]
        finally:
            with self._left:
                self._n_reading[side] -= 1
                if not self._n_reading[side]:
                    self._left.notify_all()

    def change(
        self, make: Callable[[State], None], renew: Callable[[State], State] | None = None
    ) -> None:
        """Make a change; when this returns both states have it.

        Args:
            make: Changes a state; called once with each, and has to do the same to both.
            renew: Makes a state out of an equal one that nobody changes meanwhile. Where `make`
                fails half way on the side that nobody reads, that side is renewed from the other
                one, so that nothing of the change is seen.

        Raises:
            Exception: What `make` raised. On the first side nothing has changed then, as far as
                `renew` was given. On the second side, which readers have left, that side is renewed
                from the first, and the change holds.
        """
        with self._writing:
            back = 1 - self._front
            self._wait_until_left(back)
            try:
                make(self._sides[back])
            except BaseException:
                if renew is not None:
                    self._sides[back] = renew(self._sides[self._front])
                raise
            with self._left:
                self._front = back
                self._version += 1
            other = 1 - back
            self._wait_until_left(other)
            try:
                make(self._sides[other])
            except BaseException:
                if renew is None:
                    raise
                self._sides[other] = renew(self._sides[back])

    @contextmanager
    def hold(self) -> Iterator[State]:
        """The state as of the last change, which nobody changes or reads until the block ends.

        Changes wait meanwhile; readers, who have the other of the two equal states, do not.
        """
        with self._writing:
            back = 1 - self._front
            self._wait_until_left(back)
            yield self._sides[back]

    def _wait_until_left(self, side: int) -> None:
        with self._left:
            self._left.wait_for(lambda: not self._n_reading[side])
