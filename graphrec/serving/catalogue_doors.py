"""Doors for what is known: items and users are described, looked up and searched."""

import asyncio
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from graphrec.serving.bodies import read_json
from graphrec.serving.catalogue_messages import (
    FoundItemsOut,
    ItemIn,
    ItemOneOut,
    StoredOut,
    UserIn,
    UserOut,
    UsersOut,
)
from graphrec.serving.limits import DoorSettings
from graphrec.serving.messages import MAX_K
from graphrec.serving.problems import documented
from graphrec.serving.service import Service

_Said = TypeVar("_Said", bound=BaseModel)
_ItemId = Annotated[
    str,
    Path(min_length=1, max_length=256, description="Id of an item.", examples=["video-2"]),
]
_UserId = Annotated[
    str,
    Path(min_length=1, max_length=256, description="Id of a user.", examples=["user-17"]),
]
_K = Annotated[int, Query(ge=1, le=MAX_K, description="At most so many.", examples=[20])]
_REFUSALS = documented(400, 408, 413, 415, 507)
_UNKNOWN = documented(404)


def add_catalogue_doors(
    app: FastAPI, service: Service, limits: DoorSettings, may_read: Any, may_write: Any
) -> None:
    """Add what is said and asked of items and users.

    To be called after all doors whose paths go on behind an id: an id may hold slashes.
    """
    _add_item_doors(app, service, limits, may_read, may_write)
    _add_user_doors(app, service, limits, may_read, may_write)


def _add_item_doors(
    app: FastAPI, service: Service, limits: DoorSettings, may_read: Any, may_write: Any
) -> None:
    described = service.descriptions

    @app.put(
        "/v1/items/{item_id:path}",
        summary="Describe an item",
        dependencies=[may_write],
        openapi_extra={"requestBody": _body_of(ItemIn)},
        responses=_REFUSALS,
    )
    async def put_item(item_id: _ItemId, request: Request) -> StoredOut:
        """In place of all that was said of it before.

        An item that nobody has watched yet is known from then on, and may be shown; one that was
        deleted is shown again. The answer comes once this is durable.
        """
        said = await _read(ItemIn, request, limits)
        return await asyncio.wrap_future(described.put_item(item_id, said))

    @app.get(
        "/v1/items/{item_id:path}",
        summary="What is known of an item",
        dependencies=[may_read],
        responses=_UNKNOWN,
    )
    def item(item_id: _ItemId) -> ItemOneOut:
        return described.item(item_id)

    @app.delete(
        "/v1/items/{item_id:path}", summary="Show an item no more", dependencies=[may_write]
    )
    async def delete_item(item_id: _ItemId) -> StoredOut:
        """In no slate and no search, until it is put again; its events stay.

        Deleting it twice, or before anybody told of it, is harmless.
        """
        return await asyncio.wrap_future(described.delete_item(item_id))

    @app.get("/v1/search", summary="Search items by words", dependencies=[may_read])
    def search(
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=200,
                description="Words; every one has to stand in the title, the keywords or the "
                "publishers of an item, the last one may be the beginning of a word.",
                examples=["octopus sl"],
            ),
        ],
        k: _K = 20,
    ) -> FoundItemsOut:
        """Best matches first, of equal ones what is watched most; case and accents do not count."""
        return described.search(q, k)


def _add_user_doors(
    app: FastAPI, service: Service, limits: DoorSettings, may_read: Any, may_write: Any
) -> None:
    described = service.descriptions

    @app.get(
        "/v1/users", summary="Find users by the beginning of their ids", dependencies=[may_read]
    )
    def users(
        prefix: Annotated[
            str, Query(max_length=256, description="How ids begin.", examples=["user-1"])
        ] = "",
        k: _K = 20,
    ) -> UsersOut:
        """In the order of ids as texts."""
        return described.users(prefix, k)

    @app.put(
        "/v1/users/{user_id:path}",
        summary="Keep properties of a user",
        dependencies=[may_write],
        openapi_extra={"requestBody": _body_of(UserIn)},
        responses=_REFUSALS,
    )
    async def put_user(user_id: _UserId, request: Request) -> StoredOut:
        """In place of all that was kept before. The answer comes once this is durable.

        They are shown by GET, and gone when the user is forgotten; nothing is learnt from them.
        """
        said = await _read(UserIn, request, limits)
        return await asyncio.wrap_future(described.put_user(user_id, said))

    @app.get(
        "/v1/users/{user_id:path}",
        summary="What is known of a user",
        dependencies=[may_read],
        responses=_UNKNOWN,
    )
    def user(user_id: _UserId) -> UserOut:
        return described.user(user_id)


async def _read(model: type[_Said], request: Request, limits: DoorSettings) -> _Said:
    said = await read_json(request, limits.body_bytes, limits.body_s)
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _body_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    example = schema["examples"][0]
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": example}},
    }
