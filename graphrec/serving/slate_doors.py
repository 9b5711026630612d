"""Doors for slates: of a user, of a visit, of an item, and what a user did."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from pydantic import Field

from graphrec.events.ids import Key
from graphrec.pipeline import Request as SlateRequest
from graphrec.retrieval.filters import ItemFilters
from graphrec.serving.messages import MAX_K, MAX_SESSION, HistoryOut, SlateOut
from graphrec.serving.problems import documented
from graphrec.serving.service import Service
from graphrec.stages import SeenPolicy

_Id = Annotated[str, Field(max_length=256)]


def add_slate_doors(app: FastAPI, service: Service, guard: Any) -> None:
    """Add what is asked of slates and histories behind `guard`."""

    @app.get(
        "/v1/users/{user_id:path}/recommendations",
        summary="Recommend to a user",
        dependencies=[guard],
        responses=documented(404),
    )
    def recommend(
        user_id: _Id, asked: Annotated[SlateRequest, Depends(_slate_request)]
    ) -> SlateOut:
        """Who is not known yet gets what newcomers get."""
        return service.recommend(user_id, asked)

    @app.get(
        "/v1/recommendations",
        summary="Recommend to somebody anonymous",
        dependencies=[guard],
        responses=documented(404),
    )
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
        "/v1/items/{item_id:path}/similar",
        summary="What goes with an item",
        dependencies=[guard],
        responses=documented(404),
    )
    def similar(item_id: _Id, asked: Annotated[SlateRequest, Depends(_slate_request)]) -> SlateOut:
        """What somebody gets who has done nothing but this item."""
        return service.recommend_session([item_id], asked)

    @app.get(
        "/v1/users/{user_id:path}/history",
        summary="What a user did",
        dependencies=[guard],
        responses=documented(404),
    )
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
