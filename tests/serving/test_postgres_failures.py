"""What PostgreSQL does to the log: stops, loses connections, refuses; and how the log goes on."""

import os
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from graphrec.errors import (
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.conftest import OpenLog
from tests.serving.lossy_proxy import LossyProxy
from tests.serving.made_entries import event, events, put
from tests.serving.postgres_server import PASSWORD, PostgresServer, free_port


def times_by_key(log: EntryLog) -> Counter[str]:
    return Counter(entry.key for chunk in log.chunks() for entry in chunk)


def database_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[LossyProxy]:
    proxy = LossyProxy(server.port)
    yield proxy
    proxy.close()


def test_a_server_that_stops_and_starts_loses_and_doubles_nothing(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    log = open_log(postgres_url, patience_s=30)
    under_way = threading.Barrier(5)

    def write(which: int) -> list[str]:
        acknowledged = []
        for i in range(60):
            if i == 10:
                under_way.wait()
            batch = [event(f"{which}-{i}"), put("item", f"item-{which}-{i}")]
            receipts = log.append(batch)
            assert [receipt.outcome for receipt in receipts] == ["stored", "stored"]
            acknowledged += [entry.key for entry in batch]
        return acknowledged

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, which) for which in range(4)]
        under_way.wait()
        server.stop("immediate")
        server.start()
        keys = [key for future in writing for key in future.result()]
    assert times_by_key(log) == Counter(keys)
    assert len(keys) == 480


def test_a_server_that_is_away_is_told_of_and_what_is_sent_again_is_stored_once(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    log = open_log(postgres_url, patience_s=0.1)
    log.append(events(2))
    server.stop("fast")
    try:
        for do in (lambda: log.append(events(4)), log.read, log.count, log.last_seq):
            with pytest.raises(StoreUnavailableError, match="see that the server runs") as caught:
                do()
            assert PASSWORD not in str(caught.value)
    finally:
        server.start()
    assert [receipt.outcome for receipt in log.append(events(4))] == [
        *["repeated"] * 2,
        *["stored"] * 2,
    ]
    assert times_by_key(log) == Counter(f"e{i}" for i in range(4))


@pytest.mark.parametrize("moments", [["after"], ["before"], ["before", "after", "before"]])
def test_a_connection_lost_during_commit_ends_in_exactly_once(
    moments: list[str], postgres_url: str, server: PostgresServer, proxy: LossyProxy
):
    through = server.url(database_of(postgres_url), proxy.port)
    with EntryLog(EntryLogSettings(url=through)) as log:
        log.append([event("e0"), put("item", "tea")])
        proxy.breaks_at = list(moments)
        receipts = log.append([event("e1"), event("e0"), put("item", "tea"), put("user", "ann")])
        assert proxy.breaks_at == []
        assert [receipt.outcome for receipt in receipts] == [
            "stored",
            "repeated",
            "stored",
            "stored",
        ]
        assert times_by_key(log) == Counter({"e0": 1, "e1": 1, "tea": 2, "ann": 1})
        seqs = {entry.seq: entry.key for entry in log.read()}
        assert [seqs[receipt.seq] for receipt in receipts] == ["e1", "e0", "tea", "ann"]


def test_forgetting_over_a_lost_connection_tells_what_it_did(
    postgres_url: str, server: PostgresServer, proxy: LossyProxy
):
    through = server.url(database_of(postgres_url), proxy.port)
    with EntryLog(EntryLogSettings(url=through)) as log:
        log.append(events(3))
        proxy.breaks_at = ["after"]
        assert log.forget_user("ann").n_removed == 3
        assert [entry.kind for entry in log.read()] == ["user_deleted"]


def test_a_commit_whose_end_nobody_knows_is_stored_once_when_sent_again(
    postgres_url: str, server: PostgresServer, proxy: LossyProxy
):
    through = server.url(database_of(postgres_url), proxy.port)
    with EntryLog(EntryLogSettings(url=through, patience_s=0)) as log:
        log.append([event("e0")])
        proxy.breaks_at = ["after"]
        with pytest.raises(StoreUnavailableError):
            log.append([event("e1")])
        assert [receipt.outcome for receipt in log.append([event("e1")])] == ["repeated"]


def test_the_lock_of_a_lost_connection_is_waited_for(
    postgres_url: str, server: PostgresServer, proxy: LossyProxy
):
    through = server.url(database_of(postgres_url), proxy.port)
    settings = EntryLogSettings(url=through, patience_s=20, lock_timeout_s=0.05)
    with EntryLog(settings) as log:
        log.append([event("e0")])
        proxy.breaks_at = ["held"]
        sent = log.submit([event("e1"), put("item", "tea")])
        with pytest.raises(TimeoutError):
            sent.result(0.4)
        proxy.release()
        assert [receipt.seq for receipt in sent.result(10)] == [2, 3]
        assert times_by_key(log) == Counter(["e0", "e1", "tea"])


def test_a_lock_that_a_lost_connection_keeps_leaves_the_end_unknown(
    postgres_url: str, server: PostgresServer, proxy: LossyProxy
):
    through = server.url(database_of(postgres_url), proxy.port)
    settings = EntryLogSettings(url=through, patience_s=0.3, lock_timeout_s=0.2)
    with EntryLog(settings) as log:
        log.append([event("e0")])
        proxy.breaks_at = ["held"]
        with pytest.raises(StoreUnavailableError, match="it is unknown whether") as caught:
            log.append([event("e1")])
        assert not isinstance(caught.value, StoreLockedError)
        proxy.release()
        assert [receipt.outcome for receipt in log.append([event("e1")])] == ["stored"]


def test_connections_that_an_administrator_ends_are_opened_again(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    log = open_log(postgres_url)
    for i in range(5):
        log.append([event(f"e{i}")])
        log.read()
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database_of(postgres_url)}'"
        )
    assert log.count() == 5


