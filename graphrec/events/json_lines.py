"""Find the lines of a JSON Lines file that keep it from being read as a table."""

import json
from pathlib import Path
from typing import Any

from graphrec.errors import Fault
from graphrec.events.validation import FaultList, shorten

_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}


def first_faults(path: Path) -> list[Fault]:
    """The faults of a file that could not be read, at most as many as are kept.

    Args:
        path: A JSON Lines file.

    Returns:
        One fault per line that is not UTF-8, not a whole JSON object, or holds a value of another
        kind than the same key held before; empty where no line is to blame.
    """
    faults = FaultList()
    kinds: dict[str, str] = {}
    row = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            row += 1
            fault = _fault_of(line, row, path.name, kinds)
            if fault is not None:
                faults.add(fault)
    return faults.kept


def _fault_of(line: bytes, row: int, file: str, kinds: dict[str, str]) -> Fault | None:
    try:
        values = json.loads(line, object_pairs_hook=_object)
    except UnicodeDecodeError:
        return Fault(file, row, "", shorten(line.rstrip()), "text files are UTF-8")
    except _TwinKeyError as error:
        return Fault(file, row, str(error), "", "a key stands once in a line")
    except ValueError:
        return Fault(file, row, "", shorten(line.rstrip()), "every line is one whole JSON object")
    if not isinstance(values, dict):
        return Fault(file, row, "", shorten(line.rstrip()), "every line is one JSON object")
    for key, value in values.items():
        if value is None:
            continue
        kind = _KINDS.get(type(value), "an object")
        first = kinds.setdefault(key, kind)
        if kind != first:
            return Fault(file, row, key, shorten(value), f"a column holds one kind: {first} so far")
    return None


class _TwinKeyError(Exception):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise _TwinKeyError(key)
        seen[key] = value
    return seen
