"""What entries of the log tell a live state: events, and descriptions of items and users."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from graphrec.errors import DataError
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription
from graphrec.events.ids import IdMap, Key
from graphrec.events.log import EdgeType, NodeType

Property = str | bool | int | float


class LoggedEntry(Protocol):
    """What is read of an entry."""

    @property
    def seq(self) -> int:
        """Its number in the log."""

    @property
    def kind(self) -> str:
        """What it is about; see `change_of` for kinds that are learnt."""

    @property
    def key(self) -> str:
        """Id of what it is about."""

    @property
    def time_s(self) -> int:
        """When it happened, UTC seconds."""

    @property
    def body(self) -> str:
        """JSON."""


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


@dataclass(frozen=True, slots=True)
class ItemPut:
    """All that is said of an item, in place of what was said before.

    Attributes:
        item_id: The item; where it was deleted it is shown again.
        said: Its description.
    """

    item_id: Key
    said: ItemDescription


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """An item is not to be shown until it is put again."""

    item_id: Key


@dataclass(frozen=True, slots=True)
class UserPut:
    """Properties of a user, in place of those before.

    Attributes:
        user_id: The user.
        properties: Whatever the caller keeps there.
    """

    user_id: Key
    properties: Mapping[str, Property]


Change = LiveEvent | ItemPut | ItemDeleted | UserPut


def change_of(entry: LoggedEntry) -> Change | None:
    """What an entry changes; None of a kind that is no such change.

    Raises:
        ValueError: Its body is no JSON, or a number in it is none.
        KeyError: Something is missing from it.
        TypeError: It holds something of another type.
    """
    if entry.kind not in ("event", "item", "item_deleted", "user"):
        return None
    said = json.loads(entry.body)
    match entry.kind:
        case "event":
            weight = float(said.get("weight", 1.0))
            event_type, user_id, item_id = said["event_type"], said["user_id"], said["item_id"]
            return LiveEvent(entry.time_s, event_type, user_id, item_id, weight)
        case "item":
            return ItemPut(said["item_id"], _description(said))
        case "item_deleted":
            return ItemDeleted(said["item_id"])
    return UserPut(said["user_id"], dict(said["properties"]))


def kinds_of(dataset: Dataset) -> dict[str, EdgeType]:
    """What users may do with items, by name."""
    return {
        kind.name: kind
        for kind in dataset.log.edge_types
        if kind.source == "user" and kind.target == "item"
    }


def refuse_change(
    change: Change, kinds: Mapping[str, EdgeType], ids: Mapping[NodeType, IdMap]
) -> None:
    """Check that a change can be learnt.

    Raises:
        DataError: An event is of a kind that the log does not have.
        UnknownIdError: An id is text where the log's are integers, or the other way round.
    """
    if isinstance(change, LiveEvent) and change.kind not in kinds:
        raise DataError(f"no event type {change.kind!r} — there are {', '.join(kinds)}")
    if isinstance(change, LiveEvent | UserPut):
        ids["user"].refuse(change.user_id)
    if not isinstance(change, UserPut):
        ids["item"].refuse(change.item_id)


def _description(said: Mapping[str, object]) -> ItemDescription:
    title, published_s = said.get("title"), said.get("published_s")
    if not isinstance(title, str | None) or not isinstance(published_s, int | None):
        raise TypeError(f"title {title!r}, published_s {published_s!r} — text, a whole number")
    return ItemDescription(
        title, _texts(said.get("publishers", [])), _texts(said.get("keywords", [])), published_s
    )


def _texts(said: object) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise TypeError(f"names {said!r} — a list of texts")
    return tuple(dict.fromkeys(said))
