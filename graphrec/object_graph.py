"""A graph of objects as JSON, arrays and tables, and back, without pickle.

Reading makes instances of the library's own classes by `__new__` and fills them in, and calls
nothing else that a file could name: a class may be of `graphrec` and of no other package. What a
class keeps is what `copy.deepcopy` would copy of it, so `__getstate__` and `__setstate__` say it
where that is not all. Objects that stand in several places are one object again.
"""

import base64
import hashlib
import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Shaped
from pydantic import BaseModel

from graphrec.errors import DataError, SnapshotError

_OURS: Final = "graphrec."
_FEWEST_PACKED: Final = 32
_INT64: Final = 2**63
_COLUMN: Final = "values"
_SEQUENCES: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


@dataclass(frozen=True, slots=True)
class FlatObject:
    """An object and all that it refers to.

    Attributes:
        nodes: One JSON value for each object; they refer to each other by place, the first is the
            object itself.
        arrays: Arrays that nodes name.
        tables: Tables that nodes name.
        code: Hash of the modules that define the classes, hex.
    """

    nodes: list[Any]
    arrays: Mapping[str, Shaped[np.ndarray, " ..."]]
    tables: Mapping[str, pl.DataFrame]
    code: str


def flatten(root: object) -> FlatObject:
    """Write down an object; arrays are copies, so that the object may change afterwards.

    Args:
        root: The object; a list of them where plain values are to be kept.

    Raises:
        DataError: It refers to something that cannot be written down, such as an open file, or an
            object of another package.
    """
    flattening = _Flattening()
    flattening.refer(root, "object")
    nodes = flattening.nodes
    code = _code_hash(_classes_of(nodes))
    return FlatObject(nodes, flattening.arrays, flattening.tables, code)


