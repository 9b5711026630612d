"""An HTTP load generator that does not wait: requests are due by a clock, whoever is slow.

Latency counts from when a request was due, so a server that stalls is charged for every request
that had to wait. Bare sockets and HTTP/1.1 with kept connections, since the generator shares the
server's cores.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Outcome:
    """Requests of one kind: latency from due to answered, and what was no 200."""

    ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Latency that `share` percent stay below, milliseconds."""
        return float(np.percentile(self.ms, share)) if self.ms else float("nan")


class Connection:
    """One kept connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and read the whole answer; anew where a kept connection was closed."""
        is_kept = self._writer is not None
        try:
            return await self._ask(method, path, body)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not is_kept:
                raise
            return await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        told = await self._reader.readuntil(b"\r\n\r\n")
        status = int(told[9:12])
        lower = told.lower()
        at = lower.index(b"content-length:") + 15
        length = int(lower[at : lower.index(b"\r\n", at)])
        answer = await self._reader.readexactly(length)
        if b"connection: close" in lower:
            self.close()
        return status, answer

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Pool:
    """Connections that requests take in turn."""

    def __init__(self, host: str, port: int, size: int) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(size):
            self._free.put_nowait(Connection(host, port))

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request on a connection that nobody uses."""
        connection = await self._free.get()
        try:
            return await connection.ask(method, path, body)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            connection.close()
            raise
        finally:
            self._free.put_nowait(connection)


async def send_at_rate(
    pool: Pool,
    request: Callable[[], tuple[str, str, bytes]],
    per_second: float,
    seconds: float,
    outcome: Outcome,
) -> None:
    """Send requests at random times, so many a second on average, whether earlier ones are done."""
    rng = np.random.default_rng(5)
    due = time.perf_counter()
    end = due + seconds
    running: set[asyncio.Task[None]] = set()

    async def one(at: float) -> None:
        try:
            status, answer = await pool.ask(*request())
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            outcome.failures.append(repr(error))
            return
        outcome.ms.append(1e3 * (time.perf_counter() - at))
        if status != 200:
            outcome.failures.append(f"{status} {answer[:200]!r}")

    while due < end:
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
        due += rng.exponential(1 / per_second)
    if running:
        await asyncio.wait(running)


async def watch_freshness(
    host: str,
    port: int,
    event: Callable[[str, str], dict[str, object]],
    seconds: float,
    outcome: Outcome,
) -> None:
    """Tell of a newcomer's event, and ask over other connections until a slate knows of it."""
    telling = Connection(host, port)
    asking = [Connection(host, port) for _ in range(4)]
    end, n = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        n += 1
        body = json.dumps(event(f"fresh-{n}", f"newcomer-{n}")).encode()
        status, answer = await telling.ask("POST", "/v1/events", body)
        told = time.perf_counter()
        if status != 200:
            outcome.failures.append(f"{status} {answer[:200]!r}")
            continue
        seq, path = json.loads(answer)["seq"], f"/v1/users/newcomer-{n}/recommendations?k=1"
        connection = asking[n % len(asking)]
        while json.loads((await connection.ask("GET", path))[1])["seq"] < seq:
            await asyncio.sleep(0.002)
        outcome.ms.append(1e3 * (time.perf_counter() - told))
        await asyncio.sleep(0.1)
