"""Errors as callers see them: RFC 9457 problem documents that name field, value and rule."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from graphrec.errors import (
    DataError,
    GraphrecError,
    NoBundleError,
    OverloadedError,
    SettingsError,
    SnapshotError,
    StoreError,
    StoreFullError,
    TrialError,
    UnknownIdError,
)
from graphrec.serving.messages import Problem
from graphrec.serving.service import problems_of

_LOG = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "The key does not reach so far",
    404: "There is no such thing",
    405: "There is no such method",
    409: "The bundle cannot be used",
    413: "The body is too large",
    415: "The body is no JSON",
    422: "The request breaks a rule",
    429: "Too much at once",
    500: "The service failed",
    503: "The service cannot do this now",
    507: "There is no room on the disk",
}


def problem(
    status: int,
    detail: str,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document.

    Args:
        status: HTTP status.
        detail: What happened, for whoever reads it.
        problems: Fields that break a rule.
        headers: More headers.
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    if problems:
        document["problems"] = [one.model_dump() for one in problems]
    return JSONResponse(document, status, dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> JSONResponse:
    """The problem document of an error."""
    match error:
        case OverloadedError():
            wait_s = max(1, round(error.wait_s + 0.5))
            return problem(429, str(error), headers={"Retry-After": str(wait_s)})
        case StoreFullError():
            return problem(507, str(error))
        case StoreError():
            return problem(503, str(error), headers={"Retry-After": "5"})
        case UnknownIdError() | NoBundleError():
            return problem(404, str(error))
        case SnapshotError() | TrialError():
            return problem(409, str(error))
        case DataError() | SettingsError():
            return problem(422, str(error))
        case HTTPException():
            headers = error.headers
            return problem(error.status_code, str(error.detail), headers=headers)
        case RequestValidationError():
            found = problems_of(error)
            unread = any(one["type"] == "json_invalid" for one in error.errors())
            status = 400 if unread else 422
            return problem(status, f"{found[0].field}: {found[0].rule}", found)
        case _:
            _LOG.error("a request failed", exc_info=error)
            return problem(500, "the service failed; its log says why")


def install(app: FastAPI) -> None:
    """Have every error of an app answered by a problem document."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error)

    for kind in (GraphrecError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)