def rebuild(flat: FlatObject) -> Any:
    """The object that `flatten` wrote down; arrays are taken over and not copied.

    Raises:
        SnapshotError: It was written by other code, or names a class that is none of ours.
    """
    try:
        classes = {name: _class_named(name) for name in _classes_of(flat.nodes)}
        if _code_hash(classes) != flat.code:
            raise SnapshotError(
                "it was written by another version of graphrec — learn it anew from the log"
            )
        return _Rebuilding(flat, classes).object_at(0)
    except (ImportError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotError(f"its objects cannot be made again — {error}") from error


class _Flattening:
    """Nodes made so far, by the identity of what they describe."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, Shaped[np.ndarray, " ..."]] = {}
        self.tables: dict[str, pl.DataFrame] = {}
        self._place: dict[int, int] = {}
        # What is described has to live as long as its identity is looked up.
        self._described: list[object] = []

    def refer(self, value: object, path: str) -> Any:
        """A value that JSON has, or the place of its node."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if isinstance(value, int | float) and kind in (int, float):
            if kind is int and -_INT64 <= value < _INT64:
                return value
            if kind is float and math.isfinite(value):
                return value
        place = self._place.get(id(value))
        if place is None:
            place = len(self.nodes)
            self._place[id(value)] = place
            self._described.append(value)
            self.nodes.append(None)
            self.nodes[place] = self._node(value, path)
        return {"#": place}

    def _node(self, value: Any, path: str) -> dict[str, Any]:
        kind = type(value)
        if kind in (int, float):
            return {"is": kind.__name__, "text": repr(value)}
        if isinstance(value, np.generic):
            return {"is": "scalar", "array": self._array(np.asarray(value), path)}
        if isinstance(value, np.ndarray):
            return {"is": "array", "array": self._array(value, path)}
        if isinstance(value, pl.DataFrame):
            return {"is": "table", "table": self._table(value)}
        if isinstance(value, pl.Series):
            name = self._table(value.alias(_COLUMN).to_frame())
            return {"is": "series", "table": name, "name": value.name}
        if kind is bytes:
            return {"is": "bytes", "base64": base64.b64encode(value).decode()}
        if kind in (list, tuple, set, frozenset):
            return self._sequence(value, path)
        if kind is dict:
            return self._mapping(value, path)
        if not _is_ours(kind):
            raise DataError(f"{path} is a {_name_of(kind)} — no snapshot keeps one")
        if isinstance(value, BaseModel):
            fields = {
                name: self.refer(getattr(value, name), f"{path}.{name}")
                for name in type(value).model_fields
            }
            return {"is": "settings", "class": _name_of(kind), "fields": fields}
        return {"is": "object", "class": _name_of(kind), "state": self._state(value, path)}

    def _state(self, value: object, path: str) -> Any:
        """What `copy.copy` would set on a new instance."""
        reduced: Any = value.__reduce_ex__(4)
        if not isinstance(reduced, tuple) or len(reduced) < 3 or reduced[1] != (type(value),):
            raise DataError(f"{path} is a {_name_of(type(value))} — its class is made otherwise")
        state = reduced[2]
        if isinstance(state, dict):
            # One node less for each object: the dictionary is nobody else's.
            return {
                "own": [[name, self.refer(part, f"{path}.{name}")] for name, part in state.items()]
            }
        return {"ref": self.refer(state, path)}

    def _sequence(self, value: Any, path: str) -> dict[str, Any]:
        name = type(value).__name__
        packed = self._packed(list(value), path)
        if packed is not None:
            return {"is": name, "array": packed}
        if set(map(type, value)) == {str}:
            return {"is": name, "texts": list(value)}
        return {"is": name, "of": [self.refer(part, f"{path}[]") for part in value]}

    def _mapping(self, value: dict[Any, Any], path: str) -> dict[str, Any]:
        keys = self._packed(list(value), path)
        values = None if keys is None else self._packed(list(value.values()), path)
        if keys is not None and values is not None:
            return {"is": "dict", "keys": keys, "values": values}
        return {
            "is": "dict",
            "of": [
                [self.refer(key, f"{path}{{}}"), self.refer(part, f"{path}[{key!r:.40}]")]
                for key, part in value.items()
            ],
        }

    def _packed(self, values: list[Any], path: str) -> str | None:
        """Many plain numbers of one kind as an array."""
        if len(values) < _FEWEST_PACKED:
            return None
        kinds = set(map(type, values))
        if kinds == {int} and min(values) >= -_INT64 and max(values) < _INT64:
            return self._array(np.array(values, np.int64), path)
        return self._array(np.array(values, np.float64), path) if kinds == {float} else None

    def _array(self, value: Shaped[np.ndarray, " ..."], path: str) -> str:
        if value.dtype.hasobject:
            raise DataError(f"{path} is an array of objects — no snapshot keeps one")
        name = f"a{len(self.arrays)}"
        self.arrays[name] = np.array(value, order="K", copy=True)
        return name

    def _table(self, value: pl.DataFrame) -> str:
        name = f"t{len(self.tables)}"
        self.tables[name] = value
        return name


class _Rebuilding:
    """Objects made so far, by place; one that is still being made can be referred to."""

    def __init__(self, flat: FlatObject, classes: Mapping[str, type]) -> None:
        self._flat = flat
        self._classes = classes
        self._made: dict[int, Any] = {}

    def value(self, said: Any) -> Any:
        return self.object_at(said["#"]) if isinstance(said, dict) else said

    def object_at(self, place: int) -> Any:
        if place not in self._made:
            node = self._flat.nodes[place]
            self._made[place] = self._make(place, node)
        return self._made[place]

    def _make(self, place: int, node: dict[str, Any]) -> Any:
        arrays, tables = self._flat.arrays, self._flat.tables
        match node["is"]:
            case "int" | "float" as kind:
                return (int if kind == "int" else float)(node["text"])
            case "array" | "scalar" as kind:
                return arrays[node["array"]] if kind == "array" else arrays[node["array"]][()]
            case "table":
                return tables[node["table"]]
            case "series":
                return tables[node["table"]][_COLUMN].alias(node["name"])
            case "bytes":
                return base64.b64decode(node["base64"], validate=True)
            case "list":
                made: list[Any] = []
                self._made[place] = made
                made.extend(self._parts(node))
                return made
            case "tuple" | "set" | "frozenset" as kind:
                return _SEQUENCES[kind](self._parts(node))
            case "dict":
                return self._mapping(place, node)
            case "settings":
                return self._settings(node)
            case "object":
                return self._instance(place, node)
            case kind:
                raise ValueError(f"a node of kind {kind!r}")

    def _mapping(self, place: int, node: dict[str, Any]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        self._made[place] = made
        if "keys" in node:
            arrays = self._flat.arrays
            keys, values = arrays[node["keys"]].tolist(), arrays[node["values"]].tolist()
            made.update(zip(keys, values, strict=True))
        else:
            for key, part in node["of"]:
                made[self.value(key)] = self.value(part)
        return made

    def _settings(self, node: dict[str, Any]) -> BaseModel:
        model = self._classes[node["class"]]
        if not issubclass(model, BaseModel):
            raise TypeError(f"{node['class']} are no settings")
        return model(**{name: self.value(said) for name, said in node["fields"].items()})

    def _instance(self, place: int, node: dict[str, Any]) -> Any:
        of_class: Any = self._classes[node["class"]]
        made = of_class.__new__(of_class)
        self._made[place] = made
        said = node["state"]
        if "own" in said:
            state: Any = {name: self.value(part) for name, part in said["own"]}
        else:
            state = self.value(said["ref"])
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
            return made
        by_slot: dict[str, Any] = {}
        if isinstance(state, tuple):
            state, by_slot = state
        for name, part in {**(state or {}), **(by_slot or {})}.items():
            object.__setattr__(made, name, part)
        return made

    def _parts(self, node: dict[str, Any]) -> list[Any]:
        if "array" in node:
            packed: list[Any] = self._flat.arrays[node["array"]].tolist()
            return packed
        if "texts" in node:
            texts: list[Any] = node["texts"]
            return texts
        return [self.value(said) for said in node["of"]]


def _is_ours(of_class: type) -> bool:
    return f"{of_class.__module__}.".startswith(_OURS) and "<" not in of_class.__qualname__


def _name_of(of_class: type) -> str:
    return f"{of_class.__module__}:{of_class.__qualname__}"


def _class_named(name: str) -> type:
    module, _, qualified = name.partition(":")
    if not f"{module}.".startswith(_OURS) or module.endswith("__main__"):
        raise SnapshotError(f"it names {name} — only classes of graphrec are made")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    if not isinstance(found, type) or not _is_ours(found):
        raise SnapshotError(f"it names {name} — only classes of graphrec are made")
    return found


def _classes_of(nodes: list[Any]) -> set[str]:
    return {node["class"] for node in nodes if "class" in node}


def _code_hash(names: Iterable[str]) -> str:
    """Hash of the sources of the modules that define some classes."""
    digest = hashlib.sha256()
    for module in sorted({name.partition(":")[0] for name in names}):
        source = inspect.getsourcefile(importlib.import_module(module))
        digest.update(module.encode())
        digest.update(b"" if source is None else Path(source).read_bytes())
    return digest.hexdigest()
