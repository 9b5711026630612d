"""Write `deploy/serve.yaml` anew: python -m tests.serving.write_example"""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from graphrec.serving.opening import ServeSettings

FILE = Path(__file__).parents[2] / "deploy" / "serve.yaml"
# What stands in the example where the default would not do for a machine of its own.
VALUES = {
    "data": "/var/lib/graphrec/events.parquet",
    "host": "127.0.0.1",
    "keys": "/etc/graphrec/keys.json",
    "log.url": "sqlite:////var/lib/graphrec/log.sqlite",
    "store.folder": "/var/lib/graphrec/state",
}
TOP = """\
# Settings of `graphrec serve --settings serve.yaml`: all there are, each with meaning, range and,
# but for data, keys, log.url and store.folder, default. Each is also an environment variable,
# which outweighs this file: port is GRAPHREC_PORT, log.url GRAPHREC_LOG__URL (a password belongs
# there).
# `graphrec serve --settings serve.yaml --check` says whether all of it opens.
"""


def example() -> str:
    """The whole file."""
    return TOP + "\n".join(_lines(ServeSettings, "", "")) + "\n"


def _lines(model: type[BaseModel], above: str, indent: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        path = f"{above}{name}"
        words = f"{info.description or ''}{_range(info)}"
        yield ""
        yield from textwrap.wrap(
            words, 96, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        group = info.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield f"{indent}{name}:"
            yield from _lines(group, f"{path}.", indent + "  ")
        else:
            yield f"{indent}{name}: {_shown(VALUES.get(path, info.default))}"


def _range(info: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(rule, name):,}"
        for rule in info.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return f" [{', '.join(found)}]" if found else ""


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return json.dumps(str(value) if isinstance(value, Path) else value)


if __name__ == "__main__":
    FILE.write_text(example(), encoding="utf-8")
