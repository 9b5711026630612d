"""Items and users: what is said of them is made durable, and what is known of them is told."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np

from graphrec.errors import DataError, UnknownIdError
from graphrec.events.ids import Key
from graphrec.serving.catalogue_messages import (
    FoundItemsOut,
    ItemFactsOut,
    ItemIn,
    ItemOneOut,
    StoredOut,
    UserIn,
    UserOut,
    UsersOut,
)
from graphrec.serving.entries import EntryKind, NewEntry, Receipt, canonical_json
from graphrec.serving.following import Engine
from graphrec.serving.prefixes import SortedTexts
from graphrec.serving.state import LiveState

Submit = Callable[[list[NewEntry]], "Future[list[Receipt]]"]


class Descriptions:
    """Takes and tells descriptions of items and users; any number of threads may call it."""

    def __init__(self, submit: Submit, engine: Engine, clock: Callable[[], float]) -> None:
        """Make durable by `submit` what `engine` learns from; `clock` tells UTC seconds."""
        self._submit = submit
        self._engine = engine
        self._clock = clock

    def put_item(self, item_id: str, said: ItemIn) -> "Future[StoredOut]":
        """Replace all that is known of an item; one that was deleted is shown again.

        Returns:
            A future of its number; done once it is durable.

        Raises:
            StoreError: The log refuses or is overloaded; nothing is stored.
            DataError: The id is none that the log could hold.
        """
        body = {
            "publishers": list(dict.fromkeys(said.publishers)),
            "keywords": list(dict.fromkeys(said.keywords)),
        }
        rest = {"title": said.title, "published_s": said.published_s}
        given = {name: value for name, value in rest.items() if value is not None}
        return self._store("item", item_id, body | given)

    def delete_item(self, item_id: str) -> "Future[StoredOut]":
        """Have an item shown no more, until it is put again; its events stay.

        Raises:
            StoreError: The log refuses or is overloaded; nothing is stored.
            DataError: The id is none that the log could hold.
        """
        return self._store("item_deleted", item_id, {})

    def put_user(self, user_id: str, said: UserIn) -> "Future[StoredOut]":
        """Replace the properties of a user, who is known from then on.

        Raises:
            StoreError: The log refuses or is overloaded; nothing is stored.
            DataError: The id is none that the log could hold.
        """
        return self._store("user", user_id, {"properties": dict(said.properties)})

    def item(self, item_id: str) -> ItemOneOut:
        """What is known of an item.

        Raises:
            UnknownIdError: Nobody told of it, or it was deleted.
        """
        with self._engine.read() as state:
            row = state.pipeline.dataset.ids["item"].row(item_id)
            if state.pipeline.catalogue.is_deleted(row):
                raise UnknownIdError(f"item {item_id!r} was deleted — put it again to show it")
            return ItemOneOut(**_facts(state, row).model_dump(), seq=state.seq)

    def search(self, query: str, k: int) -> FoundItemsOut:
        """The best `k` items that bear every word of a query."""
        with self._engine.read() as state:
            items = [_facts(state, row) for row in state.search.find(query, k)]
            return FoundItemsOut(items=items, seq=state.seq)

    def user(self, user_id: str) -> UserOut:
        """What is known of a user.

        Raises:
            UnknownIdError: Nobody has that id.
        """
        with self._engine.read() as state:
            pipeline = state.pipeline
            ids = pipeline.dataset.ids["user"]
            row = ids.row(user_id)
            past = pipeline.queries_of(np.array([row], np.int32))
            n_events = len(past.history_item)
            key = ids.key(row)
            return UserOut(
                user_id=key,
                properties=dict(state.properties.get(key, {})),
                n_events=n_events,
                newest_event_s=int(past.history_time_s[0]) if n_events else None,
                seq=state.seq,
            )

    def users(self, prefix: str, k: int) -> UsersOut:
        """The first `k` users whose ids begin so."""
        with self._engine.read() as state:
            return UsersOut(users=_first(state.user_ids, prefix, k), seq=state.seq)

    def _store(self, kind: EntryKind, text: str, body: Mapping[str, Any]) -> "Future[StoredOut]":
        node = "user_id" if kind == "user" else "item_id"
        key = self._key(kind, text)
        entry = NewEntry(
            kind,
            str(key),
            int(self._clock()),
            canonical_json({**body, node: key}),
            str(key) if kind == "user" else None,
        )
        answer: Future[StoredOut] = Future()

        def done(stored: "Future[list[Receipt]]") -> None:
            if error := stored.exception():
                answer.set_exception(error)
                return
            self._engine.poke()
            answer.set_result(StoredOut(seq=stored.result()[0].seq))

        self._submit([entry]).add_done_callback(done)
        return answer

    def _key(self, kind: EntryKind, text: str) -> Key:
        """The key that a text in a path stands for.

        Raises:
            DataError: Keys are integers, and it is none.
        """
        with self._engine.read() as state:
            ids = state.pipeline.dataset.ids["user" if kind == "user" else "item"]
            try:
                return ids.key(ids.row(text))
            except UnknownIdError:
                key = ids.key_of(text)
            try:
                ids.refuse(key)
            except UnknownIdError as error:
                raise DataError(str(error)) from error
            return key


def _facts(state: LiveState, row: int) -> ItemFactsOut:
    catalogue = state.pipeline.catalogue
    said = catalogue.description(row)
    return ItemFactsOut(
        item_id=state.pipeline.dataset.ids["item"].key(row),
        title=said.title,
        publishers=list(said.publishers),
        keywords=list(said.keywords),
        published_s=said.published_s,
        n_events=int(catalogue.n_events[row]),
    )


def _first(texts: SortedTexts, prefix: str, k: int) -> list[str]:
    return [text for _, text in zip(range(k), texts.starting_with(prefix), strict=False)]
