"""Several processes answer on one port: each learns what any of them took, and none is missed."""

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest

from graphrec.serving import listening
from graphrec.serving.entries import NewEntry
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.killing_servers import _call, _is_ready, write_log
from tests.serving.test_serve_command import free_port


def children_of(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(child) for child in found if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    }


def started(folder, port):
    """A server of two workers on what lies in a folder."""
    words = ["--data", f"{folder}/events.csv", "--log", f"sqlite:///{folder}/log.sqlite", "--open"]
    words += ["--quiet", "--store", f"{folder}/state", "--workers", "2", "--port", str(port)]
    return subprocess.Popen(
        [sys.executable, "-m", "graphrec", "serve", *words], stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def server(tmp_path):
    write_log(tmp_path / "events.csv")
    port = free_port()
    process = started(tmp_path, port)
    try:
        wait_for(lambda: workers(port) == 2, process)
        yield process, port
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def workers(port):
    if not _is_ready(port):
        return 0
    return _call(port, "/v1/admin/overview")["workers"]


def wait_for(holds, process, seconds=90):
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_workers_share_a_port_learn_from_each_other_and_are_replaced(server):
    process, port = server
    event = {"event_id": "e1", "event_type": "watch", "user_id": "ann", "item_id": "i1"}
    seq = _call(port, "/v1/events", event)["seq"]
    deadline = time.monotonic() + 5
    # Each call is a connection of its own, which either of them may take.
    while any(_call(port, "/v1/users/u1/recommendations")["seq"] < seq for _ in range(20)):
        assert time.monotonic() < deadline
    before = children_of(process.pid)
    assert len(before) == 2
    # One counts as a worker a moment before it listens.
    time.sleep(1)
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: len(children_of(process.pid) - before) == 1, process)
    wait_for(lambda: workers(port) == 2, process)
    time.sleep(1)
    told = [_call(port, "/v1/users/ann/history")["items"] for _ in range(10)]
    assert all([one["item_id"] for one in items] == ["i1"] for items in told)
    process.send_signal(signal.SIGTERM)
    ended, said = process.wait(30), process.stderr.read()
    assert (ended, "Traceback" in said) == (0, False), said


def test_a_bundle_is_put_to_use_by_every_worker(server, tmp_path):
    process, port = server
    words = ["--data", str(tmp_path / "events.csv"), "--log", f"sqlite:///{tmp_path}/log.sqlite"]
    words += ["--store", f"{tmp_path}/state"]
    made = subprocess.run(
        [sys.executable, "-m", "graphrec", "bundle", "second", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "bundles/second" in made.stdout
    assert _call(port, "/v1/admin/reload", {"bundle": "second"})["bundle"] == "second"
    wait_for(
        lambda: {_call(port, "/v1/admin/bundles")["in_use"] for _ in range(20)} == {"second"},
        process,
        seconds=30,
    )
    assert json.dumps(_call(port, "/v1/admin/bundles")["failure"]) == "null"


def test_workers_end_when_the_process_that_started_them_is_killed(server):
    process, port = server
    left = children_of(process.pid)
    process.kill()
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in left):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not _is_ready(port)


def test_workers_start_from_what_is_kept_and_where_they_cannot_the_server_ends(server, tmp_path):
    process, port = server
    process.terminate()
    assert process.wait(30) == 0
    again = started(tmp_path, port)
    wait_for(lambda: workers(port) == 2, again)
    again.terminate()
    assert again.wait(30) == 0
    again.stderr.close()
    with EntryLog(EntryLogSettings(url=f"sqlite:///{tmp_path}/log.sqlite")) as log:
        log.append([NewEntry("model", "gone", 1, "{}", None)])
    (tmp_path / "state/bundles/gone").mkdir()
    broken = started(tmp_path, port)
    assert broken.wait(60) == 2
    with broken.stderr:
        told = broken.stderr.read()
    assert "bundle gone is in use" in told and "a worker could not start" in told
    assert "Traceback" not in told


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_others_start_once_the_first_answers(monkeypatch):
    class Fake:
        def __init__(self, config, sockets):
            self.child_conn, other = Pipe()
            other.close()
            self.answers = False
            started.append(self)

        def start(self):
            pass

        def is_alive(self, timeout):
            return True

        def is_ready(self, timeout):
            return self.answers

    started = []
    monkeypatch.setattr(listening, "Process", Fake)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    config = listening.BoundedConfig("somewhere:app", listening.ListenSettings(), 3)
    supervisor = listening.Supervisor(config, [])
    supervisor.init_processes()
    supervisor.keep_subprocess_alive()
    assert len(started) == 1
    started[0].answers = True
    for _ in range(2):
        supervisor.keep_subprocess_alive()
        assert started == supervisor.processes and len(started) == 3
