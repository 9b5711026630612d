"""What learns entries of a log: two equal states, and what of the log they could not learn."""

import copy
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from graphrec.errors import GraphrecError
from graphrec.serving.changes import Change, LoggedEntry, change_of
from graphrec.serving.impressions import shown_in
from graphrec.serving.left_right import LeftRight
from graphrec.serving.state import LiveState

_LOG = logging.getLogger(__name__)
_SKIPPED_KEPT: Final = 100


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
        changes: list[tuple[int, Change]] = []
        with self._states.read() as state:
            read = [self._change(entry, state) for entry in entries]
        for entry, change in zip(entries, read, strict=True):
            if entry.kind == "user_deleted":
                self._learn_changes(changes)
                changes = []
                self._forget(entry.key)
            elif change is not None:
                changes.append((entry.seq, change))
        self._count_impressions(entries)
        last_seq = entries[-1].seq
        self._learn_changes(changes, last_seq)
        self.seq = last_seq

    def age(self, now_s: int) -> None:
        """Let time pass, UTC seconds, though nothing happened."""
        self._states.change(lambda state: state.advance(now_s), _twin)

    def _change(self, entry: LoggedEntry, state: LiveState) -> Change | None:
        """What an entry changes, if it can be learnt."""
        try:
            change = change_of(entry)
            if change is not None:
                state.refuse([change])
        except (GraphrecError, ValueError, KeyError, TypeError) as error:
            self._skip(entry.seq, error)
            return None
        return change

    def _learn_changes(self, changes: Sequence[tuple[int, Change]], seq: int | None = None) -> None:
        """Learn changes together; where that fails, halves of them, down to the one that fails.

        Args:
            changes: With the numbers of their entries.
            seq: Number up to which all is known then; None: that is not so yet.
        """
        if not changes and seq is None:
            return

        def learn(state: LiveState) -> None:
            if changes:
                state.apply([one for _, one in changes])
            if seq is not None:
                state.seq = seq

        try:
            self._states.change(learn, _twin)
        except Exception as error:  # noqa: BLE001 — one change must not stop all that follow
            if len(changes) == 1:
                self._skip(changes[0][0], error)
                self._learn_changes([], seq)
                return
            middle = len(changes) // 2
            self._learn_changes(changes[:middle])
            self._learn_changes(changes[middle:], seq)

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
