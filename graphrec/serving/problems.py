"""Errors as callers see them: RFC 9457 problem documents that name field, value and rule."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
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
from graphrec.serving.wrong_input import problems_of

_LOG = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "The key does not reach so far",
    404: "There is no such thing",
    405: "There is no such method",
    408: "The request came too slowly",
    409: "The bundle cannot be used",
    413: "The body is too large",
    415: "The body is of another kind",
    422: "The request breaks a rule",
    429: "Too much at once",
    500: "The service failed",
    503: "The service cannot do this now",
    507: "There is no room on the disk",
}

_DESCRIPTIONS: Mapping[int, str] = {
    400: "The body is no JSON in UTF-8, or the request no HTTP.",
    401: "No key, or one that nobody holds.",
    403: "The key does not reach so far.",
    404: "Nobody, or nothing, has that id or name.",
    408: "The body came too slowly.",
    409: "The bundle is damaged, fails its trial, or another one is being tried.",
    413: "The body is too large.",
    415: "The body says to be something else than JSON, or is compressed.",
    422: "A field breaks a rule.",
    429: "Too much at once; see Retry-After.",
    500: "The service failed; its log says why.",
    503: "The log, or the engine behind it, cannot be reached; see Retry-After.",
    507: "There is no room on the disk.",
}


class ProblemOut(BaseModel):
    """A problem document, RFC 9457."""

    type: Literal["about:blank"]
    title: str = Field(description="What kind of problem; the same for each status.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong, with the value and the rule.")
    problems: list[Problem] = Field(
        [], description="Fields that break a rule, the first 20, where there are such."
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI's `responses` says of errors: a problem document for each status."""
    schema = {"$ref": "#/components/schemas/ProblemOut"}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
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
    """Have every error of an app answered, and documented, by a problem document."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error)

    for kind in (GraphrecError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)
    app.openapi = lambda: _with_problems(app)  # type: ignore[method-assign]


def _with_problems(app: FastAPI) -> dict[str, Any]:
    """The app's OpenAPI document, with the model of problem documents in FastAPI's place."""
    if app.openapi_schema is None:
        found = FastAPI.openapi(app)
        model = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = model.pop("$defs", {})
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        schemas |= {**parts, "ProblemOut": model}
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
    return app.openapi_schema or {}
