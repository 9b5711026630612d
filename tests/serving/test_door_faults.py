"""Disks, databases and clocks that fail behind the door: told truly, and survived."""

import os
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from graphrec.errors import StoreError
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.steady import SteadyClock
from graphrec.serving.store import EntryLog
from tests.serving.live_server import LiveServer, assert_problem
from tests.serving.postgres_server import PASSWORD

HOUR = 3600.0


@pytest.fixture
def live(tmp_path):
    with LiveServer(f"sqlite:///{tmp_path}/log.sqlite") as found:
        found.assert_takes_good_events("first")
        yield found


@pytest.fixture
def disk():
    """A disk of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can be made by root only")
    found = Path(tempfile.mkdtemp(prefix="graphrec-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(found)]
    try:
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        yield found
        subprocess.run(["umount", str(found)], check=True)
    finally:
        found.rmdir()


def ready(server):
    return server.client.get("/health/ready")


def until(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_full_disk_is_told_by_507_and_used_again_when_there_is_room(disk):
    (disk / "filler").write_bytes(bytes(2**20))
    with LiveServer(f"sqlite:///{disk}/log.sqlite") as server:
        acknowledged = 0
        for call in range(100):
            said = [
                {"event_id": f"{call}-{n}", "event_type": "watch", "user_id": "bob", "item_id": "a"}
                for n in range(500)
            ]
            answer = server.client.post("/v1/events", json=said)
            if answer.status_code != 200:
                break
            acknowledged += len(said)
        assert "make room on the disk" in assert_problem(answer, 507)["detail"]
        assert acknowledged > 0 and server.log.count() == acknowledged
        assert server.client.get("/v1/users/ann/recommendations").status_code == 200
        (disk / "filler").unlink()
        again = server.client.post("/v1/events", json=said).json()
        assert {one["outcome"] for one in again["results"]} == {"stored"}
        server.assert_takes_good_events()
        assert server.log.count() == acknowledged + len(said) + 1


def test_a_log_that_turns_read_only_is_told_by_503_and_slates_go_on(live):
    before = live.contents()
    # What a disk does that the kernel has made read-only under open files, which no test can.
    with live.log._database.writing.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    answer = live.tell(2)
    assert "let this user write the file" in assert_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert live.client.get("/v1/users/ann/recommendations").status_code == 200
    assert live.contents() == before
    live.log._database.close()
    live.assert_takes_good_events()


def test_a_disk_that_is_read_only_is_refused_at_the_start(disk):
    url = f"sqlite:///{disk}/log.sqlite"
    EntryLog(EntryLogSettings(url=url)).close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreError, match="this user"):
        EntryLog(EntryLogSettings(url=url)).check_writable()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    with EntryLog(EntryLogSettings(url=url)) as log:
        log.check_writable()
        assert log.last_seq() == 0


def test_a_locked_log_is_told_by_503_with_a_time_to_wait(live, tmp_path):
    before = live.contents()
    other = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    answer = live.tell(2)
    assert "end what holds the lock" in assert_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert live.client.delete("/v1/users/ann").status_code == 503
    assert live.client.get("/v1/users/ann/recommendations").status_code == 200
    other.execute("ROLLBACK")
    other.close()
    assert live.contents() == before
    live.assert_takes_good_events()


def test_a_log_whose_file_is_gone_is_not_ready_until_it_is_back(live, tmp_path):
    before = live.contents()
    path = tmp_path / "log.sqlite"
    path.rename(tmp_path / "away")
    answer = live.tell(2)
    assert "the log's file is gone" in assert_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    until(lambda: ready(live).status_code == 503)
    assert "the log's file is gone" in assert_problem(ready(live), 503)["detail"]
    assert live.client.get("/health/live").status_code == 200
    assert live.client.get("/v1/users/ann/recommendations").status_code == 200
    (tmp_path / "away").rename(path)
    until(lambda: ready(live).status_code == 200)
    assert live.contents() == before
    live.assert_takes_good_events()


def test_a_database_server_that_stops_is_told_of_and_used_again(postgres_url, server):
    with LiveServer(postgres_url, connect_timeout_s=2) as live:
        live.assert_takes_good_events("first")
        before = live.contents()
        server.stop("fast")
        try:
            answer = live.tell(2)
            document = assert_problem(answer, 503)
            assert "see that the server runs" in document["detail"]
            assert int(answer.headers["retry-after"]) >= 1
            until(lambda: ready(live).status_code == 503)
            told = answer.text + ready(live).text
            assert PASSWORD not in told and "tester:***@127.0.0.1" in told
            assert live.client.get("/v1/users/ann/recommendations").status_code == 200
        finally:
            server.start()
        until(lambda: ready(live).status_code == 200)
        assert live.contents() == before
        live.assert_takes_good_events()


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self, wall_s):
        self.wall_s = wall_s
        self.since_s = 0.0

    def pass_by(self, seconds):
        self.wall_s += seconds
        self.since_s += seconds


def test_a_clock_that_is_set_back_goes_on_at_its_rate(caplog):
    hands = Hands(1e6)
    clock = SteadyClock(lambda: hands.wall_s, lambda: hands.since_s)
    assert clock() == 1e6
    hands.pass_by(10)
    assert clock() == 1e6 + 10
    hands.wall_s -= 3 * HOUR
    hands.pass_by(5)
    assert clock() == 1e6 + 15 and clock() == 1e6 + 15
    assert caplog.text.count("the clock was set back by 10800 s") == 1
    hands.wall_s += 5 * HOUR
    assert clock() == 1e6 + 15 + 2 * HOUR
    hands.pass_by(1)
    assert clock() == 1e6 + 16 + 2 * HOUR


def test_a_clock_set_back_by_hours_delays_no_event_and_no_slate(tmp_path):
    hands = Hands(1e6)
    clock = SteadyClock(lambda: hands.wall_s, lambda: hands.since_s)
    with LiveServer(f"sqlite:///{tmp_path}/log.sqlite", clock=clock) as server:
        server.assert_takes_good_events("first")

        def slate_s():
            return server.client.get("/v1/users/ann/recommendations").json()["time_s"]

        first_s = slate_s()
        hands.wall_s -= 3 * HOUR
        for n in range(1, 6):
            hands.pass_by(100)
            answer = server.tell(n, time_s=1_000_000 + 100 * n)
            assert answer.json()["results"][0]["outcome"] == "stored"
            assert server.engine.wait_until(answer.json()["seq"], 5)
            assert slate_s() >= first_s + 100 * n - 1
        answer = server.tell("untimed")
        assert server.log.read(6)[0].time_s == 1_000_500
        too_far = server.tell("far", time_s=1_000_900)
        assert "at most 300 s ahead of 1000500" in too_far.json()["problems"][0]["rule"]
