"""The engine: follows a log of entries and answers from the state that they lead to."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from graphrec.errors import DataError, GraphrecError
from graphrec.serving.changes import LoggedEntry
from graphrec.serving.learning import Learning
from graphrec.serving.state import LiveState

_LOG = logging.getLogger(__name__)
_GLANCE_S: Final = 0.005


class ReadLog(Protocol):
    """A log that is read in order."""

    def read(self, after_seq: int = 0, limit: int = 1000) -> Sequence[LoggedEntry]:
        """Entries behind a number, in order."""


@runtime_checkable
class StampedLog(Protocol):
    """A log that can tell in no time whether it may hold more than before."""

    def stamp(self) -> object:
        """Another value after every append, whoever made it; None: it cannot tell."""


class FollowingSettings(BaseModel):
    """How the engine follows the log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_s: float = Field(
        0.03,
        ge=0.001,
        le=60,
        description="Seconds between looks at the log while nobody pokes: what other processes "
        "append is seen that late.",
    )
    gather_s: float = Field(
        0.025,
        ge=0,
        le=10,
        description="Seconds between learning and looking at the log again: what comes meanwhile "
        "is learnt together, which takes less time for each.",
    )
    most_entries: int = Field(
        1000, ge=1, le=100_000, description="Entries applied at once; readers see them together."
    )
    retry_s: float = Field(
        1.0, gt=0, le=600, description="Seconds until the log is read again after it failed."
    )
    age_every_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Seconds after which what ages does so though nothing has happened; not looked "
        "at without a clock.",
    )


class Engine:
    """A live state that follows a log: one thread changes it, and many read.

    Another state can be put in its place while it follows. `on_model` is told the name that an
    entry of kind `model` says.
    """

    def __init__(
        self,
        log: ReadLog,
        state: LiveState,
        settings: FollowingSettings | None = None,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Follow `log` from behind the entry up to which `state` knows it.

        Args:
            log: The log.
            state: What is changed; a copy of it is made.
            settings: How it is followed.
            clock: What time it is, UTC seconds, for what ages though nothing happens; None: time is
                what the log's events say.
        """
        self._log, self._clock = log, clock
        self._settings = settings or FollowingSettings()
        self._learning = Learning(state)
        self._changing = threading.Lock()
        self._applied = threading.Condition()
        self._next_ageing_s = -math.inf
        self._poked, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None
        self.on_model: Callable[[str], None] | None = None

    @property
    def applied_seq(self) -> int:
        """Number of the newest entry that readers see."""
        return self._learning.seq

    @property
    def skipped(self) -> Sequence[tuple[int, str]]:
        """The newest entries that could not be learnt, and why."""
        return self._learning.skipped

    @property
    def n_skipped(self) -> int:
        """Entries that could not be learnt."""
        return self._learning.n_skipped

    @contextmanager
    def read(self) -> Iterator[LiveState]:
        """The state, which stays as it is until the block ends; nobody waits for anybody."""
        with self._learning.read() as state:
            yield state

    @contextmanager
    def hold(self) -> Iterator[LiveState]:
        """The state while nothing is learnt; readers go on."""
        with self._learning.hold() as state:
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
            return self._applied.wait_for(lambda: self.applied_seq >= seq, timeout_s)

    def catch_up(self) -> int:
        """Learn all that the log holds, here and now; returns how many entries.

        Raises:
            GraphrecError: The log cannot be read.
        """
        n_learnt = 0
        while True:
            n_now = self._learn_next()
            n_learnt += n_now
            if n_now < self._settings.most_entries:
                return n_learnt

    def prepare(self, state: LiveState) -> Learning:
        """Have a state learn what the one in use knows, beside it; it is not read yet.

        Raises:
            GraphrecError: The log cannot be read.
        """
        learning = Learning(state)
        self._teach(learning)
        return learning

    def adopt(self, learning: Learning) -> None:
        """Put what `prepare` made in place of what is read.

        Readers do not wait; new entries wait until the new state knows all that the old one does.

        Raises:
            GraphrecError: The log cannot be read; nothing has changed.
        """
        with self._changing:
            self._teach(learning)
            self._learning = learning
            self._next_ageing_s = -math.inf

    def _teach(self, learning: Learning) -> None:
        """Let it learn what readers know by now, and nothing that they do not know yet."""
        while learning.seq < (last_seq := self.applied_seq):
            known = [e for e in self._entries_after(learning.seq) if e.seq <= last_seq]
            if not known:
                return
            learning.learn(known)

    def close(self) -> None:
        """Stop following; the state stays readable."""
        self._closed.set()
        self._poked.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._poked.clear()
            stamp = self._stamp()
            try:
                self.catch_up()
                self.failure = None
            except GraphrecError as error:
                self.failure = str(error)
                _LOG.warning("the log cannot be read, and the state stays as it is: %s", error)
                self._closed.wait(self._settings.retry_s)
                continue
            self._age()
            self._closed.wait(self._settings.gather_s)
            self._wait_for_more(stamp)

    def _stamp(self) -> object:
        return self._log.stamp() if isinstance(self._log, StampedLog) else None

    def _wait_for_more(self, stamp: object) -> None:
        """Wait until somebody pokes, the log's stamp is another one, or it is time to look."""
        end = time.monotonic() + self._settings.poll_s
        while (left := end - time.monotonic()) > 0:
            if self._poked.wait(left if stamp is None else min(left, _GLANCE_S)):
                return
            if stamp is not None and self._stamp() != stamp:
                return

    def _learn_next(self) -> int:
        with self._changing:
            entries = self._entries_after(self._learning.seq)
            if entries:
                self._learning.learn(entries)
        if entries:
            with self._applied:
                self._applied.notify_all()
            named = [entry.key for entry in entries if entry.kind == "model"]
            if named and self.on_model is not None:
                self.on_model(named[-1])
        return len(entries)

    def _age(self) -> None:
        """Let time pass, when it is due."""
        if self._clock is None or time.monotonic() < self._next_ageing_s:
            return
        self._next_ageing_s = time.monotonic() + self._settings.age_every_s
        try:
            with self._changing:
                self._learning.age(int(self._clock()))
        except Exception:  # noqa: BLE001 — a state that cannot age must not stop what follows
            _LOG.exception("the state could not age and stays as it is")

    def _entries_after(self, seq: int) -> Sequence[LoggedEntry]:
        return self._log.read(seq, self._settings.most_entries)
