"""Settings from several places, one over the other: file, environment, options of a command."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from graphrec.errors import SettingsError
from graphrec.experiment.reading import read_yaml

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place.

    Attributes:
        name: The place, for messages.
        values: As read, nested like the settings.
        names: What a value is called there, by its path such as `log.url`; where it has no name of
            its own, it is called by its path.
    """

    name: str
    values: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)

    def gives(self, path: Sequence[str]) -> bool:
        """Whether it says anything of a path."""
        found: Any = self.values
        for part in path:
            if not isinstance(found, Mapping) or part not in found:
                return False
            found = found[part]
        return True


def file_layer(path: Path) -> Layer:
    """The values of a YAML file.

    Raises:
        SettingsError: It cannot be read, is not YAML, or holds no mapping.
    """
    return Layer(str(path), read_yaml(path))


def environment_layer(
    model: type[BaseModel],
    environment: Mapping[str, str],
    prefix: str,
    *,
    besides: Collection[str] = (),
) -> Layer:
    """The values of environment variables such as `GRAPHREC_LOG__URL`.

    Args:
        model: Settings that the variables are about.
        environment: Names and texts; an empty text says nothing, `null` stands for none.
        prefix: What their names begin with; others are not looked at.
        besides: Names that begin so, too, and are about something else.

    Raises:
        SettingsError: There is no setting of a variable's name.
    """
    path_by_name = {prefix + "__".join(path).upper(): path for path, _ in _leaves(model)}
    values: dict[str, Any] = {}
    names = {}
    for name, text in sorted(environment.items()):
        if not name.startswith(prefix) or name in besides or not text:
            continue
        if name not in path_by_name:
            raise SettingsError(
                f"{name} — there is no setting of this name{_near(name, path_by_name)}"
            )
        path = path_by_name[name]
        place = values
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = _value_of(name, text)
        names[".".join(path)] = name
    return Layer("environment", values, names)


def layered(model: type[Model], layers: Sequence[Layer]) -> Model:
    """Settings of which each value comes from the last layer that gives it.

    Raises:
        SettingsError: A value breaks a rule; every fault on a line of its own, with the layer's
            name of it and, unless it is or may hold a secret, its value.
    """
    said: dict[str, Any] = {}
    for layer in layers:
        said = _merged(said, layer.values)
    try:
        return model.model_validate(said)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        lines = [_line(model, layers, fault) for fault in faults]
        raise SettingsError("\n".join(lines)) from None


def _leaves(
    model: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting that is no group of others, with its path."""
    for name, info in model.model_fields.items():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from _leaves(group, (*above, name))
        else:
            yield (*above, name), info


def _near(name: str, known: Mapping[str, object]) -> str:
    group = [one for one in known if one.startswith(f"{name}__")]
    near = group[:3] or get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _value_of(name: str, text: str) -> Any:
    if text == "null":
        return None
    if text[0] not in "[{":
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"{name} — what begins with [ or {{ has to be YAML or JSON") from None


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(low)
    for name, value in high.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = _merged(old or {}, value) if both else value
    return found


def _line(model: type[BaseModel], layers: Sequence[Layer], fault: Any) -> str:
    """One fault: where the value stands, what it is, what it has to be."""
    path = tuple(str(part) for part in fault["loc"])
    dotted = ".".join(path)
    layer = next((one for one in reversed(layers) if one.gives(path)), None)
    place = dotted
    if layer is not None:
        place = layer.names.get(dotted, f"{layer.name}: {dotted}")
    if fault["type"] == "extra_forbidden":
        return f"{place} — there is no setting of this name"
    value = fault["input"]
    known = next((info for leaf, info in _leaves(model) if leaf == path), None)
    hidden = known is None or SecretStr in (known.annotation, *get_args(known.annotation))
    shown = "" if hidden or isinstance(value, dict | list) else f": {value!r}"
    return f"{place}{shown} — {fault['msg'].removeprefix('Value error, ')}"
