"""What an object holds, all the way down, so that two looks tell whether anything was written."""

import hashlib
from collections.abc import Hashable, Iterator
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np
import polars as pl
from pydantic import BaseModel

from graphrec.ranking.features.scratch import Scratch

_FLAT = (type(None), bool, int, float, str, bytes, np.generic, BaseModel, Enum, np.random.Generator)
_NO_STATE = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, type, Scratch)


def deep_look(thing: object) -> dict[str, Hashable]:
    """Every value that hangs on `thing`, by its path; arrays by what they hold and which they are.

    Scratch is left out: it is clean between uses, and each array is with one thread at a time.
    """
    return dict(_values("", thing, set()))


def _values(path: str, thing: object, seen: set[int]) -> Iterator[tuple[str, Hashable]]:
    if isinstance(thing, _FLAT):
        yield path, repr(thing)
        return
    if isinstance(thing, _NO_STATE) or id(thing) in seen:
        return
    seen.add(id(thing))
    array = _array_of(thing)
    if array is not None:
        content = hashlib.sha256(np.ascontiguousarray(array).view(np.uint8).data).hexdigest()
        yield path, (id(thing), array.shape, str(array.dtype), content)
    elif isinstance(thing, pl.Series | pl.DataFrame):
        rows = thing.rows() if isinstance(thing, pl.DataFrame) else thing.to_list()
        yield path, (id(thing), hashlib.sha256(repr(rows).encode()).hexdigest())
    elif type(thing).__module__.startswith("faiss"):
        yield path, (id(thing), getattr(thing, "ntotal", None))
    else:
        for name, part in _parts(thing):
            yield from _values(f"{path}.{name}", part, seen)


def _array_of(thing: object) -> np.ndarray | None:
    if isinstance(thing, np.ndarray):
        return thing if thing.size and thing.dtype != object else np.zeros(0)
    if hasattr(thing, "detach"):
        return thing.detach().cpu().numpy()
    return None


def _parts(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, dict):
        yield "keys", " ".join(map(str, thing))
        yield from ((str(key), part) for key, part in list(thing.items()))
    elif isinstance(thing, list | tuple | set | frozenset):
        yield "length", len(thing)
        yield from ((str(n), part) for n, part in enumerate(thing))
    else:
        names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
        yield "names", " ".join(getattr(thing, "__dict__", ()))
        yield from getattr(thing, "__dict__", {}).items()
        yield from ((n, getattr(thing, n)) for n in sorted(names) if hasattr(thing, n))
