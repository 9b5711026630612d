"""YAML and `name=value` words become settings, or a message that names path, value and rule."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from graphrec.errors import SettingsError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        SettingsError: The file cannot be read, is not YAML, or holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path} — {error}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML — {_place_of(error)}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds {type(content).__name__} — must hold names and values")
    return content


def settings_of(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Settings of a model from plain values.

    Args:
        model: The settings class.
        values: As read.
        where: What they were read from, for messages.

    Raises:
        SettingsError: A value breaks a rule; every fault on a line of its own.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SettingsError("\n".join(_faults(error, where))) from error


def parse_words(words: Sequence[str]) -> dict[str, Any]:
    """Nested values of words such as `walk.n_steps=500`.

    Raises:
        SettingsError: A word has no `=` or no name, its value is not YAML, or two words clash.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not all(name.split(".")):
            raise SettingsError(f"{word!r} — a setting is given as name=value, or part.name=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"{word!r} — {text!r} is not a value") from error
        *parts, last = name.split(".")
        place = values
        for part in parts:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise SettingsError(f"{word!r} — {part} was already given a value")
        if last in place:
            raise SettingsError(f"{word!r} — {name} was already given a value")
        place[last] = value
    return values


def _place_of(error: yaml.YAMLError) -> str:
    """What is wrong in which line; never the line itself, where a password may stand."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return type(error).__name__
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def _faults(error: ValidationError, where: str) -> list[str]:
    lines = []
    faults = error.errors(include_url=False, include_context=False)
    inner = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    for fault in faults:
        if fault["type"] == "too_short" and fault["loc"] in inner:
            continue  # it lacks only the parts that are refused on lines of their own
        path = ".".join(str(part) for part in fault["loc"])
        place = f"{where}: {path}" if path else where
        value = fault["input"]
        shown = "" if isinstance(value, dict | list) or fault["type"] == "missing" else f": {value}"
        unknown = fault["type"] == "extra_forbidden"
        rule = (
            "there is no setting of this name"
            if unknown
            else fault["msg"].removeprefix("Value error, ")
        )
        lines.append(f"{place}{shown} — {rule}")
    return lines
