"""Entries of one call become durable together, and each is answered for itself."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from graphrec.errors import OverloadedError
from graphrec.serving.entries import Forgotten, NewEntry, Receipt

Told = TypeVar("Told")
_WAIT_S = 1.0


class AppendLog(Protocol):
    """A log that makes entries durable."""

    def submit(self, new: Sequence[NewEntry]) -> "Future[list[Receipt]]":
        """Queue entries; the future is done once they are durable."""

    def submit_forget(self, user_id: str) -> "Future[Forgotten]":
        """Queue the removal of a user's entries; the future is done once that is durable."""

    def last_seq(self) -> int:
        """The last number given out."""


class Following(Protocol):
    """Who learns from the log, such as the engine."""

    @property
    def applied_seq(self) -> int:
        """Number of the newest entry that slates know of."""

    def poke(self) -> None:
        """Have the log looked at now."""


class Recorder:
    """Writes entries for callers, and no more while the engine lags far behind the log."""

    def __init__(self, log: AppendLog, engine: Following, most_behind: int) -> None:
        """Write to `log`, which `engine` follows by at most `most_behind` entries."""
        self._log = log
        self._engine = engine
        self._most_behind = most_behind
        self._newest_seq = 0

    @property
    def n_behind(self) -> int:
        """Entries that slates do not know of, as far as this process was told of them."""
        return max(self._newest_seq - self._engine.applied_seq, 0)

    def refuse_behind(self) -> None:
        """Check that the engine keeps up; to be called before an entry is written.

        Raises:
            OverloadedError: It lags too far behind.
        """
        if self.n_behind > self._most_behind:
            raise OverloadedError(
                f"slates lag {self.n_behind} entries behind the log, of at most "
                f"{self._most_behind} — try again in {_WAIT_S:g} s",
                _WAIT_S,
            )

    def store(
        self, found: Sequence[NewEntry | Told], answer: Callable[[NewEntry, Receipt], Told]
    ) -> "Future[list[Told]]":
        """Make entries durable.

        Args:
            found: Entries, and what is told of those that are refused.
            answer: What is told of an entry once the log has it.

        Returns:
            A future of what is told of each, in the same order; done once the log has answered.

        Raises:
            StoreError: The log refuses or is overloaded, or slates lag too far behind it; nothing
                is stored.
        """
        self.refuse_behind()
        new = [one for one in found if isinstance(one, NewEntry)]
        told: Future[list[Told]] = Future()

        def done(stored: "Future[list[Receipt]]") -> None:
            if error := stored.exception():
                told.set_exception(error)
                return
            receipts = iter(stored.result())
            self._newest_seq = max(
                [self._newest_seq, *(receipt.seq for receipt in stored.result())]
            )
            self._engine.poke()
            told.set_result(
                [answer(one, next(receipts)) if isinstance(one, NewEntry) else one for one in found]
            )

        self._log.submit(new).add_done_callback(done)
        return told
