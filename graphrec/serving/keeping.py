"""Snapshots beside the traffic: by the clock, when asked, and at the end."""

import logging
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphrec.errors import GraphrecError
from graphrec.serving.following import Engine
from graphrec.serving.memory import give_memory_back
from graphrec.serving.state_files import Origin, write_down
from graphrec.serving.state_store import StateStore

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 1.0
_REST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot that was written.

    Attributes:
        place: Its folder.
        seq: It knows every entry up to this number.
        held_s: Seconds for which nothing was learnt while the state was written down.
        took_s: Seconds until it was on disk.
    """

    place: Path
    seq: int
    held_s: float
    took_s: float


class Keeper:
    """Writes snapshots of what an engine knows; of several processes one at a time does.

    Readers never wait for it. What is learnt waits while arrays are copied in memory; writing them
    to the disk holds nobody up.
    """

    def __init__(self, engine: Engine, store: StateStore, log_id: str) -> None:
        """Keep the states of `engine`, which follows the log `log_id`, as often as `store` says."""
        self._engine = engine
        self._store = store
        self._log_id = log_id
        self._newest: tuple[str, int | None] | None = None
        self._newest_since = time.monotonic()
        self._rests_until = -math.inf
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: str | None = None
        self.last: KeptSnapshot | None = None

    def start(self) -> None:
        """Keep snapshots in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def keep(self) -> KeptSnapshot:
        """Write a snapshot now, after any that is being written.

        Raises:
            GraphrecError: It cannot be written; the older ones are as they were.
        """
        with self._store.alone(wait=True):
            return self._keep()

    def keep_if_new(self) -> KeptSnapshot | None:
        """Write a snapshot unless the newest one knows as much, or another process writes one.

        Raises:
            GraphrecError: It cannot be written.
        """
        with self._store.alone(wait=False) as alone:
            with self._engine.read() as state:
                model = state.model
            if not alone or self._store.newest_seq(model) == self._engine.applied_seq:
                return None
            return self._keep()

    def close(self) -> None:
        """Keep what is new, and end."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._try()

    def _run(self) -> None:
        while not self._closed.wait(min(_LOOK_S, self._store.settings.every_s / 2)):
            try:
                is_due = self._is_due()
            except OSError as error:
                self.failure = f"the store cannot be read: {error}"
                continue
            if is_due:
                self._try()

    def _is_due(self) -> bool:
        """Whether the newest snapshot, whoever wrote it, is too old or knows too little."""
        with self._engine.read() as state:
            model, known = state.model, state.seq
        seq = self._store.newest_seq(model)
        if self._newest not in (None, (model, seq)):
            self._newest_since = time.monotonic()
        self._newest = model, seq
        if known == seq or time.monotonic() < self._rests_until:
            return False
        rule, age_s = self._store.settings, time.monotonic() - self._newest_since
        return known - (seq or 0) >= rule.every_entries or age_s >= rule.every_s

    def _try(self) -> None:
        try:
            self.keep_if_new()
            self.failure = None
        except GraphrecError as error:
            self.failure = str(error)
            self._rests_until = time.monotonic() + min(_REST_S, self._store.settings.every_s)
            _LOG.warning("no snapshot was kept: %s", error)

    def _keep(self) -> KeptSnapshot:
        began = time.perf_counter()
        with self._engine.hold() as state:
            written = write_down(state, Origin(state.model, self._log_id, state.seq))
        held_s = time.perf_counter() - began
        place = self._store.write_snapshot(written)
        took_s = time.perf_counter() - began
        _LOG.info("snapshot %s kept in %.2f s", place, took_s)
        self.last = KeptSnapshot(place, written.origin.seq, held_s, took_s)
        del written
        give_memory_back()
        return self.last
