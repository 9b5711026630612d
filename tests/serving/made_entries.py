"""Entries to store in tests."""

from graphrec.serving.entries import EntryKind, NewEntry, canonical_json


def event(key: str, user: str = "ann", **more: object) -> NewEntry:
    body = canonical_json({"user": user, "item": "tea", **more})
    return NewEntry("event", key, 1_700_000_000, body, user)


def put(kind: EntryKind, key: str, **body: object) -> NewEntry:
    return NewEntry(kind, key, 1_700_000_001, canonical_json(body), key if kind == "user" else None)


def events(n: int, start: int = 0, **more: object) -> list[NewEntry]:
    return [event(f"e{i}", **more) for i in range(start, start + n)]
