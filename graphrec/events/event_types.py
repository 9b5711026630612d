"""What an event type says: declared by the caller, or told from its name and its rows."""

from collections.abc import Collection, Sequence
from typing import Final

from graphrec.events.log import EdgeType, NodeType, Role

PUBLISHED_BY: Final = EdgeType("published_by", "item", "publisher", "describes")
HAS_KEYWORD: Final = EdgeType("has_keyword", "item", "keyword", "describes")
OCCURS: Final = EdgeType("occurs", "item", "keyword", "occurs")
SEARCH: Final = "search"

NODE_TYPES: Final[tuple[NodeType, ...]] = ("user", "item", "publisher", "keyword", "context")
MAX_TYPES: Final = 127
"""Edge types are counted in one signed byte."""

_ITEM_TYPES: Final = {kind.name: kind for kind in (PUBLISHED_BY, HAS_KEYWORD, OCCURS)}
_EXPLICIT: Final = frozenset({"rate", "rating"})
_NEGATIVE: Final = frozenset(
    {"skip", "dislike", "report", "hide", "block", "downvote", "unlike", "unfollow", "return"}
)


def default_role(name: str) -> Role:
    """The role of a user–item event type that nobody declared, by its name."""
    word = name.strip().lower()
    if word in _EXPLICIT:
        return "explicit"
    if word in _NEGATIVE:
        return "negative"
    return "search" if word == SEARCH else "positive"


def default_edge_type(name: str, filled: Collection[str]) -> EdgeType:
    """The edge type of an event type that nobody declared.

    Args:
        name: As written in the log.
        filled: Node types whose column holds an id in any row of that type.
    """
    if name in _ITEM_TYPES and "user" not in filled:
        return _ITEM_TYPES[name]
    if "context" in filled:
        target: NodeType = "item" if "item" in filled else "context"
        return EdgeType(name, "context", target, "occurs")
    if "publisher" in filled and "user" not in filled:
        return EdgeType(name, "item", "publisher", "describes")
    if "item" in filled or "keyword" not in filled:
        return EdgeType(name, "user", "item", default_role(name))
    return EdgeType(name, "user", "keyword", "search")


def with_type(
    edge_types: Sequence[EdgeType], wanted: EdgeType, *, declared: bool
) -> tuple[tuple[EdgeType, ...], int | None]:
    """The edge types with one that joins and says what `wanted` does, and where it stands.

    Args:
        edge_types: The types so far.
        wanted: The type to be found by its ends and role, or else added.
        declared: Whether the caller declared the types; then none is added.

    Returns:
        The types, and the position of the one found or added; None where it was not declared.
    """
    for index, kind in enumerate(edge_types):
        if (kind.source, kind.target, kind.role) == (wanted.source, wanted.target, wanted.role):
            return tuple(edge_types), index
    if declared:
        return tuple(edge_types), None
    return (*edge_types, wanted), len(edge_types)