def test_a_lock_held_too_long_is_told_of_and_nothing_stored(postgres_url: str, open_log: OpenLog):
    log = open_log(postgres_url, lock_timeout_s=0.1)
    log.append([event("e0")])
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as other:
        other.execute("SELECT * FROM log_head FOR UPDATE")
        with pytest.raises(StoreLockedError, match="end what holds the lock"):
            log.append([event("e1")])
        assert [entry.key for entry in log.read()] == ["e0"]
    assert [receipt.seq for receipt in log.append([event("e1")])] == [2]


def test_a_server_that_takes_no_writes_is_told_of(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    database = database_of(postgres_url)
    log = open_log(postgres_url)
    log.append([event("e0")])
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    server.execute(end)
    with pytest.raises(StoreReadOnlyError, match="connect to a server that takes writes"):
        log.append([event("e1")])
    assert log.count() == 1
    server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    server.execute(end)
    assert [receipt.seq for receipt in log.append([event("e1")])] == [2]


def test_a_server_that_would_not_sync_is_made_to(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    server.execute(f"ALTER DATABASE {database_of(postgres_url)} SET synchronous_commit = off")
    log = open_log(postgres_url)
    with log._database.transaction("looking", writes=True) as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_server_of_stricter_isolation_is_written_to_by_two(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    server.execute(
        f"ALTER DATABASE {database_of(postgres_url)} "
        "SET default_transaction_isolation = 'repeatable read'"
    )
    logs = [open_log(postgres_url, patience_s=0) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda log: [log.append(events(9, i)) for i in range(30)], logs))
    assert times_by_key(logs[0]) == Counter(f"e{i}" for i in range(38))


def test_a_full_disk_is_told_of_and_the_log_goes_on_when_there_is_room(
    server: PostgresServer, open_log: OpenLog
):
    if os.geteuid() != 0:
        pytest.skip("a small disk can be made by root only")
    disk = server.folder / "small"
    disk.mkdir()
    owner = server.folder.stat().st_uid
    mount = ["mount", "-t", "tmpfs", "-o", f"size=24m,uid={owner}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    name = f"log_{uuid.uuid4().hex}"
    try:
        server.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
        server.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        log = open_log(server.url(name))
        filler = disk / "filler"
        with pytest.raises(StoreFullError, match="make room on the server's disk"):
            for i in range(100):
                log.append(events(200, 200 * i, text="x" * 1000))
                if i == 2:
                    with filler.open("wb") as file:
                        fill(file.fileno())
        n_acknowledged = log.count()
        assert n_acknowledged % 200 == 0
        filler.unlink()
        assert {r.outcome for r in log.append(events(200, n_acknowledged))} == {"stored"}
        assert times_by_key(log) == Counter(f"e{i}" for i in range(n_acknowledged + 200))
        log.close()
        server.execute(f"DROP DATABASE {name}")
        server.execute("CHECKPOINT")
        server.execute(f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def fill(file: int) -> None:
    """Write zeros until the disk is full."""
    try:
        while True:
            os.write(file, bytes(4096))
    except OSError:
        return


@pytest.mark.parametrize(
    ("broken", "error"),
    [("database", "does not exist"), ("role", "does not exist"), ("port", "refused")],
)
def test_what_cannot_be_opened_is_refused_without_the_password(
    broken: str, error: str, server: PostgresServer
):
    url = server.url("nowhere" if broken == "database" else "postgres", free_port())
    if broken != "port":
        url = server.url(url.rsplit("/", 1)[1])
    if broken == "role":
        url = url.replace("tester", "stranger")
    with pytest.raises(StoreUnavailableError, match=error) as caught:
        EntryLog(EntryLogSettings(url=url))
    assert PASSWORD not in str(caught.value)
    assert "***@127.0.0.1" in str(caught.value)


def test_a_role_that_may_not_create_tables_is_told_so(postgres_url: str, server: PostgresServer):
    database = database_of(postgres_url)
    role = f"reader_{uuid.uuid4().hex}"
    server.execute(f"CREATE ROLE {role} LOGIN")
    with pytest.raises(StoreReadOnlyError, match="grant this role the right"):
        EntryLog(EntryLogSettings(url=postgres_url.replace("tester", role)))
    with EntryLog(EntryLogSettings(url=postgres_url)) as log:
        log.append([event("e0")])
        server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", database)
        with EntryLog(EntryLogSettings(url=postgres_url.replace("tester", role))) as follower:
            assert follower.count() == 1
            with pytest.raises(StoreReadOnlyError):
                follower.append([event("e1")])


def test_one_entry_that_the_database_refuses_does_not_take_others_with_it(
    postgres_url: str, server: PostgresServer, open_log: OpenLog
):
    log = open_log(postgres_url)
    log.append([event("e0")])
    server.execute("ALTER TABLE log_entries ADD CHECK (key <> 'poison')", database_of(postgres_url))
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
        # While the lock is held the three gather into one group.
        other.execute("SELECT * FROM log_head FOR UPDATE")
        first = log.submit([event("first")])
        waiting = [log.submit([entry]) for entry in (event("e1"), event("poison"), event("e2"))]
    first.result()
    with pytest.raises(StoreError, match="violates check constraint"):
        waiting[1].result()
    assert [waiting[i].result()[0].outcome for i in (0, 2)] == ["stored", "stored"]
    assert times_by_key(log) == Counter(["e0", "first", "e1", "e2"])


@pytest.mark.parametrize("option", ["no_such_option", PASSWORD])
def test_an_option_that_the_driver_does_not_know_is_refused_without_the_password(
    option: str, server: PostgresServer
):
    with pytest.raises(StoreError, match="invalid connection option") as caught:
        EntryLog(EntryLogSettings(url=f"{server.url('postgres')}?{option}=1"))
    assert PASSWORD not in str(caught.value)
