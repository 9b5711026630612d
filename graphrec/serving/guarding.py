"""Who may come in: a key of the right scope, or everybody where there are no keys."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

from graphrec.serving.admission import RateLimit
from graphrec.serving.keys import SCOPES, Caller, KeyFile, Scope

OPEN = Caller("open", frozenset(SCOPES))
_CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="graphrec"'}


def guard(keys: KeyFile | None, scope: Scope, rate: RateLimit | None = None) -> Any:
    """What lets a request in: a key in the header `X-API-Key`, of that scope, not too often."""
    header = APIKeyHeader(
        name="X-API-Key", auto_error=False, description="Made by `graphrec keys add`."
    )

    # In the event loop: looking a key up takes microseconds, and a thread may be long in coming.
    async def caller(request: Request, key: Annotated[str | None, Depends(header)]) -> Caller:
        found = OPEN if keys is None else keys.caller_of(key) if key else None
        if found is None:
            raise HTTPException(
                401, "no key, or one that nobody holds — header X-API-Key", _CHALLENGE
            )
        if rate is not None:
            rate.take(found.name, request.scope)
        if not found.may(scope):
            raise HTTPException(403, f"the key of {found.name!r} has no scope {scope!r}")
        return found

    return Depends(caller)
