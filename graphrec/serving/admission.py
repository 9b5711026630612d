"""How much a server takes on: requests of a key by time, and slates at once."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphrec.serving.limits import DoorSettings

_POLICY: Final = '"requests"'


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a token found.

    Attributes:
        allowed: Whether there was one.
        left: Tokens left, rounded down.
        full_s: Seconds until the bucket is full, should nobody take any.
        wait_s: Seconds until there is a token; 0 where there was.
    """

    allowed: bool
    left: int
    full_s: float
    wait_s: float


class TokenBuckets:
    """A bucket for each caller, which fills at a steady rate and holds a burst at most.

    Called from one thread: the event loop's.
    """

    def __init__(
        self, per_s: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fill by `per_s` tokens a second up to `burst`."""
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> Taken:
        """Take a token out of the bucket of `name`, which is full at first."""
        now_s = self._clock()
        tokens, then_s = self._buckets.get(name, (float(self._burst), now_s))
        tokens = min(tokens + (now_s - then_s) * self._per_s, float(self._burst))
        allowed = tokens >= 1
        tokens -= allowed
        self._buckets[name] = (tokens, now_s)
        return Taken(
            allowed,
            int(tokens),
            (self._burst - tokens) / self._per_s,
            0.0 if allowed else (1 - tokens) / self._per_s,
        )


class RateLimit:
    """Refuses callers who ask oftener than they may, and tells all how much is left.

    Source:
        Fields `RateLimit-Policy` (q, w) and `RateLimit` (r, t) of
        draft-ietf-httpapi-ratelimit-headers-11. The draft leaves the algorithm open: here q is the
        burst, w the seconds in which an empty bucket fills, r the requests that would be answered
        at once, t the seconds until all of q would be.
    """

    def __init__(self, per_s: float, burst: int, **clock: Callable[[], float]) -> None:
        """Allow `per_s` requests a second to each name, and `burst` at once."""
        self._buckets = TokenBuckets(per_s, burst, **clock)
        self._policy = f"{_POLICY};q={burst};w={max(1, math.ceil(burst / per_s))}"
        self._words = f"{per_s:g} requests a second, {burst} at once"

    def take(self, name: str, scope: Scope) -> None:
        """Count a request of a caller, and put what is left where `RateLimitFields` finds it.

        Raises:
            HTTPException: 429, they have to wait.
        """
        taken = self._buckets.take(name)
        scope.setdefault("state", {})["rate_limit"] = {
            "RateLimit-Policy": self._policy,
            "RateLimit": f"{_POLICY};r={taken.left};t={math.ceil(taken.full_s)}",
        }
        if not taken.allowed:
            wait_s = max(1, math.ceil(taken.wait_s))
            raise HTTPException(
                429,
                f"{name!r} may send {self._words} — try again in {wait_s} s",
                {"Retry-After": str(wait_s)},
            )


class RateLimitFields:
    """Middleware that adds the fields of `RateLimit` to an answer, whatever it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def answer(message: Message) -> None:
            fields = scope.get("state", {}).get("rate_limit")
            if message["type"] == "http.response.start" and fields:
                MutableHeaders(scope=message).update(fields)
            await send(message)

        await self._app(scope, receive, answer)


def rate_limit_of(settings: DoorSettings) -> RateLimit | None:
    """The limit that settings ask for; None where they ask for none."""
    per_s = settings.requests_per_s
    if per_s is None:
        return None
    return RateLimit(per_s, settings.burst or max(1, math.ceil(per_s)))


class SlatesAtOnce:
    """Lets so many slates be in work or wait for a thread, and no more.

    What is beyond is refused before it takes memory or a thread. Used by the event loop alone.
    """

    def __init__(self, most: int) -> None:
        """Let `most` in."""
        self._most = most
        self._n = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place until the block ends.

        Raises:
            HTTPException: 429, all places are taken.
        """
        if self._n >= self._most:
            raise HTTPException(
                429,
                f"{self._n} slates are in work already, of at most {self._most} — try again in 1 s",
                {"Retry-After": "1"},
            )
        self._n += 1
        try:
            yield
        finally:
            self._n -= 1
