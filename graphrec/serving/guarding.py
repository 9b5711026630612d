"""Who may come in: a key of the right scope, or everybody where there are no keys."""

from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

from graphrec.serving.admission import RateLimit
from graphrec.serving.keys import SCOPES, Caller, KeyFile, Scope

OPEN: Final = Caller("open", frozenset(SCOPES))
_HEADER: Final = "X-API-Key"
_CHALLENGE: Final = {"WWW-Authenticate": 'ApiKey realm="graphrec"'}


class Gate:
    """What lets a request in: a key in the header `X-API-Key`, of a scope, not too often."""

    def __init__(self, keys: KeyFile | None, scope: Scope, rate: RateLimit | None = None) -> None:
        """Ask for keys of `scope`; without `keys` everybody has it."""
        self._keys, self._scope, self._rate = keys, scope, rate

    def admit(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            HTTPException: 401, no key that somebody holds; 403, it does not reach so far; 429, it
                has been used too often.
        """
        key = request.headers.get(_HEADER)
        found = OPEN if self._keys is None else self._keys.caller_of(key) if key else None
        if found is None:
            raise HTTPException(
                401, f"no key, or one that nobody holds — header {_HEADER}", _CHALLENGE
            )
        if self._rate is not None:
            self._rate.take(found.name, request.scope)
        if not found.may(self._scope):
            raise HTTPException(403, f"the key of {found.name!r} has no scope {self._scope!r}")
        return found

    @property
    def depends(self) -> Any:
        """The gate as FastAPI's doors take it, which documents it."""
        header = APIKeyHeader(
            name=_HEADER, auto_error=False, description="Made by `graphrec keys add`."
        )

        # In the event loop: looking a key up takes microseconds, a thread may be long in coming.
        async def caller(request: Request, _: Annotated[str | None, Depends(header)]) -> Caller:
            return self.admit(request)

        return Depends(caller)
