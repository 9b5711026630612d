"""Doors for slates: of a user, of a visit, of an item, and what a user did."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from graphrec.serving.admission import SlatesAtOnce
from graphrec.serving.direct_routes import direct, path_of, query_of
from graphrec.serving.guarding import Gate
from graphrec.serving.messages import HistoryOut, SlateOut
from graphrec.serving.problems import documented
from graphrec.serving.service import Service
from graphrec.serving.slate_questions import PathId, SlateParameters, VisitParameters

_PATH_ID: Final[TypeAdapter[str]] = TypeAdapter(PathId)
# Python makes one slate at a time but for its kernels.
_THREADS: Final = 2
_SHORT_S: Final = 0.004
_WEIGHT: Final = 0.2
_EVERY: Final = 16


class SlateDoors:
    """Answers requests for slates, so many at once.

    A slate that takes a millisecond or two is made at once, in the event loop: handing it to a
    thread and back takes half as long again. Where slates take longer than that, threads make
    them, so that nobody is held up who tells of events or looks after the server.
    """

    def __init__(self, service: Service, gate: Gate, at_once: SlatesAtOnce) -> None:
        """Ask `service` for those whom `gate` lets in."""
        self._service, self._gate, self._at_once = service, gate, at_once
        self._threads = ThreadPoolExecutor(_THREADS, "slates")
        self._usual_s = 0.0
        self._n_made = 0

    async def of_user(self, request: Request) -> Response:
        """A user's slate."""
        self._gate.admit(request)
        user_id = path_of("user_id", _PATH_ID, request)
        question = query_of(VisitParameters, request).whole()
        return await self._made(lambda: self._service.recommend(user_id, question))

    async def of_visit(self, request: Request) -> Response:
        """A visit's slate."""
        self._gate.admit(request)
        question = query_of(VisitParameters, request).whole()
        return await self._made(lambda: self._service.recommend_session(question))

    async def of_item(self, request: Request) -> Response:
        """What goes with an item."""
        self._gate.admit(request)
        item_id = path_of("item_id", _PATH_ID, request)
        question = query_of(SlateParameters, request).question((item_id,))
        about = f"item {item_id}"
        return await self._made(lambda: self._service.recommend_session(question, about))

    async def _made(self, make: Callable[[], SlateOut]) -> Response:
        def body() -> str:
            self._n_made += 1
            if self._n_made % _EVERY:
                return make().model_dump_json()
            # Of its own time: on a busy machine the clock would say that all slates are long.
            began = time.thread_time()
            made = make().model_dump_json()
            self._usual_s += _WEIGHT * (time.thread_time() - began - self._usual_s)
            return made

        with self._at_once.place():
            if self._usual_s < _SHORT_S:
                made = body()
            else:
                loop = asyncio.get_running_loop()
                made = await loop.run_in_executor(self._threads, body)
        return Response(made, media_type="application/json")


def add_slate_doors(app: FastAPI, service: Service, gate: Gate, at_once: SlatesAtOnce) -> None:
    """Add what is asked of slates and histories behind `gate`; so many slates `at_once`."""
    doors = SlateDoors(service, gate, at_once)
    how: dict[str, Any] = {
        "methods": ["GET"],
        "dependencies": [gate.depends],
        "responses": documented(404),
    }

    def recommend(user_id: PathId, asked: Annotated[VisitParameters, Query()]) -> SlateOut:
        """Who is not known yet gets what newcomers get."""
        raise NotImplementedError

    def recommend_session(asked: Annotated[VisitParameters, Query()]) -> SlateOut:
        """By the items of the visit; without any, what newcomers get."""
        raise NotImplementedError

    def similar(item_id: PathId, asked: Annotated[SlateParameters, Query()]) -> SlateOut:
        """What somebody gets who has done nothing but this item."""
        raise NotImplementedError

    for path, endpoint, answer, summary in (
        (
            "/v1/users/{user_id:path}/recommendations",
            recommend,
            doors.of_user,
            "Recommend to a user",
        ),
        (
            "/v1/recommendations",
            recommend_session,
            doors.of_visit,
            "Recommend to somebody anonymous",
        ),
        ("/v1/items/{item_id:path}/similar", similar, doors.of_item, "What goes with an item"),
    ):
        app.router.add_api_route(
            path, endpoint, route_class_override=direct(answer), summary=summary, **how
        )

    @app.get(
        "/v1/users/{user_id:path}/history",
        summary="What a user did",
        dependencies=[gate.depends],
        responses=documented(404),
    )
    def history(user_id: PathId, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> HistoryOut:
        """Newest first."""
        return service.history(user_id, limit)
