"""What the HTTP door asks for: events are made durable, slates are made of the live state."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphrec.errors import GraphrecError, UnknownIdError
from graphrec.events.ids import Key
from graphrec.pipeline import Pipeline
from graphrec.pipeline.request import after_visit
from graphrec.serving.asking import SlateQuestion, page_of
from graphrec.serving.changes import LiveEvent
from graphrec.serving.describing import Descriptions
from graphrec.serving.entries import Forgotten, NewEntry, Receipt, canonical_json
from graphrec.serving.following import Engine
from graphrec.serving.impression_messages import ImpressionsOut
from graphrec.serving.impressions import Clock, entry_of, stored_impressions
from graphrec.serving.messages import (
    EventIn,
    EventOut,
    EventsOut,
    ForgottenOut,
    HistoryOut,
    SlateOut,
    StatusOut,
    WatchedOut,
)
from graphrec.serving.neighbourhood import n_edges_of
from graphrec.serving.recorded import Question, RecordedQuestions
from graphrec.serving.recording import AppendLog, Recorder
from graphrec.serving.state import LiveState
from graphrec.serving.watching import Watcher, Watchers
from graphrec.serving.wrong_input import printable, problem_with, problems_of
from graphrec.stages import Queries


class ServiceSettings(BaseModel):
    """How events are taken and what time it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock: Literal["wall", "log"] = Field(
        "wall",
        description="As of when slates are made: wall: now; log: just past the newest event, for "
        "a log of another time, such as a simulated world's.",
    )
    most_ahead_s: int = Field(
        300,
        ge=0,
        le=10**9,
        description="Seconds that an event may lie ahead of this machine's clock; not looked at "
        "with clock `log`.",
    )
    most_behind: int = Field(
        50_000,
        ge=1,
        le=10**9,
        description="Entries by which slates may lag behind the log; beyond, callers who write are "
        "told to wait (429), so that no slate is staler than that.",
    )


