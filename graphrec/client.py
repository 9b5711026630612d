"""A client of a server: typed, with retries where they are safe."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from graphrec.errors import GraphrecError
from graphrec.events.ids import Key
from graphrec.serving.impression_messages import ImpressionIn, ImpressionsOut
from graphrec.serving.messages import EventIn, EventsOut, ForgottenOut, HistoryOut, SlateOut

RETRIED: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

Answer = TypeVar("Answer", bound=BaseModel)


class SlateWishes(TypedDict, total=False):
    """What may be asked of a slate besides its places.

    Attributes:
        seen: What happens to items of the history.
        deny: Never these items.
        publisher: Only items of one of these.
        keyword: Only items with one of these.
        max_age_days: Published at most so many days ago, >= 0.
        diversity: Weight of unlikeness, 0 (as ranked) to 1; left out: as the server is set.
        objectives: Weights by name, such as `{"freshness": 0.5}`, over the server's own.
        reasons: Whether to tell reasons.
        item: What this visit did so far, newest first; not for `similar`.
        cursor: `next_cursor` of the page before.
    """

    seen: Literal["hide", "allow", "only_again"]
    deny: Sequence[Key]
    publisher: Sequence[str]
    keyword: Sequence[str]
    max_age_days: float
    diversity: float
    objectives: Mapping[str, float]
    reasons: bool
    item: Sequence[Key]
    cursor: str


class ServerError(GraphrecError):
    """A server refused a request, or could not be reached.

    Attributes:
        status: HTTP status; None: no answer came.
        problems: Fields that broke a rule, as the server names them.
    """

    def __init__(
        self, message: str, status: int | None, problems: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message, status, problems)
        self.status = status
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return str(self.args[0])


class Client:
    """Talks to one server; any number of threads may use it. Close it, or use it in a `with`.

    Every call may be sent again: events and impressions are stored once under their ids, and the
    other calls change nothing more the second time. So what does not get through is tried again for
    `patience_s`, with pauses that grow and are drawn, or as long as the server asks for.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        timeout_s: float = 10.0,
        patience_s: float = 10.0,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Know a server.

        Args:
            url: Where it listens.
            key: An API key, where it asks for one.
            timeout_s: Seconds that one try may take.
            patience_s: Seconds of trying again; 0: once.
            transport: How requests travel, for tests.
            sleep: Waits, seconds.
        """
        headers = {} if key is None else {"X-API-Key": key}
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_s, transport=transport
        )
        self._url, self._patience_s, self._sleep = url, patience_s, sleep

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def tell(self, events: Sequence[EventIn]) -> EventsOut:
        """Tell what happened; returns once it is durable.

        Raises:
            ServerError: All events were refused, or the server cannot be reached.
        """
        body = {"events": [event.model_dump(exclude_none=True) for event in events]}
        return self._asked(EventsOut, "POST", "/v1/events", json=body)

    def impressions(self, shown: Sequence[ImpressionIn]) -> ImpressionsOut:
        """Tell what was shown; returns once it is durable.

        Raises:
            ServerError: All impressions were refused, or the server cannot be reached.
        """
        body = {"impressions": [one.model_dump(exclude_none=True) for one in shown]}
        return self._asked(ImpressionsOut, "POST", "/v1/impressions", json=body)

    def recommend(self, user_id: Key, k: int = 10, **wishes: Unpack[SlateWishes]) -> SlateOut:
        """A slate of a user.

        Raises:
            ServerError: The request breaks a rule, or the server cannot be reached.
        """
        path = f"/v1/users/{_quoted(user_id)}/recommendations"
        return self._asked(SlateOut, "GET", path, params=_params(k, wishes))

    def recommend_session(
        self, item_ids: Sequence[Key], k: int = 10, **wishes: Unpack[SlateWishes]
    ) -> SlateOut:
        """A slate of somebody anonymous by what they watched, newest first.

        Raises:
            ServerError: An item is not known, or the server cannot be reached.
        """
        params = _params(k, {**wishes, "item": item_ids})
        return self._asked(SlateOut, "GET", "/v1/recommendations", params=params)

    def similar(self, item_id: Key, k: int = 10, **wishes: Unpack[SlateWishes]) -> SlateOut:
        """What goes with an item.

        Raises:
            ServerError: The item is not known, or the server cannot be reached.
        """
        path = f"/v1/items/{_quoted(item_id)}/similar"
        return self._asked(SlateOut, "GET", path, params=_params(k, wishes))

    def pages(
        self, user_id: Key | None, k: int = 10, **wishes: Unpack[SlateWishes]
    ) -> Iterator[SlateOut]:
        """Slate after slate of a user, no item twice, until there is nothing more.

        Args:
            user_id: Who; None: somebody anonymous, by the wish `item`.
            k: Places of a page.
            wishes: As for one slate; `cursor` starts behind the pages that it tells of.

        Raises:
            ServerError: The request breaks a rule, pages reach beyond 1000 items, or the server
                cannot be reached.
        """
        anonymous = "/v1/recommendations"
        path = anonymous if user_id is None else f"/v1/users/{_quoted(user_id)}/recommendations"
        params = _params(k, wishes)
        while True:
            page = self._asked(SlateOut, "GET", path, params=params)
            if page.items:
                yield page
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def history(self, user_id: Key, limit: int = 50) -> HistoryOut:
        """What a user did, newest first.

        Raises:
            ServerError: Nobody has that id, or the server cannot be reached.
        """
        path = f"/v1/users/{_quoted(user_id)}/history"
        return self._asked(HistoryOut, "GET", path, params={"limit": limit})

    def forget(self, user_id: Key) -> ForgottenOut:
        """Forget a user.

        Raises:
            ServerError: The server cannot be reached.
        """
        return self._asked(ForgottenOut, "DELETE", f"/v1/users/{_quoted(user_id)}")

    def _asked(self, kind: type[Answer], method: str, path: str, **said: Any) -> Answer:
        until_s = time.monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            wait_s = None
            try:
                answer = self._http.request(method, path, **said)
            except httpx2.TransportError as error:
                failure = ServerError(f"{self._url}: {error}", None)
            else:
                if answer.is_success:
                    return kind.model_validate_json(answer.content)
                failure = _failure_of(answer)
                if answer.status_code not in RETRIED:
                    raise failure
                wait_s = _asked_for(answer)
            # A pause is no secret.
            wait_s = pause_s * (0.5 + random.random()) if wait_s is None else wait_s  # nosec B311
            if time.monotonic() + wait_s > until_s:
                raise failure
            self._sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _params(k: int, wishes: SlateWishes) -> dict[str, Any]:
    params: dict[str, Any] = {"k": k, **wishes}
    weights = params.pop("objectives", {})
    if weights:
        params["objective"] = [f"{name}:{weight!r}" for name, weight in weights.items()]
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in params.items()
    }


def _failure_of(answer: httpx2.Response) -> ServerError:
    try:
        document = answer.json()
        problems = document.get("problems", [])
        return ServerError(str(document["detail"]), answer.status_code, problems)
    except (ValueError, KeyError, AttributeError):
        return ServerError(f"status {answer.status_code} without a reason", answer.status_code)


def _asked_for(answer: httpx2.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else None


def _quoted(key: Key) -> str:
    return quote(str(key), safe="")
