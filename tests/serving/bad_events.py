"""Fifty kinds of bad events: what is changed in a good one, the field at fault and its rule."""

import random
from typing import Any

GONE = object()
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

# A change of a good event, the field that is named, words of the rule.
KINDS: list[tuple[dict[str, Any], str, str]] = [
    ({"event_id": GONE}, "event_id", "required"),
    ({"event_id": None}, "event_id", "valid string"),
    ({"event_id": ""}, "event_id", "at least 1 character"),
    ({"event_id": "x" * 257}, "event_id", "at most 256"),
    ({"event_id": 7}, "event_id", "valid string"),
    ({"event_id": ["e"]}, "event_id", "valid string"),
    ({"event_id": {"id": "e"}}, "event_id", "valid string"),
    ({"event_id": "a\u0000b"}, "event_id", "NUL"),
    ({"event_id": "\ud800"}, "event_id", "valid string"),
    ({"event_type": GONE}, "event_type", "required"),
    ({"event_type": None}, "event_type", "valid string"),
    ({"event_type": ""}, "event_type", "at least 1 character"),
    ({"event_type": "wach"}, "event_type", "there are watch"),
    ({"event_type": "WATCH"}, "event_type", "there are watch"),
    ({"event_type": "watch\n"}, "event_type", "there are watch"),
    ({"event_type": "x" * 1000}, "event_type", "at most 256"),
    ({"event_type": True}, "event_type", "valid string"),
    ({"event_type": "\udfff"}, "event_type", "valid string"),
    ({"user_id": GONE}, "user_id", "required"),
    ({"user_id": None}, "user_id", "valid"),
    ({"user_id": ""}, "user_id", "at least 1 character"),
    ({"user_id": "x" * 257}, "user_id", "at most 256"),
    ({"user_id": 7}, "user_id", "user ids are text"),
    ({"user_id": 2**70}, "user_id", "less than or equal"),
    ({"user_id": 10**400}, "user_id", "valid"),
    ({"user_id": -(2**60)}, "user_id", "greater than or equal"),
    ({"user_id": 1.5}, "user_id", "valid"),
    ({"user_id": True}, "user_id", "valid"),
    ({"user_id": ["ann"]}, "user_id", "valid"),
    ({"user_id": {"id": "ann"}}, "user_id", "valid"),
    ({"user_id": "a\u0000b"}, "user_id", "pattern"),
    ({"user_id": "\ud83d"}, "user_id", "valid"),
    ({"item_id": GONE}, "item_id", "required"),
    ({"item_id": None}, "item_id", "valid"),
    ({"item_id": ""}, "item_id", "at least 1 character"),
    ({"item_id": 7}, "item_id", "item ids are text"),
    ({"item_id": "\u0000"}, "item_id", "pattern"),
    ({"item_id": DEEP}, "item_id", "valid"),
    ({"time_s": -1}, "time_s", "greater than or equal to 0"),
    ({"time_s": 2**41}, "time_s", "less than or equal"),
    ({"time_s": 10**4000}, "time_s", "less than or equal|valid integer"),
    ({"time_s": "2026-01-01"}, "time_s", "valid integer"),
    ({"time_s": 1.0}, "time_s", "valid integer"),
    ({"time_s": True}, "time_s", "valid integer"),
    ({"time_s": 2**39}, "time_s", "at most 300 s ahead"),
    ({"weight": -1}, "weight", "greater than or equal to 0"),
    ({"weight": 1e7}, "weight", "less than or equal"),
    ({"weight": float("inf")}, "weight", "finite|less than or equal"),
    ({"weight": None}, "weight", "valid number"),
    ({"weight": "much"}, "weight", "valid number"),
    ({"weight": [1]}, "weight", "valid number"),
    ({"colour": "red"}, "colour", "Extra inputs"),
    ({"": 1}, "", "Extra inputs"),
    ({"x" * 5000: 1}, "x" * 50, "Extra inputs"),
    ({"\ud800": 1}, "event", "valid string"),
    ({"__proto__": {"admin": True}}, "__proto__", "Extra inputs"),
]


def bad_event(number: int, kind: int) -> dict[str, Any]:
    """A good event with one change."""
    said = {"event_id": f"b{number}", "event_type": "watch", "user_id": "ann", "item_id": "d"}
    said |= KINDS[kind][0]
    return {name: value for name, value in said.items() if value is not GONE}


def mixed_kinds(n: int, seed: int) -> list[int]:
    """`n` kinds, each as often as the others, in a drawn order."""
    kinds = [i % len(KINDS) for i in range(n)]
    random.Random(seed).shuffle(kinds)
    return kinds