class Service:
    """Takes events and makes slates; any number of threads may call it."""

    def __init__(
        self,
        log: AppendLog,
        engine: Engine,
        settings: ServiceSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Record in `log` what `engine`, which follows it, learns from."""
        self._log = log
        self._engine = engine
        self._settings = settings or ServiceSettings()
        self._recorder = Recorder(log, engine, self._settings.most_behind)
        self._clock = clock
        self.recorded = RecordedQuestions()
        self.watcher: Watcher = Watchers()

    @property
    def engine(self) -> Engine:
        """Holds the state that answers are made of."""
        return self._engine

    @property
    def descriptions(self) -> Descriptions:
        """What is said and known of items and users."""
        return Descriptions(self._log.submit, self._engine, self._clock)

    def record(self, said: Sequence[object]) -> "Future[EventsOut]":
        """Make events durable; those that are refused leave no trace, and the others are stored.

        Args:
            said: Events as JSON values.

        Returns:
            A future of what became of each; done once the log has answered.

        Raises:
            StoreError: The log refuses or is overloaded; nothing is stored.
        """
        found = [self._entry(value) for value in said]
        answer: Future[EventsOut] = Future()

        def done(stored: "Future[list[EventOut]]") -> None:
            if error := stored.exception():
                answer.set_exception(error)
                return
            told = stored.result()
            durable = [one.seq for one in told if one.seq is not None]
            out = EventsOut(results=told, seq=max(durable, default=None))
            self.watcher.recorded(out)
            answer.set_result(out)

        self._recorder.store(found, _event_told).add_done_callback(done)
        return answer

    def record_impressions(self, said: Sequence[object]) -> "Future[ImpressionsOut]":
        """The same of lists that were shown."""
        now_s = int(self._clock())
        with self._engine.read() as state:
            clock = Clock(
                state.pipeline.cut_s if self._settings.clock == "log" else now_s,
                None if self._settings.clock == "log" else now_s + self._settings.most_ahead_s,
            )
            found = [entry_of(value, state, clock) for value in said]
        return stored_impressions(self._recorder, found)

    def forget(self, user_id: str) -> "Future[ForgottenOut]":
        """Remove a user's events from the log and cut their tie to all that was learnt.

        Returns:
            A future of what was removed; done once that is durable.

        Raises:
            StoreError: The log refuses or is overloaded; nothing is removed.
            DataError: `user_id` is no id.
        """
        answer: Future[ForgottenOut] = Future()

        def done(removed: "Future[Forgotten]") -> None:
            if error := removed.exception():
                answer.set_exception(error)
                return
            self._engine.poke()
            found = removed.result()
            answer.set_result(ForgottenOut(n_removed=found.n_removed, seq=found.seq))

        self._log.submit_forget(user_id).add_done_callback(done)
        return answer

    def recommend(self, user_id: Key, question: SlateQuestion) -> SlateOut:
        """A slate of one user; who is not known gets what newcomers get.

        Raises:
            GraphrecError: The question names somebody unknown, or breaks a rule.
        """

        def ask(state: LiveState) -> SlateOut:
            pipeline = state.pipeline
            try:
                row = pipeline.dataset.ids["user"].row(user_id)
            except UnknownIdError:
                row = -1
            return self.slate_of_row(state, row, question, f"user {user_id}")

        return self._recorded_answer(ask)

    def recommend_session(
        self, question: SlateQuestion, about: str = "somebody anonymous"
    ) -> SlateOut:
        """A slate of somebody anonymous who watched the question's items, newest first.

        Args:
            question: The question.
            about: What all pages of it are of.

        Raises:
            UnknownIdError: An item is not known.
            GraphrecError: The question names somebody unknown, or breaks a rule.
        """

        def ask(state: LiveState) -> SlateOut:
            nobody = np.empty(0, np.int32)
            queries = Queries.of_sessions([nobody], self._now_s(state.pipeline))
            return self._slate(state, about, queries, question)

        return self._recorded_answer(ask)

    def slate_of_row(
        self, state: LiveState, user_row: int, question: SlateQuestion, about: str = "somebody"
    ) -> SlateOut:
        """A slate of a user's row, -1 for a newcomer, as of now."""
        now_s = self._now_s(state.pipeline)
        queries = state.pipeline.queries_of(np.array([user_row], np.int32), now_s)
        return self._slate(state, about, queries, question)

    def history(self, user_id: Key, limit: int) -> HistoryOut:
        """The newest items of a user.

        Raises:
            UnknownIdError: Nobody has that id.
        """
        with self._engine.read() as state:
            pipeline = state.pipeline
            row = pipeline.dataset.ids["user"].row(user_id)
            queries = pipeline.queries_of(np.array([row], np.int32))
            items = [
                WatchedOut(item_id=one.item_id, title=one.title)
                for one in pipeline.past(queries, 0, limit=limit)
            ]
            return HistoryOut(items=items, seq=state.seq)

    def status(self) -> StatusOut:
        """How the engine is."""
        with self._engine.read() as state:
            ids = state.pipeline.dataset.ids
            failure = self._engine.failure
            return StatusOut(
                ready=failure is None,
                seq=state.seq,
                n_users=len(ids["user"]),
                n_items=len(ids["item"]),
                n_edges=n_edges_of(state.pipeline),
                n_skipped=self._engine.n_skipped,
                n_behind=self._recorder.n_behind,
                n_shown=state.impressions.n_shown,
                n_clicked=state.impressions.n_clicked,
                objectives=state.pipeline.objectives,
                failure=failure,
            )

    def n_behind(self) -> int:
        """Entry numbers given out that slates do not know of yet.

        Raises:
            StoreError: The log cannot be read.
        """
        return max(0, self._log.last_seq() - self._engine.applied_seq)

    def _recorded_answer(self, ask: Question) -> SlateOut:
        with self._engine.read() as state:
            answer = ask(state)
        self.recorded.add(ask)
        return answer

    def _slate(
        self, state: LiveState, about: str, queries: Queries, question: SlateQuestion
    ) -> SlateOut:
        started = time.perf_counter()
        pipeline = state.pipeline
        ids = pipeline.dataset.ids["item"]
        page = page_of(about, question, ids)
        visit = np.array([ids.row(key) for key in question.items], np.int32)
        slate = pipeline.recommend(after_visit(queries, visit), page.request)
        found = page.answer(
            pipeline.describe(slate, 0),
            slate.notes,
            seq=state.seq,
            time_s=int(queries.time_s[0]),
        )
        self.watcher.made(found, time.perf_counter() - started)
        return found

    def _now_s(self, pipeline: Pipeline) -> int:
        """As of when to ask: never before what is known."""
        if self._settings.clock == "log":
            return pipeline.cut_s
        return max(pipeline.cut_s, int(self._clock()))

    def _entry(self, said: object) -> NewEntry | EventOut:
        """The entry of an event, or why there is none."""
        try:
            event = EventIn.model_validate(said)
        except ValidationError as error:
            return EventOut(event_id=_id_of(said), outcome="refused", problems=problems_of(error))
        now_s = int(self._clock())
        with self._engine.read() as state:
            if event.time_s is not None:
                at_s = event.time_s
            else:
                at_s = state.pipeline.cut_s if self._settings.clock == "log" else now_s
            if self._settings.clock == "wall" and at_s > now_s + self._settings.most_ahead_s:
                rule = f"at most {self._settings.most_ahead_s} s ahead of {now_s}"
                return _refused(event, "time_s", at_s, rule)
            live = LiveEvent(at_s, event.event_type, event.user_id, event.item_id, event.weight)
            try:
                state.refuse([live])
            except UnknownIdError as error:
                field = "user_id" if str(error).startswith("user") else "item_id"
                return _refused(event, field, getattr(event, field), str(error))
            except GraphrecError as error:
                return _refused(event, "event_type", event.event_type, str(error))
        body = event.model_dump(exclude={"event_id"}, exclude_none=True)
        try:
            return NewEntry("event", event.event_id, at_s, canonical_json(body), str(event.user_id))
        except GraphrecError as error:
            return _refused(event, "event_id", event.event_id, str(error))


def _event_told(entry: NewEntry, receipt: Receipt) -> EventOut:
    return EventOut(event_id=entry.key, outcome=receipt.outcome, seq=receipt.seq)


def _refused(event: EventIn, field: str, value: object, rule: str) -> EventOut:
    return EventOut(
        event_id=event.event_id, outcome="refused", problems=problem_with(field, value, rule)
    )


def _id_of(said: object) -> str | None:
    found = said.get("event_id") if isinstance(said, dict) else None
    return printable(found, 256) if isinstance(found, str) else None
