"""Doors for what happened: events come in, users can have theirs removed."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from graphrec.serving.bodies import read_json, several_in
from graphrec.serving.limits import DoorSettings
from graphrec.serving.messages import EventIn, EventsOut, ForgottenOut
from graphrec.serving.problems import MEDIA_TYPE, problem
from graphrec.serving.service import Service

_Id = Annotated[str, Field(max_length=256)]


def add_event_doors(app: FastAPI, service: Service, limits: DoorSettings, guard: Any) -> None:
    """Add `POST /v1/events` and `DELETE /v1/users/{id}` behind `guard`."""
    one = EventIn.model_json_schema()
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": 1000}
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        one,
                        several,
                        {
                            "type": "object",
                            "properties": {"events": several},
                            "required": ["events"],
                            "additionalProperties": False,
                        },
                    ]
                },
                "example": one["examples"][0],
            }
        },
    }

    @app.post(
        "/v1/events",
        summary="Tell what happened",
        response_model=EventsOut,
        dependencies=[guard],
        openapi_extra={"requestBody": body},
        responses={
            400: {"description": "The body is no JSON.", "content": {MEDIA_TYPE: {}}},
            408: {"description": "The body came too slowly.", "content": {MEDIA_TYPE: {}}},
            413: {"description": "The body is too large.", "content": {MEDIA_TYPE: {}}},
            507: {"description": "The disk is full.", "content": {MEDIA_TYPE: {}}},
        },
    )
    async def tell(request: Request) -> Response:
        """One event, a list, or `{"events": [...]}`.

        The answer comes once what was taken is durable; slates made after it know of it within
        milliseconds. An event sent again under its id is stored once. Each event is answered for
        itself; where all are refused the status is 422.
        """
        said = await read_json(request, limits.body_bytes, limits.body_s)
        found = await asyncio.wrap_future(service.record(several_in(said, "event")))
        if all(one.outcome == "refused" for one in found.results):
            problems = [why for one in found.results for why in one.problems]
            first = problems[0]
            return problem(422, f"{first.field}: {first.rule} — it is {first.value}", problems[:20])
        return JSONResponse(found.model_dump(exclude_none=True))

    @app.delete("/v1/users/{user_id:path}", summary="Forget a user", dependencies=[guard])
    async def forget(user_id: _Id) -> ForgottenOut:
        """Their events leave the log, and nothing that was learnt can be told to be theirs.

        What many did together still counts theirs. Forgetting nobody, or twice, is harmless.
        """
        return await asyncio.wrap_future(service.forget(user_id))
