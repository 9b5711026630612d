"""The engine: follows a log of entries and answers from the state that they lead to."""

import copy
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, GraphrecError
from graphrec.serving.impressions import shown_in
from graphrec.serving.left_right import LeftRight
from graphrec.serving.state import LiveEvent, LiveState

_LOG = logging.getLogger(__name__)
_SKIPPED_KEPT: Final = 100


class LoggedEntry(Protocol):
    """What the engine reads of an entry."""

    @property
    def seq(self) -> int:
        """Its number in the log."""

    @property
    def kind(self) -> str:
        """What it is about; `event` is learnt, `user_deleted` forgotten."""

    @property
    def key(self) -> str:
        """Id of what it is about."""

    @property
    def time_s(self) -> int:
        """When it happened, UTC seconds."""

    @property
    def body(self) -> str:
        """JSON."""


class ReadLog(Protocol):
    """A log that is read in order."""

    def read(self, after_seq: int = 0, limit: int = 1000) -> Sequence[LoggedEntry]:
        """Entries behind a number, in order."""


class FollowingSettings(BaseModel):
    """How the engine follows the log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_s: float = Field(
        0.05,
        ge=0.001,
        le=60,
        description="Seconds between looks at the log while nobody pokes: what other processes "
        "append is seen that late.",
    )
    most_entries: int = Field(
        1000, ge=1, le=100_000, description="Entries applied at once; readers see them together."
    )
    retry_s: float = Field(
        1.0, gt=0, le=600, description="Seconds until the log is read again after it failed."
    )


class Engine:
    """A live state that follows a log: one thread changes it, and many read.

    An entry that cannot be learnt is skipped and told of in `skipped`, and those around it are
    learnt: what has been acknowledged must not stop what comes after it.
    """

    def __init__(
        self,
        log: ReadLog,
        state: LiveState,
        settings: FollowingSettings | None = None,
        *,
        after_seq: int = 0,
    ) -> None:
        """Follow `log` from behind `after_seq`, which `state` knows."""
        self._log = log
        self._settings = settings or FollowingSettings()
        state.seq = after_seq
        self._states = LeftRight(state, copy.deepcopy(state))
        self._applied_seq = after_seq
        self._applied = threading.Condition()
        self._poked, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.skipped: list[tuple[int, str]] = []
        self.n_skipped = 0
        self.failure: str | None = None

    @property
    def applied_seq(self) -> int:
        """Number of the newest entry that readers see."""
        return self._applied_seq

    @contextmanager
    def read(self) -> Iterator[LiveState]:
        """The state, which stays as it is until the block ends; nobody waits for a change."""
        with self._states.read() as state:
            yield state

    @contextmanager
    def ask(self) -> Iterator[LiveState]:
        """The same for a question to its pipeline; questions to one state wait for each other."""
        with self._states.read() as state, state.asking:
            yield state

    def start(self) -> None:
        """Follow the log in a thread of its own until `close`."""
        if self._thread is not None:
            raise DataError("the engine was started already — start it once")
        self._thread = threading.Thread(target=self._follow, name="engine", daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Have the log looked at now, because something was appended."""
        self._poked.set()

    def wait_until(self, seq: int, timeout_s: float) -> bool:
        """Wait until readers see entry `seq`; whether they do."""
        with self._applied:
            return self._applied.wait_for(lambda: self._applied_seq >= seq, timeout_s)

    def catch_up(self) -> int:
        """Apply all that the log holds, here and now; returns how many entries.

        Raises:
            GraphrecError: The log cannot be read.
        """
        n_applied = 0
        while entries := self._log.read(self._applied_seq, self._settings.most_entries):
            self._apply(entries)
            n_applied += len(entries)
        return n_applied

    def close(self) -> None:
        """Stop following; the state stays readable."""
        self._closed.set()
        self._poked.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._poked.clear()
            try:
                self.catch_up()
                self.failure = None
            except GraphrecError as error:
                self.failure = str(error)
                _LOG.warning("the log cannot be read, and the state stays as it is: %s", error)
                self._closed.wait(self._settings.retry_s)
                continue
            self._poked.wait(self._settings.poll_s)

    def _apply(self, entries: Sequence[LoggedEntry]) -> None:
        events: list[tuple[int, LiveEvent]] = []
        for entry in entries:
            if entry.kind == "user_deleted":
                self._learn(events)
                events = []
                self._forget(entry.key)
            elif (event := self._event(entry)) is not None:
                events.append((entry.seq, event))
        self._learn(events)
        self._count_impressions(entries)
        last_seq = entries[-1].seq
        self._states.change(lambda state: setattr(state, "seq", last_seq))
        with self._applied:
            self._applied_seq = entries[-1].seq
            self._applied.notify_all()

    def _event(self, entry: LoggedEntry) -> LiveEvent | None:
        """The event that an entry tells of, if it can be learnt."""
        if entry.kind != "event":
            return None
        try:
            said = json.loads(entry.body)
            event = LiveEvent(
                entry.time_s,
                said["event_type"],
                said["user_id"],
                said["item_id"],
                float(said.get("weight", 1.0)),
            )
            with self._states.read() as state:
                state.refuse([event])
        except (GraphrecError, ValueError, KeyError, TypeError) as error:
            self._skip(entry.seq, error)
            return None
        return event

    def _learn(self, events: Sequence[tuple[int, LiveEvent]]) -> None:
        """Learn events together; where that fails, halves of them, down to the one that fails."""
        if not events:
            return
        try:
            self._states.change(lambda state: state.apply([event for _, event in events]), _twin)
        except Exception as error:  # noqa: BLE001 — one event must not stop all that follow
            if len(events) == 1:
                self._skip(events[0][0], error)
                return
            middle = len(events) // 2
            self._learn(events[:middle])
            self._learn(events[middle:])

    def _count_impressions(self, entries: Sequence[LoggedEntry]) -> None:
        """Learn what was shown; counts are the same whether that is before or after the events."""
        lists = []
        for entry in entries:
            if entry.kind == "impression":
                try:
                    lists.append(shown_in(entry.body))
                except (ValueError, KeyError, TypeError) as error:
                    self._skip(entry.seq, error)
        if lists:
            self._states.change(lambda state: state.count_impressions(lists), _twin)

    def _forget(self, user_id: str) -> None:
        self._states.change(lambda state: state.forget_user(user_id), _twin)

    def _skip(self, seq: int, error: Exception) -> None:
        self.n_skipped += 1
        self.skipped = [*self.skipped, (seq, f"{type(error).__name__}: {error}")][-_SKIPPED_KEPT:]
        _LOG.warning("entry %d cannot be learnt and is skipped: %s", seq, error)


def _twin(state: LiveState) -> LiveState:
    started = time.perf_counter()
    twin = copy.deepcopy(state)
    _LOG.warning("the state was copied anew in %.2f s", time.perf_counter() - started)
    return twin
