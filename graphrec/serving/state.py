"""What the engine knows: a pipeline and the ids of a log, kept up event by event."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphrec.errors import UnknownIdError
from graphrec.events.descriptions import ItemDescription
from graphrec.events.ids import Key
from graphrec.events.log import LEARNT_ROLES
from graphrec.events.user_properties import properties_of
from graphrec.pipeline import Pipeline
from graphrec.serving.changes import (
    Change,
    ItemDeleted,
    ItemPut,
    LiveEvent,
    Property,
    UserPut,
    kinds_of,
    refuse_change,
)
from graphrec.serving.impressions import ImpressionCounts, Shown
from graphrec.serving.prefixes import SortedTexts
from graphrec.serving.search import SearchIndex
from graphrec.stages import Interactions


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
        self.impressions = ImpressionCounts()
        # Shown lists of the past teach rankers; no answer needs them.
        dataset = pipeline.dataset = replace(pipeline.dataset, impressions=None)
        self._kinds = kinds_of(dataset)
        self.settle()
        self.search = SearchIndex(pipeline.catalogue)
        users = dataset.ids["user"].keys.drop_nulls().to_list()
        self.user_ids = SortedTexts(map(str, users))
        self.properties: dict[Key, Mapping[str, Property]] = properties_of(dataset.users)

    def __getstate__(self) -> dict[str, Any]:
        """All of it; properties as one text, which is one part however many there are."""
        properties = list(self.properties), json.dumps(list(self.properties.values()))
        return vars(self) | {"properties": properties}

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Be a copy, which makes anew what copies of stages start without."""
        users, properties = kept["properties"]
        vars(self).update(kept)
        self.properties = dict(zip(users, json.loads(properties), strict=True))
        self.settle()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the edge types that events may be of."""
        return tuple(self._kinds)

    def refuse(self, changes: Iterable[Change]) -> None:
        """Check what `apply` needs, and change nothing.

        Raises:
            DataError: An event is of a kind that the log does not have.
            UnknownIdError: An id is text where the log's are integers, or the other way round.
        """
        for change in changes:
            refuse_change(change, self._kinds, self.pipeline.dataset.ids)

    def refuse_ids(self, user_id: Key | None, item_ids: Iterable[Key]) -> None:
        """Check that ids are of the log's kind, and change nothing; None is nobody.

        Raises:
            UnknownIdError: One is text where the log's are integers, or the other way round.
        """
        ids = self.pipeline.dataset.ids
        if user_id is not None:
            ids["user"].refuse(user_id)
        for item_id in item_ids:
            ids["item"].refuse(item_id)

    def count_impressions(self, lists: Sequence[Shown]) -> None:
        """Learn lists that were shown."""
        self.impressions.absorb(lists, self.pipeline.dataset.ids["item"])

    def forget_user(self, user_id: Key) -> None:
        """Cut the tie between a user and what they did: they are as if they had never come.

        What many did together, such as which items are watched after each other, still counts it,
        without telling whose it was. Their properties are gone.
        """
        ids = self.pipeline.dataset.ids["user"]
        try:
            key = ids.key(ids.row(user_id))
        except UnknownIdError:
            return
        self.properties.pop(key, None)
        self.user_ids.drop(str(key))
        ids.forget(key)

    def settle(self) -> None:
        """Bring everything up to date, so that questions change nothing."""
        self.pipeline.settle()
        self.pipeline.catalogue.settle()

    def advance(self, now_s: int) -> None:
        """Let it be `now_s` (UTC seconds) though nothing has happened: what ages does."""
        self.pipeline.advance(now_s)
        self.pipeline.settle()

    def apply(self, changes: Sequence[Change]) -> None:
        """Learn changes: ids in their order, every stage of the pipeline, histories, the clock.

        Of what is said of one item or user the last holds.

        Raises:
            DataError: See `refuse`; nothing has changed then.
            UnknownIdError: The same.
        """
        self.refuse(changes)
        events: list[tuple[LiveEvent, int, int]] = []
        said: dict[int, ItemDescription] = {}
        deleted: set[int] = set()
        for change in changes:
            match change:
                case LiveEvent():
                    events.append((change, self._user(change.user_id), self._item(change.item_id)))
                case ItemPut():
                    row = self._item(change.item_id)
                    said[row] = change.said
                    deleted.discard(row)
                case ItemDeleted():
                    deleted.add(self._item(change.item_id))
                case UserPut():
                    row = self._user(change.user_id)
                    key = self.pipeline.dataset.ids["user"].key(row)
                    self.properties[key] = change.properties
        self._learn(events)
        if said or deleted:
            self._describe(said, deleted)
        self.impressions.settle(self.pipeline.dataset.ids["item"])
        self.pipeline.settle()

    def _user(self, user_id: Key) -> int:
        ids = self.pipeline.dataset.ids["user"]
        n_known = len(ids)
        row = ids.add(user_id)
        if len(ids) > n_known:
            self.user_ids.add(str(user_id))
        return row

    def _item(self, item_id: Key) -> int:
        return self.pipeline.dataset.ids["item"].add(item_id)

    def _describe(self, said: Mapping[int, ItemDescription], deleted: set[int]) -> None:
        catalogue = self.pipeline.catalogue
        before = {row: catalogue.description(row) for row in said}
        self.pipeline.describe_items(said, deleted)
        self.search.replace({row: (before[row], description) for row, description in said.items()})

    def _learn(self, told: Sequence[tuple[LiveEvent, int, int]]) -> None:
        ids = self.pipeline.dataset.ids
        events = [event for event, _, _ in told]
        user = np.array([row for _, row, _ in told], np.int32)
        item = np.array([row for _, _, row in told], np.int32)
        is_learnt = np.array([self._kinds[one.kind].role in LEARNT_ROLES for one in events], bool)
        every = Interactions(
            np.array([event.time_s for event in events], np.int64),
            user,
            item,
            np.array([event.weight for event in events], np.float32),
            len(ids["user"]),
            len(ids["item"]),
        )
        if is_learnt.any() or every.n_items > self.pipeline.catalogue.n_items:
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
