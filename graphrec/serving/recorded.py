"""The last questions that were asked, by which a new bundle is tried before it is used."""

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from graphrec.events.ids import Key
from graphrec.serving.asking import SlateQuestion
from graphrec.serving.messages import SlateOut
from graphrec.serving.models import Trial
from graphrec.serving.state import LiveState

Question = Callable[[LiveState], SlateOut]

_KEPT = 200
_USERS_ASKED = 20


class RecordedQuestions:
    """Questions as they were asked, the newest of them; any number of threads may add."""

    def __init__(self, kept: int = _KEPT) -> None:
        """Keep so many."""
        self._questions: deque[Question] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._questions)

    def add(self, question: Question) -> None:
        """Keep a question that was answered."""
        self._questions.append(question)

    def trial(self, now: LiveState, new: LiveState, extra: Sequence[Question] = ()) -> Trial:
        """Ask both states the questions, and compare.

        Answers are at fault that fail, that say that a stage failed, or that are empty where the
        state in use has any.

        Args:
            now: The state in use.
            new: The one that is tried.
            extra: Further questions.
        """
        faults, shared, slowest_ms = [], [], 0.0
        questions = [*self._questions, *extra]
        for question in questions:
            old = _items(question, now)
            began = time.perf_counter()
            try:
                answer = question(new)
            except Exception as error:  # noqa: BLE001 — whatever it is, the bundle is not used
                faults.append(f"{type(error).__name__}: {error}")
                continue
            slowest_ms = max(slowest_ms, 1000 * (time.perf_counter() - began))
            failed = [note for note in answer.notes if "failed" in note]
            if failed:
                faults.append(failed[0])
            elif old and not answer.items:
                faults.append(f"an empty slate where {len(old)} items stand now")
            if old:
                shared.append(len(old & {one.item_id for one in answer.items}) / len(old))
        overlap = float(np.mean(shared)) if shared else 0.0
        return Trial(len(questions), tuple(faults), overlap, slowest_ms)


def questions_of_users(
    state: LiveState, ask: Callable[[LiveState, int, SlateQuestion], SlateOut]
) -> list[Question]:
    """Questions of some users of a state, for when nobody has asked yet; one is a newcomer's.

    Args:
        state: The state in use.
        ask: Answers a request of a user's row, -1 for a newcomer.
    """
    n_users = len(state.pipeline.dataset.ids["user"])
    rows = [-1, *np.unique(np.linspace(0, max(n_users - 1, 0), _USERS_ASKED, dtype=int)).tolist()]

    def question(row: int) -> Question:
        return lambda one: ask(one, row, SlateQuestion())

    return [question(row) for row in rows if row < n_users]


def _items(question: Question, state: LiveState) -> set[Key]:
    """What a state shows; nothing where it fails."""
    try:
        return {one.item_id for one in question(state).items}
    except Exception:  # noqa: BLE001 — what already fails now speaks against no bundle
        return set()
