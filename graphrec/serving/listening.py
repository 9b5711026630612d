"""How the server listens: bounded patience with each connection, and an orderly end.

Source:
    Uvicorn's own limits, https://www.uvicorn.org/settings/, end an idle connection only after its
    first answer: a head that never ends, a body that nobody reads and an answer that nobody takes
    would keep one open for ever, and `limit_concurrency` refuses requests but no connections.
"""

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from pydantic import BaseModel, ConfigDict, Field
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from graphrec.errors import GraphrecError
from graphrec.serving.problems import problem

_LOG = logging.getLogger(__name__)
_PATIENCE_S: Final = 60
_REST_S: Final = 2.0
_REST_BYTES: Final = 64 * 2**20


class ListenSettings(BaseModel):
    """How patient the server is with a connection, and how many it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Connections at once; requests on further ones are answered by 503, and beyond "
        "twice as many they are cut. The process needs as many open files.",
    )
    head_bytes: int = Field(
        65_536, ge=4096, le=2**24, description="Bytes that the head of a request may have."
    )
    head_s: float = Field(
        10.0,
        gt=0,
        le=600,
        description="Seconds within which the head of a request has to be there.",
    )
    idle_s: int = Field(
        5, ge=1, le=3600, description="Seconds that a connection may wait between two requests."
    )
    stalled_s: float = Field(
        30.0, gt=0, le=600, description="Seconds that a client may take nothing of an answer."
    )
    drain_s: int = Field(
        10,
        ge=0,
        le=600,
        description="Seconds that requests in flight have when the server is told to end.",
    )


class BoundedConfig(uvicorn.Config):
    """Uvicorn's settings, and ours."""

    def __init__(self, app: Any, listen: ListenSettings, workers: int = 1) -> None:
        """Serve `app`, an ASGI application or, for several workers, where one is made."""
        super().__init__(
            app,
            factory=isinstance(app, str),
            workers=workers,
            timeout_worker_healthcheck=_PATIENCE_S,
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=listen.idle_s,
            timeout_graceful_shutdown=listen.drain_s,
            h11_max_incomplete_event_size=listen.head_bytes,
        )
        self.listen = listen


class BoundedProtocol(H11Protocol):
    """One connection, which is given up where its client stalls.

    A head has `head_s`, an answer that is not taken `stalled_s`; what is left of a body after its
    answer is read for 2 s and 64 MiB at most, so that a client that sends all before it reads
    still finds the answer.
    """

    config: BoundedConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first head, or refuse one connection too many."""
        super().connection_made(transport)
        self._waits_for: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._rest_bytes = 0
        most = self.config.listen.connections
        if len(self.connections) > 2 * most:
            transport.abort()
            return
        if len(self.connections) > most:
            self.app = _too_many
        self._wait("head")

    def data_received(self, data: bytes) -> None:
        """Read on, and see what is waited for then."""
        super().data_received(data)
        theirs = self.conn.their_state
        if self.transport.is_closing() or theirs is h11.IDLE:
            self._wait(None if self.transport.is_closing() else "head")
        elif not self._is_answered():
            self._wait(None)
        else:
            self._rest_bytes += len(data)
            if self._rest_bytes > _REST_BYTES:
                self.transport.abort()

    def on_response_complete(self) -> None:
        """Wait for what is left of the request, or for the rest of the next head."""
        super().on_response_complete()
        if self._is_answered():
            self._rest_bytes = 0
            self._wait("rest")
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._wait("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait(None)
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client a while to take what was sent."""
        super().pause_writing()
        seconds = self.config.listen.stalled_s
        self._stalled = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes its answer again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP by a problem document, where no answer is under way."""
        self._refuse(400, f"{msg} The connection ends.")

    def _is_answered(self) -> bool:
        """Whether a request was answered before all of it came."""
        return self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE

    def _wait(self, what: str | None) -> None:
        if what == self._waits_for:
            return
        self._waits_for = what
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if what is not None:
            seconds = self.config.listen.head_s if what == "head" else _REST_S
            self._timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if self._waits_for == "head" and self.conn.trailing_data[0]:
            seconds = self.config.listen.head_s
            self._refuse(408, f"the head of the request was not there after {seconds:g} s")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = problem(status, detail, headers={"Connection": "close"})
            head = h11.Response(status_code=status, headers=answer.raw_headers, reason=b"")
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class OrderlyServer(uvicorn.Server):
    """A server that ends with exit code 0 when it is told to, and at once when told twice.

    Uvicorn itself ends by the signal that it got, before what stands around it is closed, and
    waits on where SIGTERM comes again.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT while the block runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGTERM, signal.SIGINT)
        before = {one: signal.signal(one, self.handle_exit) for one in signals}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; at the second signal, die of it."""
        del frame
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.should_exit = True


class Supervisor(Multiprocess):
    """Worker processes: the first alone, and the others once it answers.

    So one has the machine for itself while it reads or learns a state, callers are answered as soon
    as they would be by one process, and the others find what the first has learnt.

    One that dies is noticed at once. Uvicorn waits for a worker's answer to the end of its patience
    even where the worker has died: its own copy of the pipe's other end keeps that open.
    """

    def init_processes(self) -> None:
        """Start the first process."""
        self._start_more(1)

    def keep_subprocess_alive(self) -> None:
        """Start anew what has died, and the others once the first is ready."""
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()
        n_missing = self.processes_num - len(self.processes)
        if n_missing > 0 and self.processes[0].is_ready(_PATIENCE_S):
            self._start_more(n_missing)

    def _start_more(self, n: int) -> None:
        for _ in range(n):
            process = Process(self.config, self.sockets)
            process.start()
            self.processes.append(process)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to an address, not yet listening.

    Raises:
        OSError: Somebody listens there already, or this machine has no such address.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = min(places, key=lambda one: one[0] != socket.AF_INET)
        # Without the protocol asyncio does not tell that it is TCP, and leaves Nagle's algorithm
        # on: the second of two answers in a row then waits 40 ms for the first one's ACK.
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        rule = {
            errno.EADDRINUSE: "another program listens there; end it or choose another port",
            errno.EACCES: "this user may not; choose a port from 1024 on",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }.get(error.errno or 0, str(error.strerror))
        raise OSError(f"cannot listen on {host}, port {port} — {rule}") from error
    return bound


def listen(app: Any, bound: socket.socket, settings: ListenSettings) -> None:
    """Serve an ASGI application until the process is told to end.

    Args:
        app: The application.
        bound: Where; closed at the end.
        settings: Patience and limits.
    """
    server = OrderlyServer(BoundedConfig(app, settings))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[bound])
    _LOG.info("no more requests are taken")


def listen_in_processes(
    app: str, bound: socket.socket, settings: ListenSettings, workers: int
) -> None:
    """Serve in several processes until this one is told to end; one that dies is started again.

    SIGHUP starts each process anew, one after the other, while the others answer.

    Args:
        app: Where the application is made, `module:function`; called in each process.
        bound: Where; all of them accept from it.
        settings: Patience and limits, of each process.
        workers: Processes.

    Raises:
        GraphrecError: A process could not make the application, and has told why.
    """
    supervisor = Supervisor(BoundedConfig(app, settings, workers), [bound])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise GraphrecError("a worker could not start, see above")
    _LOG.info("no more requests are taken")


async def _too_many(scope: Any, receive: Any, send: Any) -> None:
    """The answer where too many connections are open."""
    del scope, receive
    answer = problem(503, "too many connections are open", headers={"Retry-After": "1"})
    head = [*answer.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": head})
    await send({"type": "http.response.body", "body": bytes(answer.body)})
