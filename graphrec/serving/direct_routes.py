"""Routes that read their requests themselves.

FastAPI takes about 1 ms of a core for each request to solve dependencies, call a thread and check
and write the answer, which is as long as a slate takes. A direct route is documented by its
endpoint as any other is, and answered by a function of the request.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response

Asked = TypeVar("Asked", bound=BaseModel)
Answer = Callable[[Request], Coroutine[Any, Any, Response]]


def direct(answer: Callable[[Request], Awaitable[Response]]) -> type[APIRoute]:
    """A class of routes that `answer` answers; what the endpoint does is not called.

    Args:
        answer: Lets in, reads and answers a request, as the endpoint's signature documents it.
    """

    class Direct(APIRoute):
        def get_route_handler(self) -> Answer:
            async def handle(request: Request) -> Response:
                return await answer(request)

            return handle

    return Direct


def query_of(model: type[Asked], request: Request) -> Asked:
    """The parameters of a URL.

    Args:
        model: Their names, types and rules; one that is a list may stand more than once.
        request: The request.

    Raises:
        RequestValidationError: A parameter is unknown or breaks a rule.
    """
    lists, said = _lists(model), request.query_params
    values = {name: said.getlist(name) if name in lists else said[name] for name in said}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _told(error, "query") from None


def path_of(name: str, rule: TypeAdapter[str], request: Request) -> str:
    """A part of a URL's path.

    Args:
        name: What the path calls it.
        rule: What it has to meet.
        request: The request.

    Raises:
        RequestValidationError: It breaks the rule.
    """
    try:
        return rule.validate_python(request.path_params[name])
    except ValidationError as error:
        raise _told(error, "path", name) from None


@cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if get_origin(field.annotation) is list)


def _told(error: ValidationError, *place: str) -> RequestValidationError:
    faults = error.errors(include_url=False)
    return RequestValidationError([{**one, "loc": (*place, *one["loc"])} for one in faults])
