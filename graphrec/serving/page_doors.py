"""The web page, and the doors that only it and whoever runs the server ask."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import Field
from starlette.exceptions import HTTPException

from graphrec.serving.coverage import CoverageOut, coverage_of
from graphrec.serving.neighbourhood import MAX_NEIGHBOURS, NeighboursOut, neighbours_of
from graphrec.serving.onlookers import Onlookers
from graphrec.serving.overview import OverviewOut
from graphrec.serving.problems import documented
from graphrec.serving.service import Service

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Nothing from elsewhere, nothing inline, no text that becomes code or markup.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_Id = Annotated[str, Field(max_length=256)]


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes:
        body: Its bytes.
        media_type: What they are.
        tag: Changes when they do.
    """

    body: bytes
    media_type: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """The files of the page by name, as they were installed."""
    found = {}
    for one in files("graphrec.serving").joinpath("page").iterdir():
        media_type = _MEDIA_TYPES.get("." + one.name.rpartition(".")[2])
        if media_type is not None:
            body = one.read_bytes()
            found[one.name] = PageFile(body, media_type, f'"{sha256(body).hexdigest()[:32]}"')
    return found


def add_page_doors(app: FastAPI) -> None:
    """Add the page, which holds no data and is for everybody."""
    known = page_files()

    @app.get("/", include_in_schema=False)
    def index(request: Request) -> Response:
        return _answer(known["index.html"], request)

    @app.get("/page/{name}", include_in_schema=False)
    def part(name: str, request: Request) -> Response:
        if name not in known:
            raise HTTPException(404, "the page has no such file")
        return _answer(known[name], request)


def add_insight_doors(
    app: FastAPI, service: Service, onlookers: Onlookers, guards: tuple[Any, Any]
) -> None:
    """Add neighbourhoods behind the first guard, overview and coverage behind the second."""
    reading, running = guards

    @app.get(
        "/v1/items/{item_id:path}/neighbours",
        summary="What is watched after an item",
        dependencies=[reading],
        responses=documented(404),
    )
    def neighbours(
        item_id: _Id,
        k: Annotated[int, Query(ge=1, le=MAX_NEIGHBOURS, description="At most so many.")] = 30,
    ) -> NeighboursOut:
        """The live co-watch graph around an item: weights, ages, links among the neighbours."""
        with service.engine.read() as state:
            found = neighbours_of(state, item_id, k)
        if found is None:
            raise HTTPException(404, "no source of this pipeline holds a co-watch graph")
        return found

    @app.get("/v1/admin/overview", summary="How the server does", dependencies=[running])
    def look_over() -> OverviewOut:
        """Rates, latency, freshness and sizes, over all processes, now and for five minutes."""
        return onlookers.overview.answer()

    @app.get("/v1/admin/coverage", summary="What is shown and watched", dependencies=[running])
    def coverage() -> CoverageOut:
        """Of the last slates of the process that answers, and of all that was watched."""
        with service.engine.read() as state:
            return coverage_of(state, onlookers.shown)


def _answer(file: PageFile, request: Request) -> Response:
    headers = {**_HEADERS, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)
