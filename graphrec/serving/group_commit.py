"""Many callers, one writer: what has gathered while the disk was busy goes in one commit."""

import copy
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Final

from graphrec.errors import OverloadedError, StoreClosedError, StoreError
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.writing import Answer, Batch, Work

_WAIT_S: Final = (0.05, 60.0)
# Callers that were just woken send again at once: without a moment for them, they would fall into
# two parties, each waiting out the commit of the other. At most this part of a commit's time.
_GATHERING_SHARE: Final = 0.1
_LONGEST_GATHERING_S: Final = 0.002


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Work that waits, and who waits for it."""

    work: Work
    n_entries: int
    n_bytes: int
    future: Future[Any]


class GroupCommit:
    """A bounded queue before one writing thread, which starts with the first work."""

    def __init__(
        self,
        commit: Callable[[Sequence[Work]], list[Answer]],
        settings: EntryLogSettings,
        place: str,
    ) -> None:
        self._commit = commit
        self._settings = settings
        self._place = place
        self._changed = Condition()
        self._waiting: deque[_Waiting] = deque()
        self._n_entries = 0
        self._n_bytes = 0
        self._entries_per_s = 0.0
        self._last_callers = 0
        self._last_took_s = 0.0
        self._closed = False
        self._thread: Thread | None = None

    def submit(self, work: Work) -> "Future[Any]":
        """Queue work; the future holds its answer once that is durable.

        Raises:
            OverloadedError: The queue is full.
            StoreClosedError: The log was closed.
        """
        n_entries, n_bytes = _size(work)
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise StoreClosedError(f"{self._place}: the log was closed — open it again")
            limit = self._settings
            full = (
                self._n_entries + n_entries > limit.queue_entries
                or self._n_bytes + n_bytes > limit.queue_bytes
            )
            if full and self._n_entries:
                wait_s = self._wait_s()
                raise OverloadedError(
                    f"{self._place}: {self._n_entries} entries of {self._n_bytes} bytes wait "
                    f"already, of {limit.queue_entries} entries and {limit.queue_bytes} bytes — "
                    f"try again in {wait_s:.2f} s",
                    wait_s,
                )
            self._waiting.append(_Waiting(work, n_entries, n_bytes, future))
            self._n_entries += n_entries
            self._n_bytes += n_bytes
            if self._thread is None:
                self._thread = Thread(target=self._run, name="graphrec-log-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """Take no more work, finish what waits, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _wait_s(self) -> float:
        """Seconds until what waits should be written."""
        rate = self._entries_per_s
        lowest, highest = _WAIT_S
        return min(max(self._n_entries / rate if rate else 1.0, lowest), highest)

    def _run(self) -> None:
        while group := self._next_group():
            began = time.monotonic()
            begun = [waiting for waiting in group if waiting.future.set_running_or_notify_cancel()]
            outcomes = self._outcomes(begun)
            # Room is made before callers wake, so that one who calls again at once finds it.
            self._make_room(group, time.monotonic() - began)
            for waiting, outcome in zip(begun, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    waiting.future.set_exception(_own(outcome))
                else:
                    waiting.future.set_result(outcome)

    def _next_group(self) -> list[_Waiting]:
        """Wait for work; empty once the log is closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._changed.wait_for(
                lambda: len(self._waiting) >= self._last_callers or self._closed,
                min(_GATHERING_SHARE * self._last_took_s, _LONGEST_GATHERING_S),
            )
            group: list[_Waiting] = []
            n_entries = 0
            while self._waiting:
                n_entries += self._waiting[0].n_entries
                if group and n_entries > self._settings.group_entries:
                    break
                group.append(self._waiting.popleft())
            self._last_callers = len(group)
            return group

    def _outcomes(self, group: Sequence[_Waiting]) -> Sequence[Answer | Exception]:
        """Commit a group; what the database takes from nobody fails alone."""
        if not group:
            return []
        try:
            return self._commit([waiting.work for waiting in group])
        except StoreError as error:
            if type(error) is StoreError and len(group) > 1:
                return [outcome for waiting in group for outcome in self._outcomes([waiting])]
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001  # the thread must live, the callers must know
            return [error] * len(group)

    def _make_room(self, group: Sequence[_Waiting], took_s: float) -> None:
        n_entries = sum(waiting.n_entries for waiting in group)
        rate = n_entries / max(took_s, 1e-6)
        with self._changed:
            self._last_took_s = took_s
            self._n_entries -= n_entries
            self._n_bytes -= sum(waiting.n_bytes for waiting in group)
            old = self._entries_per_s
            self._entries_per_s = 0.8 * old + 0.2 * rate if old else rate


def _own(error: BaseException) -> BaseException:
    """A copy of an error of ours: threads that raise one and the same share its traceback."""
    if not isinstance(error, StoreError):
        return error
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own


def _size(work: Work) -> tuple[int, int]:
    """Entries and bytes that work takes in the queue."""
    if isinstance(work, Batch):
        return len(work.entries), sum(len(entry.body.encode()) for entry in work.entries)
    return 1, 0
