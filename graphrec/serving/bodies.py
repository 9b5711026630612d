"""Reading the bodies of requests: bounded in bytes and in time, JSON or refused."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from graphrec.serving.messages import MAX_EVENTS

_SHOWN_LETTERS = 100


async def read_json(request: Request, most_bytes: int, most_s: float) -> Any:
    """The JSON value of a body.

    Only what says to be JSON, or nothing, is read: a page of another site could have a browser
    send a form or plain text to a server on loopback, but no JSON.

    Raises:
        HTTPException: 413, it has more bytes; 408, it came too slowly; 415, it is said to be
            something else or is compressed; 400, it is no JSON in UTF-8, holds NaN, nests too
            deeply or has a name twice in one object.
    """
    _refuse_other_kinds(request)
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most_bytes:
        _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(most_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    _too_large(most_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the body was not there after {most_s:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ended before it was whole") from None
    return json_of(body)


def json_of(body: bytes | bytearray) -> Any:
    """The JSON value of some bytes.

    Raises:
        HTTPException: 400, they are none in UTF-8, hold NaN, nest too deeply or name twice.
    """
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_each_once
        )
    except RecursionError:
        raise HTTPException(400, "the body nests too deeply") from None
    except ValueError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None


def several_in(said: Any, what: str) -> Sequence[object]:
    """The events, or whatever, of a body: one, a list, or an object with a list of them alone.

    Args:
        said: The body.
        what: Such as `event`, of which the object has a list `events`.

    Raises:
        HTTPException: 422, there is none; 413, there are too many.
    """
    found = said
    if isinstance(said, dict):
        found = said[f"{what}s"] if set(said) == {f"{what}s"} else [said]
    if not isinstance(found, list) or not found:
        rule = f"one, a list of {what}s, or an object with `{what}s`"
        raise HTTPException(422, f"no {what} — {rule}")
    if len(found) > MAX_EVENTS:
        raise HTTPException(413, f"{len(found)} {what}s — at most {MAX_EVENTS} in one call")
    return found


def _refuse_other_kinds(request: Request) -> None:
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        raise HTTPException(415, f"Content-Encoding {_short(packed)} — send the body as it is")
    kind = request.headers.get("content-type")
    if kind is None:
        return
    kind = kind.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        raise HTTPException(415, f"Content-Type {_short(kind)} — application/json")


def _too_large(most_bytes: int) -> NoReturn:
    raise HTTPException(413, f"a body of more than {most_bytes:,} bytes — send less at once")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = times.most_common(1)[0][0]
        raise ValueError(f"the name {_short(twice)} stands twice in one object")
    return found


def _short(text: str) -> str:
    shown = ascii(text)
    return shown if len(shown) <= _SHOWN_LETTERS else shown[: _SHOWN_LETTERS - 1] + "…"
