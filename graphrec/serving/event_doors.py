"""Doors for what happened: events come in, users can have theirs removed."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import Field

from graphrec.serving.bodies import read_json, several_in
from graphrec.serving.limits import DoorSettings
from graphrec.serving.messages import EventIn, EventsOut, ForgottenOut
from graphrec.serving.problems import documented, problem
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
        responses=documented(400, 408, 413, 415, 507),
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
        return Response(found.model_dump_json(exclude_none=True), media_type="application/json")

    @app.delete(
        "/v1/users/{user_id:path}",
        summary="Forget a user",
        dependencies=[guard],
        responses=documented(507),
    )
    async def forget(user_id: _Id) -> ForgottenOut:
        """Their events leave the log, and nothing that was learnt can be told to be theirs.

        What many did together still counts theirs. Forgetting nobody, or twice, is harmless.
        """
        return await asyncio.wrap_future(service.forget(user_id))
