"""Lists that were shown: on their way into the log, and what is learnt of them from it."""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from jaxtyping import Int64
from pydantic import ValidationError

from graphrec.errors import GraphrecError, UnknownIdError
from graphrec.events.ids import IdMap, Key
from graphrec.serving.entries import NewEntry, Receipt, canonical_json
from graphrec.serving.impression_messages import ImpressionIn, ImpressionOut, ImpressionsOut
from graphrec.serving.recording import Recorder
from graphrec.serving.wrong_input import printable, problem_with, problems_of

MOST_WAITING: Final = 100_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A list that was shown, as it is learnt.

    Attributes:
        items: Items in the order of display.
        clicked: Those of them that were clicked.
    """

    items: tuple[Key, ...]
    clicked: tuple[Key, ...]


class ImpressionCounts:
    """How often each item was shown and clicked, by item row.

    What was shown of an id that has no row yet waits for its row, so that the counts are the same
    in whatever batches a log is learnt; beyond 100,000 such ids they are passed over.
    """

    def __init__(self) -> None:
        """Start without any impression."""
        self.shown: Int64[np.ndarray, " items"] = np.zeros(0, np.int64)
        self.clicked: Int64[np.ndarray, " items"] = np.zeros(0, np.int64)
        self.n_shown = 0
        self.n_clicked = 0
        self._waiting: dict[Key, tuple[int, int]] = {}

    def absorb(self, lists: Sequence[Shown], ids: IdMap) -> None:
        """Count lists that were shown, of items by `ids`."""
        self.settle(ids)
        for one in lists:
            self.n_shown += len(one.items)
            self.n_clicked += len(one.clicked)
            for key in one.items:
                self._count(key, 1, int(key in one.clicked), ids)

    def settle(self, ids: IdMap) -> None:
        """Have rows for all items, and count by row what waited for one."""
        more = len(ids) - len(self.shown)
        if more > 0:
            self.shown, self.clicked = (
                np.pad(self.shown, (0, more)),
                np.pad(self.clicked, (0, more)),
            )
        waiting, self._waiting = self._waiting, {}
        for key, (n_shown, n_clicked) in waiting.items():
            self._count(key, n_shown, n_clicked, ids)

    def _count(self, key: Key, n_shown: int, n_clicked: int, ids: IdMap) -> None:
        try:
            row = ids.row(key)
        except UnknownIdError:
            before = self._waiting.get(key, (0, 0))
            if key in self._waiting or len(self._waiting) < MOST_WAITING:
                self._waiting[key] = (before[0] + n_shown, before[1] + n_clicked)
            return
        self.shown[row] += n_shown
        self.clicked[row] += n_clicked


def shown_in(body: str) -> Shown:
    """The list that the body of an entry tells of.

    Raises:
        ValueError: It is none.
        KeyError: The same.
        TypeError: The same.
    """
    said = json.loads(body)
    return Shown(tuple(said["shown"]), tuple(said.get("clicked", ())))


class Knowing(Protocol):
    """A state that says which ids it takes."""

    def refuse_ids(self, user_id: Key | None, item_ids: Sequence[Key]) -> None:
        """Check ids, and change nothing."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is for those who tell something.

    Attributes:
        now_s: UTC seconds, for what comes without a time.
        latest_s: Latest time that is taken; None: any.
    """

    now_s: int
    latest_s: int | None


def entry_of(said: object, state: Knowing, clock: Clock) -> NewEntry | ImpressionOut:
    """The entry of an impression, or why there is none.

    Args:
        said: An impression as a JSON value.
        state: Knows ids.
        clock: What time it is.
    """
    try:
        one = ImpressionIn.model_validate(said)
    except ValidationError as error:
        found = said.get("impression_id") if isinstance(said, dict) else None
        return ImpressionOut(
            impression_id=printable(found, 256) if isinstance(found, str) else None,
            outcome="refused",
            problems=problems_of(error, "impression"),
        )
    at_s = clock.now_s if one.time_s is None else one.time_s
    if clock.latest_s is not None and at_s > clock.latest_s:
        return _refused(one, "time_s", at_s, f"at most {clock.latest_s}, just ahead of now")
    try:
        state.refuse_ids(one.user_id, one.shown)
    except UnknownIdError as error:
        is_user = str(error).startswith("user")
        field, value = ("user_id", one.user_id) if is_user else ("shown", one.shown)
        return _refused(one, field, value, str(error))
    body = one.model_dump(exclude={"impression_id"}, exclude_none=True)
    user_id = None if one.user_id is None else str(one.user_id)
    try:
        return NewEntry("impression", one.impression_id, at_s, canonical_json(body), user_id)
    except GraphrecError as error:
        return _refused(one, "impression_id", one.impression_id, str(error))


def stored_impressions(
    recorder: Recorder, found: Sequence[NewEntry | ImpressionOut]
) -> "Future[ImpressionsOut]":
    """Make impressions durable; a future of what became of each.

    Raises:
        StoreError: The log refuses or is overloaded; nothing is stored.
    """
    answer: Future[ImpressionsOut] = Future()

    def done(stored: "Future[list[ImpressionOut]]") -> None:
        if error := stored.exception():
            answer.set_exception(error)
            return
        told = stored.result()
        durable = [one.seq for one in told if one.seq is not None]
        answer.set_result(ImpressionsOut(results=told, seq=max(durable, default=None)))

    recorder.store(found, _told).add_done_callback(done)
    return answer


def _told(entry: NewEntry, receipt: Receipt) -> ImpressionOut:
    return ImpressionOut(impression_id=entry.key, outcome=receipt.outcome, seq=receipt.seq)


def _refused(one: ImpressionIn, field: str, value: object, rule: str) -> ImpressionOut:
    return ImpressionOut(
        impression_id=one.impression_id,
        outcome="refused",
        problems=problem_with(field, value, rule),
    )
