"""Which bundle is in use: the log says so, and every process that follows it obeys."""

import json
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from graphrec.errors import GraphrecError, NoBundleError, SnapshotError, TrialError
from graphrec.serving.entries import Entry, EntryKind, NewEntry, Receipt, canonical_json
from graphrec.serving.following import Engine
from graphrec.serving.learning import Learning
from graphrec.serving.memory import settle_memory
from graphrec.serving.state_store import StateStore

_LOG = logging.getLogger(__name__)


class ModelLog(Protocol):
    """What is asked of the log."""

    @property
    def log_id(self) -> str:
        """Its own id."""

    def append(self, new: list[NewEntry]) -> list[Receipt]:
        """Make entries durable."""

    def newest(self, kind: EntryKind, limit: int) -> list[Entry]:
        """The newest entries of one kind."""

    def last_seq(self) -> int:
        """Number of the newest entry."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of asking a bundle recorded questions before it is used.

    Attributes:
        n_asked: Questions.
        faults: What was wrong with answers, in words; empty: nothing.
        overlap: Share of the items of the state in use that the new one shows as well, in [0, 1].
        slowest_ms: Time of its slowest answer, milliseconds.
    """

    n_asked: int
    faults: tuple[str, ...]
    overlap: float
    slowest_ms: float


class Models:
    """Puts bundles to use while requests are answered, and takes them back.

    A bundle is read, told all that the log holds since it was trained, and asked recorded
    questions. Then its name is appended to the log: this process and every other one that follows
    the log put it to use when they come to that entry.
    """

    def __init__(
        self,
        engine: Engine,
        store: StateStore,
        log: ModelLog,
        trial: Callable[[Learning], Trial],
        clock: Callable[[], float],
    ) -> None:
        """Change the states of `engine` to bundles of `store` that pass `trial`."""
        self._engine = engine
        self._store = store
        self._log = log
        self._trial = trial
        self._clock = clock
        self._named: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._prepared: tuple[str, Learning] | None = None
        self._one_at_a_time = threading.Lock()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None

    @property
    def in_use(self) -> str:
        """Name of the bundle that answers."""
        with self._engine.read() as state:
            return state.model

    def start(self) -> None:
        """Obey the log in a thread of its own until `close`."""
        self._engine.on_model = self._named.put
        self._thread = threading.Thread(target=self._obey, name="models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Obey no more."""
        self._named.put(None)
        if self._thread is not None:
            self._thread.join()

    def use(self, name: str, timeout_s: float) -> Trial:
        """Try a bundle, and have it used here and wherever the log is followed.

        Args:
            name: Name of a bundle in the store.
            timeout_s: Seconds to wait until this process uses it.

        Returns:
            How it answered the recorded questions.

        Raises:
            SnapshotError: There is no such bundle, or it is damaged or knows another log.
            TrialError: It failed its trial, or another one is being put to use. Nothing changed.
            StoreError: The log cannot be read or written.
        """
        if not self._one_at_a_time.acquire(blocking=False):
            raise TrialError("another bundle is being put to use — wait for it")
        try:
            learning = self._prepare(name)
            trial = self._trial(learning)
            if trial.faults:
                raise TrialError(
                    f"bundle {name} failed {len(trial.faults)} of {trial.n_asked} recorded "
                    f"questions and is not used: {trial.faults[0]}"
                )
            self._prepared = (name, learning)
            try:
                body = canonical_json({"before": self.in_use})
                self._log.append([NewEntry("model", name, int(self._clock()), body)])
                self._engine.poke()
                with self._changed:
                    if not self._changed.wait_for(lambda: self.in_use == name, timeout_s):
                        raise TrialError(f"bundle {name} is not in use after {timeout_s} s")
            finally:
                self._prepared = None
            return trial
        finally:
            self._one_at_a_time.release()

    def previous(self) -> str:
        """Name of the bundle that was in use before this one.

        Raises:
            NoBundleError: The log names none.
            StoreError: The log cannot be read.
        """
        newest = self._log.newest("model", 1)
        if not newest:
            raise NoBundleError(f"the log names no bundle before {self.in_use} — there is none")
        return str(json.loads(newest[0].body)["before"])

    def _prepare(self, name: str) -> Learning:
        state, origin = self._store.read_bundle(name)
        if origin.log_id not in (None, self._log.log_id) or origin.seq > self._log.last_seq():
            raise SnapshotError(
                f"bundle {name} knows log {origin.log_id} up to entry {origin.seq} — this is log "
                f"{self._log.log_id}, which ends at {self._log.last_seq()}"
            )
        state.model, state.seq = name, origin.seq
        return self._engine.prepare(state)

    def _obey(self) -> None:
        while (name := self._named.get()) is not None:
            try:
                if name != self.in_use:
                    prepared = self._prepared
                    known = prepared is not None and prepared[0] == name
                    learning = prepared[1] if prepared and known else self._prepare(name)
                    self._engine.adopt(learning)
                    settle_memory()
                    _LOG.info("bundle %s is in use", name)
                self.failure = None
            except GraphrecError as error:
                self.failure = f"bundle {name} cannot be used: {error}"
                _LOG.error("%s", self.failure)
            with self._changed:
                self._changed.notify_all()
