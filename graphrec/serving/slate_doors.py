"""Doors for slates: of a user, of a visit, of an item, and what a user did."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query

from graphrec.serving.admission import SlatesAtOnce
from graphrec.serving.messages import HistoryOut, SlateOut
from graphrec.serving.problems import documented
from graphrec.serving.service import Service
from graphrec.serving.slate_questions import PathId, SlateParameters, VisitParameters


def add_slate_doors(app: FastAPI, service: Service, guard: Any, at_once: SlatesAtOnce) -> None:
    """Add what is asked of slates and histories behind `guard`; so many slates `at_once`."""
    dependencies = [guard, Depends(at_once)]

    @app.get(
        "/v1/users/{user_id:path}/recommendations",
        summary="Recommend to a user",
        dependencies=dependencies,
        responses=documented(404),
    )
    def recommend(user_id: PathId, asked: Annotated[VisitParameters, Query()]) -> SlateOut:
        """Who is not known yet gets what newcomers get."""
        return service.recommend(user_id, asked.whole())

    @app.get(
        "/v1/recommendations",
        summary="Recommend to somebody anonymous",
        dependencies=dependencies,
        responses=documented(404),
    )
    def recommend_session(asked: Annotated[VisitParameters, Query()]) -> SlateOut:
        """By the items of the visit; without any, what newcomers get."""
        return service.recommend_session(asked.whole())

    @app.get(
        "/v1/items/{item_id:path}/similar",
        summary="What goes with an item",
        dependencies=dependencies,
        responses=documented(404),
    )
    def similar(item_id: PathId, asked: Annotated[SlateParameters, Query()]) -> SlateOut:
        """What somebody gets who has done nothing but this item."""
        return service.recommend_session(asked.question((item_id,)), f"item {item_id}")

    @app.get(
        "/v1/users/{user_id:path}/history",
        summary="What a user did",
        dependencies=[guard],
        responses=documented(404),
    )
    def history(user_id: PathId, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> HistoryOut:
        """Newest first."""
        return service.history(user_id, limit)
