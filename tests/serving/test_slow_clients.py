"""Clients that stall, lie about lengths or send too much: refused in time; others are answered."""

import asyncio
import contextlib
import socket
import threading
import time
from concurrent.futures import Future

import pytest

from graphrec.serving.app import DoorSettings
from graphrec.serving.listening import ListenSettings, bound_socket
from tests.serving.live_server import LiveServer, answer_of, assert_problem, ends, head

MIB = 2**20
IMPATIENT = ListenSettings(head_s=0.5, idle_s=1, stalled_s=0.5, drain_s=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.sqlite"
    door = DoorSettings(body_bytes=MIB, body_s=0.5)
    with LiveServer(url, door=door, listen=IMPATIENT) as found:
        found.assert_takes_good_events("first")
        yield found


@pytest.fixture(autouse=True)
def unchanged(server):
    """No test here changes anything, and good events are taken after each."""
    before = server.contents()
    yield
    assert server.contents() == before
    server.assert_takes_good_events(f"{time.monotonic_ns()}")


def test_a_body_that_never_ends_is_refused_and_others_are_answered_meanwhile(server):
    stalled = [server.connect() for _ in range(60)]
    for connection in stalled:
        connection.sendall(head(content_length=1000) + b'{"event_id": ')
    began = time.monotonic()
    assert server.client.get("/v1/users/ann/history").status_code == 200
    assert time.monotonic() - began < 0.5
    for connection in stalled:
        with connection:
            status, headers, document = answer_of(connection)
            assert status == 408 and headers["content-type"] == "application/problem+json"
            assert "not there after 0.5 s" in document["detail"]
            assert ends(connection)


@pytest.mark.parametrize("start", [b"GET /health/live HTTP/1.1\r\nhost: x\r\nx: y", b"\r", b"GET"])
def test_a_head_that_never_ends_is_refused_however_slowly_it_comes(server, start):
    with server.connect() as connection:
        connection.sendall(start)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 0.7:
                connection.sendall(b"z")
                time.sleep(0.05)
        assert ends(connection)
        assert time.monotonic() - began < 2


def test_a_second_head_that_never_ends_is_refused(server):
    with server.connect() as connection:
        connection.sendall(head("/health/live", "GET"))
        assert answer_of(connection)[0] == 200
        connection.sendall(b"GET /health/live HT")
        status, headers, document = answer_of(connection)
        assert status == 408 and headers["connection"] == "close"
        assert "head of the request" in document["detail"]
        assert ends(connection)


def test_a_connection_that_says_nothing_is_closed(server):
    with server.connect() as connection:
        assert ends(connection)


def test_clients_that_vanish_before_or_during_the_answer_harm_nobody(server):
    for sent in (head(content_length=10), head("/v1/users/ann/history", "GET"), b"GET /"):
        for _ in range(5):
            connection = server.connect()
            connection.sendall(sent)
            # Without lingering, closing sends a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()


def test_an_answer_that_nobody_takes_is_given_up(server):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", server.port))
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.settimeout(0.2)
            for _ in range(3000):
                connection.sendall(head("/openapi.json", "GET"))
        mine = connection.getsockname()
        deadline = time.monotonic() + 10
        while mine in [one.client for one in list(server.server.server_state.connections)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_body_said_to_be_too_large_is_refused_before_it_comes(server):
    with server.connect() as connection:
        connection.sendall(head(content_length=10 * MIB))
        status, _, document = answer_of(connection)
        assert status == 413 and "1,048,576 bytes" in document["detail"]
        assert ends(connection)


def test_ten_mib_are_refused_also_to_a_client_that_sends_all_before_it_reads(server):
    answer = server.client.post("/v1/events", content=b" " * 10 * MIB)
    assert "1,048,576 bytes" in assert_problem(answer, 413)["detail"]


def test_a_chunked_body_is_refused_where_it_is_too_large_and_not_read_for_ever(server):
    chunk = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
    with server.connect() as connection:
        connection.sendall(head(transfer_encoding="chunked"))
        began = time.monotonic()
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            while time.monotonic() - began < 20:
                connection.sendall(chunk)
                sent += 1
        assert time.monotonic() - began < 8
        assert sent < 200
    with server.connect() as connection:
        connection.sendall(head(transfer_encoding="chunked") + chunk + b"1\r\n \r\n")
        assert answer_of(connection)[0] == 413


def test_the_rest_of_a_refused_body_is_not_waited_for_however_slowly_it_comes(server):
    with server.connect() as connection:
        connection.sendall(head(content_length=10 * MIB))
        assert answer_of(connection)[0] == 413
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                connection.sendall(b" ")
                time.sleep(0.05)
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("said", ["-1", "1e3", "0x10", "ten", "9" * 30])
def test_a_length_that_is_none_is_refused(server, said):
    with server.connect() as connection:
        connection.sendall(head(content_length=said) + b"{}")
        status, headers, _ = answer_of(connection)
        assert status in (400, 413) and headers["content-type"] == "application/problem+json"
        assert ends(connection)


def test_a_length_that_is_shorter_than_the_body_ends_in_a_refusal_of_the_rest(server):
    body = b'{"event_id": "lie", "event_type": "watch", "user_id": "ann", "item_id": "d"}'
    with server.connect() as connection:
        connection.sendall(head(content_length=20) + body)
        assert answer_of(connection)[0] == 400
        assert ends(connection)


def test_two_lengths_are_refused(server):
    with server.connect() as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\n")
        connection.sendall(b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}")
        assert answer_of(connection)[0] == 400


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02\x00\x01", b"HELO there\r\n\r\n", b"\0" * 99])
def test_what_is_no_http_is_refused(server, start):
    with server.connect() as connection:
        connection.sendall(start + b"\r\n\r\n")
        status, headers, _ = answer_of(connection)
        assert status == 400 and headers["content-type"] == "application/problem+json"


def test_a_head_that_is_too_large_is_refused(server):
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head("/health/live", "GET", x="y" * 5_000_000))
        assert ends(connection)


def test_a_compressed_body_is_refused_unread(server):
    bomb = b"\x1f\x8b\x08\x00" + b"\0" * 1000
    answer = server.client.post("/v1/events", content=bomb, headers={"Content-Encoding": "gzip"})
    assert "send the body as it is" in assert_problem(answer, 415)["detail"]


def test_more_connections_than_may_be_are_refused_and_there_is_room_again(tmp_path):
    listen = ListenSettings(connections=3, head_s=0.5, idle_s=1)
    with LiveServer(f"sqlite:///{tmp_path}/log.sqlite", listen=listen) as server:
        held = [server.connect() for _ in range(3)]
        time.sleep(0.1)
        with server.connect() as connection:
            connection.sendall(head("/health/live", "GET"))
            status, headers, _ = answer_of(connection)
            assert status == 503 and headers["retry-after"] == "1"
        more = [server.connect() for _ in range(6)]
        time.sleep(0.1)
        assert len(server.server.server_state.connections) <= 7
        assert all(ends(connection) for connection in held + more)
        for connection in held + more:
            connection.close()
        assert server.client.get("/health/live").status_code == 200


def test_requests_in_flight_are_answered_when_the_server_ends(tmp_path):
    with LiveServer(f"sqlite:///{tmp_path}/log.sqlite", listen=IMPATIENT) as server:
        connection = server.connect()
        body = b'{"event_id": "1", "event_type": "watch", "user_id": "ann", "item_id": "d"}'
        connection.sendall(head(content_length=len(body)) + body[:20])
        time.sleep(0.2)
        ending = threading.Timer(0.2, lambda: connection.sendall(body[20:]))
        ending.start()
        server.server.should_exit = True
        assert answer_of(connection)[0] == 200
        ending.join()
        connection.close()


def test_an_address_that_is_taken_or_elsewhere_is_refused():
    with bound_socket("127.0.0.1", 0) as bound:
        bound.listen()
        with pytest.raises(OSError, match="another program listens there"):
            bound_socket("127.0.0.1", bound.getsockname()[1])
    with pytest.raises(OSError, match="this machine has no such address"):
        bound_socket("192.0.2.1", 8000)
    with pytest.raises(OSError, match="cannot listen on no-such-host"):
        bound_socket("no-such-host.invalid", 8000)


def test_small_answers_are_sent_at_once():
    """Nagle's algorithm holds a second answer back until the first one is acknowledged, 40 ms."""

    class Noting(asyncio.Protocol):
        def connection_made(self, transport):
            taken = transport.get_extra_info("socket")
            sent_at_once.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def connect(bound):
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Noting, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            found = await asyncio.wait_for(asyncio.wrap_future(sent_at_once), 5)
            writer.close()
            return found

    sent_at_once = Future()
    with bound_socket("127.0.0.1", 0) as bound:
        assert asyncio.run(connect(bound))
