"""What learns entries of a log: two equal states, and what of the log they could not learn."""

import copy
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from graphrec.errors import GraphrecError
from graphrec.serving.left_right import LeftRight
from graphrec.serving.state import LiveEvent, LiveState

_LOG = logging.getLogger(__name__)
_SKIPPED_KEPT: Final = 100


class LoggedEntry(Protocol):
    """What is read of an entry."""

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


class Learning:
    """A state that is read while entries are learnt, one caller at a time.

    An entry that cannot be learnt is skipped and told of in `skipped`, and those around it are
    learnt: what has been acknowledged must not stop what comes after it.
    """

    def __init__(self, state: LiveState) -> None:
        """Go on from a state, which is nobody else's from now on."""
        self._states = LeftRight(state, copy.deepcopy(state))
        self.seq = state.seq
        self.skipped: list[tuple[int, str]] = []
        self.n_skipped = 0

    @contextmanager
    def read(self) -> Iterator[LiveState]:
        """The state, which stays as it is until the block ends; nobody waits for a change."""
        with self._states.read() as state:
            yield state

    @contextmanager
    def hold(self) -> Iterator[LiveState]:
        """The state as of the last change, while nothing is learnt; readers go on."""
        with self._states.hold() as state:
            yield state

    def learn(self, entries: Sequence[LoggedEntry]) -> None:
        """Learn entries that follow the last one; readers see them when this returns.

        Args:
            entries: In order, at least one.
        """
        events: list[tuple[int, LiveEvent]] = []
        for entry in entries:
            if entry.kind == "user_deleted":
                self._learn_events(events)
                events = []
                self._forget(entry.key)
            elif (event := self._event(entry)) is not None:
                events.append((entry.seq, event))
        self._learn_events(events)
        last_seq = entries[-1].seq
        self._states.change(lambda state: setattr(state, "seq", last_seq))
        self.seq = last_seq

    def age(self, now_s: int) -> None:
        """Let time pass, UTC seconds, though nothing happened."""
        self._states.change(lambda state: state.advance(now_s), _twin)

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

    def _learn_events(self, events: Sequence[tuple[int, LiveEvent]]) -> None:
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
            self._learn_events(events[:middle])
            self._learn_events(events[middle:])

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
