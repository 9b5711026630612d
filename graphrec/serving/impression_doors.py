"""The door for lists that were shown."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from graphrec.serving.bodies import read_json, several_in
from graphrec.serving.impression_messages import ImpressionIn, ImpressionsOut
from graphrec.serving.limits import DoorSettings
from graphrec.serving.messages import MAX_EVENTS
from graphrec.serving.problems import documented, problem
from graphrec.serving.service import Service


def add_impression_doors(app: FastAPI, service: Service, limits: DoorSettings, guard: Any) -> None:
    """Add `POST /v1/impressions` behind `guard`."""
    one = ImpressionIn.model_json_schema()
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_EVENTS}
    wrapped = {
        "type": "object",
        "properties": {"impressions": several},
        "required": ["impressions"],
        "additionalProperties": False,
    }
    content = {"schema": {"anyOf": [one, several, wrapped]}, "example": one["examples"][0]}

    @app.post(
        "/v1/impressions",
        summary="Tell what was shown",
        response_model=ImpressionsOut,
        dependencies=[guard],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": content}}},
        responses=documented(400, 408, 413, 415, 507),
    )
    async def tell(request: Request) -> Response:
        """One impression, a list, or `{"impressions": [...]}`.

        The answer comes once what was taken is durable. An impression sent again under its id is
        stored once. Each is answered for itself; where all are refused the status is 422. An item
        that is not known yet counts once it is.
        """
        said = await read_json(request, limits.body_bytes, limits.body_s)
        found = await asyncio.wrap_future(
            service.record_impressions(several_in(said, "impression"))
        )
        if all(one.outcome == "refused" for one in found.results):
            problems = [why for one in found.results for why in one.problems]
            first = problems[0]
            return problem(422, f"{first.field}: {first.rule} — it is {first.value}", problems[:20])
        return JSONResponse(found.model_dump(exclude_none=True))
