"""Who may come in: a key of the right scope, or everybody where there are no keys."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

from graphrec.serving.keys import SCOPES, Caller, KeyFile, Scope

OPEN = Caller("open", frozenset(SCOPES))
_CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="graphrec"'}


def guard(keys: KeyFile | None, scope: Scope) -> Any:
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
