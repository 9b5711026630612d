"""What the engine knows: a pipeline and the ids of a log, kept up event by event."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphrec.errors import DataError
from graphrec.events.ids import Key
from graphrec.events.log import LEARNT_ROLES, EdgeType
from graphrec.pipeline import Pipeline
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """What somebody did with an item.

    Attributes:
        time_s: When, UTC seconds.
        kind: Name of its edge type, such as `watch`.
        user_id: Who.
        item_id: What with.
        weight: Strength or rating, unitless, >= 0.
    """

    time_s: int
    kind: str
    user_id: Key
    item_id: Key
    weight: float = 1.0


class LiveState:
    """A pipeline that learns what has happened, and whose ids grow with it.

    `seq` is for whoever follows a log: every entry up to that number is known here. Each change
    brings all stages up to date, so that any number of threads may ask until the next one.

    Events in any order and in any batches lead to the state that one batch of them leads to, as far
    as sources and features promise it of theirs.
    """

    def __init__(self, pipeline: Pipeline, model: str = "start") -> None:
        """Follow on from what `pipeline` knows, which is the bundle named `model`."""
        self.pipeline = pipeline
        self.seq = 0
        self.model = model
        dataset = pipeline.dataset
        self._kinds: Mapping[str, EdgeType] = {
            kind.name: kind
            for kind in dataset.log.edge_types
            if kind.source == "user" and kind.target == "item"
        }
        pipeline.settle()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the edge types that events may be of."""
        return tuple(self._kinds)

    def refuse(self, events: Iterable[LiveEvent]) -> None:
        """Check what `apply` needs, and change nothing.

        Raises:
            DataError: An event is of a kind that the log does not have.
            UnknownIdError: An id is text where the log's are integers, or the other way round.
        """
        ids = self.pipeline.dataset.ids
        for event in events:
            if event.kind not in self._kinds:
                raise DataError(
                    f"no event type {event.kind!r} — there are {', '.join(self._kinds)}"
                )
            ids["user"].refuse(event.user_id)
            ids["item"].refuse(event.item_id)

    def forget_user(self, user_id: Key) -> None:
        """Cut the tie between a user and what they did: they are as if they had never come.

        What many did together, such as which items are watched after each other, still counts it,
        without telling whose it was.
        """
        self.pipeline.dataset.ids["user"].forget(user_id)

    def advance(self, now_s: int) -> None:
        """Let it be `now_s` (UTC seconds) though nothing has happened: what ages does."""
        self.pipeline.advance(now_s)
        self.pipeline.settle()

    def apply(self, events: Sequence[LiveEvent]) -> None:
        """Learn events: ids, every stage of the pipeline, histories, the clock.

        Raises:
            DataError: See `refuse`; nothing has changed then.
            UnknownIdError: The same.
        """
        self.refuse(events)
        ids = self.pipeline.dataset.ids
        user = np.array([ids["user"].add(event.user_id) for event in events], np.int32)
        item = np.array([ids["item"].add(event.item_id) for event in events], np.int32)
        role = np.array([self._kinds[event.kind].role for event in events], object)
        is_learnt = np.isin(role, list(LEARNT_ROLES)) if len(events) else np.zeros(0, bool)
        every = Interactions(
            np.array([event.time_s for event in events], np.int64),
            user,
            item,
            np.array([event.weight for event in events], np.float32),
            len(ids["user"]),
            len(ids["item"]),
        )
        if is_learnt.any():
            learnt = every.take(is_learnt)
            self.pipeline.absorb(
                Interactions(
                    learnt.time_s,
                    learnt.user_row,
                    learnt.item_row,
                    np.ones(len(learnt), np.float32),
                    learnt.n_users,
                    learnt.n_items,
                )
            )
        for name in self.pipeline.streams:
            of_stream = np.array([event.kind == name for event in events], bool)
            if of_stream.any():
                self.pipeline.absorb_stream(name, every.take(of_stream))
        self.pipeline.settle()
