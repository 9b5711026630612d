"""What happens to a log in SQLite: full, locked, read-only, moved, damaged; and how it goes on."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.pool import Pool

from graphrec.errors import (
    StoreDamagedError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreSchemaError,
    StoreUnavailableError,
)
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.sqlite_file import SqliteFile
from graphrec.serving.store import EntryLog
from tests.serving.conftest import OpenLog
from tests.serving.made_entries import event, events, put

NOBODY = 65534


def times_by_key(log: EntryLog) -> Counter[str]:
    return Counter(entry.key for chunk in log.chunks() for entry in chunk)


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def pragma_everywhere() -> Iterator[Callable[[str], None]]:
    """Set a pragma on all connections that are open or will be opened."""
    connections: list[Any] = []
    pragmas: list[str] = []

    def prepare(connection: Any, _: object) -> None:
        connections.append(connection)
        for pragma in pragmas:
            connection.execute(pragma)

    def set_everywhere(pragma: str) -> None:
        pragmas.append(pragma)
        for connection in connections:
            connection.execute(pragma)

    sqlalchemy_event.listen(Pool, "connect", prepare)
    yield set_everywhere
    sqlalchemy_event.remove(Pool, "connect", prepare)


def test_a_full_database_is_told_of_and_the_log_goes_on_when_there_is_room(
    sqlite_url: str, open_log: OpenLog, pragma_everywhere: Callable[[str], None]
):
    pragma_everywhere("PRAGMA max_page_count = 40")
    log = open_log(sqlite_url)
    acknowledged = 0
    with pytest.raises(StoreFullError, match="make room on the disk"):
        for i in range(1000):
            log.append(events(10, 10 * i))
            acknowledged = 10 * i + 10
    assert acknowledged > 0
    assert times_by_key(log) == Counter(f"e{i}" for i in range(acknowledged))
    pragma_everywhere("PRAGMA max_page_count = 4000")
    assert {r.outcome for r in log.append(events(10, acknowledged))} == {"stored"}
    assert log.last_seq() == log.count() == acknowledged + 10


@contextmanager
def small_disk() -> Iterator[Path]:
    """A disk of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can be made by root only")
    disk = Path(tempfile.mkdtemp(prefix="graphrec-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        yield disk
        subprocess.run(["umount", str(disk)], check=True)
    finally:
        disk.rmdir()


def test_a_full_disk_loses_nothing_and_is_used_again_when_there_is_room():
    with small_disk() as disk:
        (disk / "filler").write_bytes(bytes(2**20))
        with EntryLog(EntryLogSettings(url=f"sqlite:///{disk / 'log.sqlite'}")) as log:
            acknowledged = 0
            with pytest.raises(StoreFullError, match="make room on the disk"):
                for i in range(1000):
                    log.append(events(50, 50 * i))
                    acknowledged = 50 * i + 50
            assert acknowledged > 0
            assert log.count() == acknowledged
            (disk / "filler").unlink()
            receipts = log.append(events(100, acknowledged - 50))
            assert Counter(r.outcome for r in receipts) == {"repeated": 50, "stored": 50}
            assert times_by_key(log) == Counter(f"e{i}" for i in range(acknowledged + 50))


def test_a_log_that_may_not_be_written_is_told_of_and_goes_on(
    sqlite_url: str, open_log: OpenLog, pragma_everywhere: Callable[[str], None]
):
    log = open_log(sqlite_url)
    log.append([event("e0")])
    pragma_everywhere("PRAGMA query_only = ON")
    with pytest.raises(StoreReadOnlyError, match="let this user write the file"):
        log.append([event("e1")])
    pragma_everywhere("PRAGMA query_only = OFF")
    assert [receipt.seq for receipt in log.append([event("e1")])] == [2]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may read and only its owner may write."""
    folder = Path(tempfile.mkdtemp(prefix="graphrec-log-"))
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written_is_told_of(open_folder: Path):
    with as_nobody(), pytest.raises(StoreUnavailableError, match="this user may write it"):
        EntryLog(EntryLogSettings(url=f"sqlite:///{open_folder / 'log.sqlite'}"))


def test_a_file_that_may_not_be_written_is_told_of(open_folder: Path):
    settings = EntryLogSettings(url=f"sqlite:///{open_folder / 'log.sqlite'}")
    open_folder.chmod(0o755)
    with EntryLog(settings) as log:
        log.append([event("e0")])
        (open_folder / "log.sqlite").chmod(0o444)
        for beside in open_folder.glob("log.sqlite-*"):
            beside.chmod(0o444)
        open_folder.chmod(0o555)
        with as_nobody(), EntryLog(settings) as follower:
            assert follower.count() == 1
            with pytest.raises(StoreReadOnlyError, match="let this user write the file"):
                follower.append([event("e1")])


def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path):
    with pytest.raises(StoreUnavailableError, match="the folder must be there"):
        EntryLog(EntryLogSettings(url=f"sqlite:///{tmp_path / 'none' / 'log.sqlite'}"))


def test_a_lock_held_too_long_is_told_of_and_nothing_stored(sqlite_url: str, open_log: OpenLog):
    log = open_log(sqlite_url, lock_timeout_s=0.1)
    log.append([event("e0")])
    other = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreLockedError, match="end what holds the lock"):
        log.append([event("e1")])
    assert [entry.key for entry in log.read()] == ["e0"]
    other.execute("ROLLBACK")
    other.close()
    assert [receipt.seq for receipt in log.append([event("e1")])] == [2]


def test_a_short_lock_is_waited_for(sqlite_url: str, open_log: OpenLog):
    log = open_log(sqlite_url, lock_timeout_s=10)
    other = sqlite3.connect(path_of(sqlite_url), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
    release.start()
    assert [receipt.outcome for receipt in log.append([event("e0")])] == ["stored"]
    release.join()
    other.close()


def test_nothing_is_acknowledged_while_the_file_is_away(sqlite_url: str, open_log: OpenLog):
    log = open_log(sqlite_url, patience_s=0)
    path, away = path_of(sqlite_url), path_of(sqlite_url).with_name("away")
    log.append(events(3))
    path.rename(away)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="file is gone"):
            log.append([put("item", "tea")])
        with pytest.raises(StoreUnavailableError, match="file is gone"):
            log.read()
    assert not path.exists()
    away.rename(path)
    assert [receipt.seq for receipt in log.append(events(4))] == [1, 2, 3, 4]
    assert times_by_key(log) == Counter(f"e{i}" for i in range(4))


def test_a_file_that_comes_back_in_time_is_waited_for(sqlite_url: str, open_log: OpenLog):
    log = open_log(sqlite_url, patience_s=20)
    path, away = path_of(sqlite_url), path_of(sqlite_url).with_name("away")
    log.append(events(3))
    path.rename(away)
    back = threading.Timer(0.3, lambda: away.rename(path))
    back.start()
    assert [receipt.seq for receipt in log.append([event("e3")])] == [4]
    back.join()
    assert times_by_key(log) == Counter(f"e{i}" for i in range(4))


def test_a_file_put_away_during_a_commit_is_not_acknowledged(
    sqlite_url: str, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
):
    log = open_log(sqlite_url, patience_s=20)
    path, away = path_of(sqlite_url), path_of(sqlite_url).with_name("away")
    log.append([put("item", "tea")])
    dialect = log._database.writing.dialect
    commit = dialect.do_commit
    moved = []

    def commit_then_lose(connection: Any) -> None:
        commit(connection)
        if not moved:
            moved.append(path.rename(away))
            threading.Timer(0.2, lambda: away.rename(path)).start()

    monkeypatch.setattr(dialect, "do_commit", commit_then_lose)
    assert [receipt.seq for receipt in log.append([put("item", "tea"), event("e0")])] == [2, 3]
    assert moved
    assert [entry.seq for entry in log.read()] == [1, 2, 3]


def test_another_file_in_its_place_is_not_written_to(sqlite_url: str, open_log: OpenLog):
    path, other_path = path_of(sqlite_url), path_of(sqlite_url).with_name("other")
    log = open_log(sqlite_url, patience_s=0)
    log.append([event("e0")])
    with EntryLog(EntryLogSettings(url=f"sqlite:///{other_path}")) as other:
        other.append(events(5))
    content = other_path.read_bytes()
    path.rename(path.with_name("away"))
    other_path.rename(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="another file was put in place"):
            log.append([event("e9")])
    assert path.read_bytes() == content
    path.with_name("away").rename(path)
    log.append([event("e1")])
    assert times_by_key(log) == Counter(["e0", "e1"])


@pytest.mark.parametrize("content", [b"no database " * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(content: bytes, sqlite_url: str):
    path = path_of(sqlite_url)
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError, match="restore the log from a backup"):
        EntryLog(EntryLogSettings(url=sqlite_url))
    assert path.read_bytes() == content


def test_damaged_pages_are_told_of_and_a_restored_file_is_read_again(
    sqlite_url: str, open_log: OpenLog
):
    path = path_of(sqlite_url)
    with EntryLog(EntryLogSettings(url=sqlite_url)) as log:
        log.append(events(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[:16384] + b"\xaa" * (len(whole) - 16384))
    log = open_log(sqlite_url)
    with pytest.raises(StoreDamagedError, match="restore the log from a backup"):
        list(log.chunks())
    with pytest.raises(StoreDamagedError, match="restore the log from a backup"):
        log.append(events(2000, 1000))
    log.close()
    path.write_bytes(whole)
    log = open_log(sqlite_url)
    assert log.count() == 2000
    log.append([event("new")])
    assert log.count() == 2001


def test_no_new_file_is_made_where_one_was_open(tmp_path: Path):
    file = SqliteFile(tmp_path / "log.sqlite", lock_timeout_s=1)
    file.connect().close()
    file.path.unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        file.connect()
    assert list(tmp_path.iterdir()) == []


def change(url: str, statement: str) -> None:
    connection = sqlite3.connect(path_of(url))
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_newer_schema_is_refused_by_name(sqlite_url: str, open_log: OpenLog):
    open_log(sqlite_url).close()
    change(sqlite_url, "INSERT INTO log_schema VALUES (7)")
    with pytest.raises(StoreSchemaError, match="log schema 7, written by a newer graphrec"):
        open_log(sqlite_url)


@pytest.mark.parametrize("table", ["log_schema", "log_head"])
def test_a_log_without_its_single_rows_is_refused(table: str, sqlite_url: str, open_log: OpenLog):
    open_log(sqlite_url).close()
    change(sqlite_url, f"DELETE FROM {table}")
    with pytest.raises(StoreDamagedError, match=table):
        open_log(sqlite_url)


def test_what_is_forgotten_is_no_longer_in_the_file(sqlite_url: str):
    with EntryLog(EntryLogSettings(url=sqlite_url)) as log:
        log.append([event("e0", user="somebody-special"), event("e1", user="bob")])
        log.forget_user("somebody-special")
        log.append([event("e2", user="bob")])
    content = path_of(sqlite_url).read_bytes()
    assert content.count(b"somebody-special") <= 4
    assert b'"user":"somebody-special"' not in content


def test_commits_are_synced_and_deletions_overwritten(sqlite_url: str, open_log: OpenLog):
    log = open_log(sqlite_url)
    with log._database.transaction("looking", writes=True) as connection:
        asked = ("journal_mode", "synchronous", "secure_delete")
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert told == ["wal", 2, 1]
