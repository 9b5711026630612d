"""SIGTERM under load: what is in flight is answered, what was acknowledged is there, exit 0."""

import json
import signal
import socket
import threading
import time
import urllib.error

import pytest

from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.live_server import answer_of, event, head
from tests.serving.test_serve_command import LOG_ROWS, Server, call


@pytest.fixture
def server(tmp_path):
    data = tmp_path / "events.csv"
    data.write_text(LOG_ROWS)
    found = Server(data, tmp_path)
    yield found
    found.process.kill()
    found.process.wait()


def half_sent(port, number):
    """A request of which half of the body is sent, and the other half."""
    body = json.dumps(event(number)).encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(head(content_length=len(body)) + body[:30])
    return connection, body[30:]


def test_a_server_told_to_end_under_load_answers_what_is_in_flight_and_loses_nothing(
    server, tmp_path
):
    acknowledged = []

    def load(which):
        number = 0
        while True:
            try:
                found = call(server.port, "/v1/events", event(f"{which}-{number}"))
            except (urllib.error.URLError, OSError):
                return
            acknowledged.extend(one["event_id"] for one in found["results"])
            number += 1

    threads = [threading.Thread(target=load, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    flying = [half_sent(server.port, f"flying-{n}") for n in range(3)]
    time.sleep(1)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    for connection, rest in flying:
        with connection:
            connection.sendall(rest)
            status, _, found = answer_of(connection)
            assert status == 200
            acknowledged.append(found["results"][0]["event_id"])
    assert server.process.wait(30) == 0
    assert time.monotonic() - began < 20
    for thread in threads:
        thread.join()
    with EntryLog(EntryLogSettings(url=f"sqlite:///{tmp_path}/log.sqlite")) as log:
        kept = [entry.key for chunk in log.chunks() for entry in chunk]
    assert len(acknowledged) > 20 and len(set(kept)) == len(kept)
    assert set(acknowledged) <= set(kept)
    # An orderly end merges the write-ahead log into the file.
    assert not (tmp_path / "log.sqlite-wal").exists()


def test_a_second_signal_ends_the_server_at_once(server):
    connection, _ = half_sent(server.port, 1)
    with connection:
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == -signal.SIGTERM
        assert time.monotonic() - began < 1


def test_no_trace_of_a_failure_is_left_when_the_server_ends(server):
    call(server.port, "/v1/events", event(1))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    told = server.lines.read_text()
    assert "Traceback" not in told and "no more requests are taken" in told
