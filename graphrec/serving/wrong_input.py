"""What is wrong with what was sent: field, value and rule."""

from collections.abc import Sequence
from typing import Any, Protocol

from graphrec.serving.messages import Problem

_SHOWN_LETTERS = 100


class Faulty(Protocol):
    """What validation raises, of pydantic or of FastAPI."""

    def errors(self) -> Sequence[Any]:
        """What is wrong, each with `loc`, `msg`, `type`, `input`."""


def problems_of(error: Faulty, whole: str = "event") -> list[Problem]:
    """What validation found, field by field, with what stood there; the first 20.

    Args:
        error: What it raised.
        whole: What is named where the whole is wrong.
    """
    return [
        Problem(
            field=printable(".".join(str(part) for part in one["loc"])) or whole,
            value="" if one["type"] == "missing" else shortened(one.get("input")),
            rule=one["msg"],
        )
        for one in error.errors()[:20]
    ]


def problem_with(field: str, value: object, rule: str) -> list[Problem]:
    """One field that breaks a rule."""
    return [Problem(field=field, value=shortened(value), rule=rule)]


def shortened(value: object) -> str:
    """A value as it is shown: at most 100 letters."""
    return printable(repr(value))


def printable(text: str, most: int = _SHOWN_LETTERS) -> str:
    """A text cut to some letters, of which each can be written in UTF-8."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")
