"""The durable log: events acknowledged per second, how long that takes, reading back, kill -9.

Events with bodies of about 120 bytes, from threads that each wait for the receipt before they send
the next; SQLite with synchronous=FULL, PostgreSQL on the same machine with fsync on. Beside them
what one bare fsync takes on that disk. Then entries are read back through `chunks`, and processes
are killed in the middle of their appends; the machine itself is not. PostgreSQL is measured where
`initdb` and `pg_ctl` are installed. Run: `python -m benchmarks.durable_log`.
"""

import argparse
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.walk_world import report
from graphrec.serving.entries import NewEntry, canonical_json
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.killing import kill_rounds
from tests.serving.postgres_server import PostgresServer, installed


def event(key: str, number: int) -> NewEntry:
    user = f"user-{number % 20_000}"
    body = {
        "event_id": key,
        "item_id": f"item-{number % 5_000}",
        "time_s": 1_700_000_000 + number,
        "type": "watch",
        "user_id": user,
        "weight": 1.0,
    }
    return NewEntry("event", key, 1_700_000_000 + number, canonical_json(body), user)


@contextmanager
def places(folder: Path) -> Iterator[dict[str, Callable[[str], str]]]:
    """For each database that is installed, what makes the URL of an empty one by a name."""
    sqlite = {f"SQLite {sqlite3.sqlite_version}": lambda name: f"sqlite:///{folder}/{name}.sqlite"}
    if not installed():
        yield sqlite
        return
    server = PostgresServer(folder)
    server.start()
    try:
        yield {**sqlite, f"PostgreSQL {server.version()}": server.create_database}
    finally:
        server.stop()
        server.remove()


def fsync_ms(folder: Path, n: int = 500) -> list[float]:
    """Milliseconds of appending 4 KiB to a file and syncing it."""
    took = []
    with (folder / "bare").open("wb", buffering=0) as file:
        for _ in range(n):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(1e3 * (time.perf_counter() - began))
    return took


def append_for(log: EntryLog, n_threads: int, n_batch: int, seconds: float) -> dict[str, float]:
    """Events per second and milliseconds to the receipt."""
    took: list[list[float]] = [[] for _ in range(n_threads)]
    start = threading.Barrier(n_threads + 1)
    end = [0.0]

    def append(thread: int) -> None:
        name = f"{n_threads}-{n_batch}-{thread}"
        start.wait()
        number = 0
        while time.perf_counter() < end[0]:
            batch = [event(f"{name}-{number + i}", number + i) for i in range(n_batch)]
            began = time.perf_counter()
            log.append(batch)
            took[thread].append(1e3 * (time.perf_counter() - began))
            number += n_batch

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(n_threads)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    end[0] = began + seconds
    start.wait()
    for thread in threads:
        thread.join()
    lasted = time.perf_counter() - began
    latencies = np.concatenate(took)
    return {
        "events/s": n_batch * len(latencies) / lasted,
        "p50 ms": float(np.percentile(latencies, 50)),
        "p99 ms": float(np.percentile(latencies, 99)),
    }


def fill_and_read(log: EntryLog, n_entries: int) -> Iterator[tuple[str, float]]:
    """Seconds of storing so many, a hundred batches of 1,000 on their way, and of reading."""
    began = time.perf_counter()
    for start in range(0, n_entries, 100_000):
        stops = min(start + 100_000, n_entries)
        sent = [
            log.submit([event(f"all-{i}", i) for i in range(low, min(low + 1000, stops))])
            for low in range(start, stops, 1000)
        ]
        for future in sent:
            future.result()
    yield "storing", time.perf_counter() - began
    began = time.perf_counter()
    n_read = sum(len(chunk) for chunk in log.chunks())
    yield "reading", time.perf_counter() - began
    if n_read != n_entries:
        raise SystemExit(f"{n_entries} entries stored, {n_read} read")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of appending, per row")
    parser.add_argument("--entries", type=int, default=1_000_000, help="stored and read back")
    parser.add_argument("--rounds", type=int, default=100, help="of kill -9, per database")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    chosen = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="graphrec-bench-") as name:
        folder = Path(name)
        # PostgreSQL may run as another user and has to reach its own folder in this one.
        folder.chmod(0o755)
        bare = fsync_ms(folder)
        rows.append(
            {
                "database": "none",
                "what": "write 4 KiB, fsync",
                "p50 ms": float(np.percentile(bare, 50)),
                "p99 ms": float(np.percentile(bare, 99)),
            }
        )
        with places(folder) as databases:
            for database, make in databases.items():
                with EntryLog(EntryLogSettings(url=make("appending"))) as log:
                    for n_threads, n_batch in ((1, 1), (8, 1), (32, 1), (1, 100), (8, 100)):
                        what = {"database": database, "what": "append", "threads": n_threads}
                        figures = append_for(log, n_threads, n_batch, chosen.seconds)
                        rows.append({**what, "batch": n_batch, **figures})
                with EntryLog(EntryLogSettings(url=make("reading"))) as log:
                    for what, took_s in fill_and_read(log, chosen.entries):
                        rows.append(
                            {
                                "database": database,
                                "what": f"{what} {chosen.entries:,}",
                                "events/s": chosen.entries / took_s,
                                "seconds": took_s,
                            }
                        )
                tally = kill_rounds(make("killing"), chosen.rounds)
                rows.append(
                    {
                        "database": database,
                        "what": f"kill -9, {chosen.rounds} rounds",
                        "threads": 4,
                        "acknowledged batches": tally.acknowledged,
                        "lost": tally.lost,
                        "doubled": tally.doubled,
                        "torn": tally.torn,
                    }
                )
    report("durable_log", rows)


if __name__ == "__main__":
    main()
