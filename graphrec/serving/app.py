"""The HTTP door: paths, who may use them, and how answers look."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from graphrec.events.ids import Key
from graphrec.pipeline import Request as SlateRequest
from graphrec.retrieval.filters import ItemFilters
from graphrec.serving.bodies import events_in, read_json
from graphrec.serving.keys import SCOPES, Caller, KeyFile, Scope
from graphrec.serving.messages import (
    MAX_K,
    MAX_SESSION,
    EventIn,
    EventsOut,
    ForgottenOut,
    HistoryOut,
    SlateOut,
    StatusOut,
)
from graphrec.serving.metrics import Metrics
from graphrec.serving.problems import MEDIA_TYPE, install, problem
from graphrec.serving.service import Service
from graphrec.stages import SeenPolicy

_Id = Annotated[str, Field(max_length=256)]
OPEN = Caller("open", frozenset(SCOPES))


class DoorSettings(BaseModel):
    """What a request may weigh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(
        2 * 2**20, ge=2**10, le=2**28, description="Bytes that a body may have."
    )
    body_s: float = Field(
        20.0, gt=0, le=600, description="Seconds within which a body has to be there."
    )


def build_app(
    service: Service, keys: KeyFile | None, settings: DoorSettings | None = None
) -> FastAPI:
    """The app.

    Args:
        service: Answers.
        keys: Who may do what; None: everybody everything.
        settings: Limits.
    """
    limits = settings or DoorSettings()
    metrics = Metrics(service.status)
    app = FastAPI(
        title="graphrec",
        description="Recommendations that know of the last event.",
        version="1",
        docs_url="/docs",
        redoc_url=None,
        responses={
            status: {"content": {MEDIA_TYPE: {}}, "description": words}
            for status, words in (
                (401, "No key, or one that nobody holds."),
                (403, "The key does not reach so far."),
                (422, "A field breaks a rule."),
                (429, "Too much at once; see Retry-After."),
                (503, "The log cannot be reached."),
            )
        },
    )
    install(app)
    metrics.watch(app)
    _add_events(app, service, limits, _guard(keys, "write"))
    _add_slates(app, service, _guard(keys, "read"))
    _add_state(app, service, metrics, _guard(keys, "admin"))
    return app


def _guard(keys: KeyFile | None, scope: Scope) -> Any:
    """What lets a request in: a key in the header `X-API-Key`, of that scope."""
    header = APIKeyHeader(
        name="X-API-Key", auto_error=False, description="Made by `graphrec keys add`."
    )

    def caller(key: Annotated[str | None, Depends(header)]) -> Caller:
        if keys is None:
            return OPEN
        found = keys.caller_of(key) if key else None
        if found is None:
            raise HTTPException(
                401, "no key, or one that nobody holds — header X-API-Key", _CHALLENGE
            )
        if not found.may(scope):
            raise HTTPException(403, f"the key of {found.name!r} has no scope {scope!r}")
        return found

    return Depends(caller)


_CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="graphrec"'}


def _add_events(app: FastAPI, service: Service, limits: DoorSettings, guard: Any) -> None:
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
        said = events_in(await read_json(request, limits.body_bytes, limits.body_s))
        found = await asyncio.wrap_future(service.record(said))
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


def _add_slates(app: FastAPI, service: Service, guard: Any) -> None:
    @app.get(
        "/v1/users/{user_id:path}/recommendations",
        summary="Recommend to a user",
        dependencies=[guard],
    )
    def recommend(
        user_id: _Id, asked: Annotated[SlateRequest, Depends(_slate_request)]
    ) -> SlateOut:
        """Who is not known yet gets what newcomers get."""
        return service.recommend(user_id, asked)

    @app.get("/v1/recommendations", summary="Recommend to somebody anonymous", dependencies=[guard])
    def recommend_session(
        asked: Annotated[SlateRequest, Depends(_slate_request)],
        item: Annotated[
            list[_Id],
            Query(max_length=MAX_SESSION, description="Items of the visit, newest first."),
        ] = [],  # noqa: B006 — FastAPI copies it
    ) -> SlateOut:
        """By the items of the visit; without any, what newcomers get."""
        return service.recommend_session(item, asked)

    @app.get(
        "/v1/items/{item_id:path}/similar", summary="What goes with an item", dependencies=[guard]
    )
    def similar(item_id: _Id, asked: Annotated[SlateRequest, Depends(_slate_request)]) -> SlateOut:
        """What somebody gets who has done nothing but this item."""
        return service.recommend_session([item_id], asked)

    @app.get("/v1/users/{user_id:path}/history", summary="What a user did", dependencies=[guard])
    def history(user_id: _Id, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> HistoryOut:
        """Newest first."""
        return service.history(user_id, limit)


def _slate_request(
    k: Annotated[int, Query(ge=1, le=MAX_K, description="Places.")] = 10,
    seen: Annotated[SeenPolicy, Query(description="Items of the history.")] = "hide",
    deny: Annotated[list[Key], Query(max_length=1000, description="Never these items.")] = [],  # noqa: B006
    publisher: Annotated[list[str], Query(max_length=100, description="Only of these.")] = [],  # noqa: B006
    keyword: Annotated[list[str], Query(max_length=100, description="Only with one.")] = [],  # noqa: B006
    max_age_days: Annotated[float | None, Query(ge=0, le=36_500)] = None,
) -> SlateRequest:
    filters = ItemFilters(
        deny=tuple(deny),
        publishers=tuple(publisher),
        keywords=tuple(keyword),
        max_age_days=max_age_days,
    )
    return SlateRequest(k, seen, filters)


def _add_state(app: FastAPI, service: Service, metrics: Metrics, guard: Any) -> None:
    @app.get("/health/live", summary="Whether the process answers", tags=["health"])
    def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready", summary="Whether slates know of new events", tags=["health"])
    def ready() -> Response:
        found = service.status()
        if not found.ready:
            return problem(503, found.failure or "not ready")
        return JSONResponse({"status": "ready", "seq": found.seq})

    @app.get("/v1/admin/status", summary="How the engine is", dependencies=[guard])
    def status() -> StatusOut:
        return service.status()

    @app.get("/metrics", summary="Prometheus", dependencies=[guard], response_class=Response)
    def scrape() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
