"""Kill a whole server under load, again and again, and compare what it knows with its log."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from graphrec.experiment.opening import fit_pipeline_file, open_dataset, open_pipeline
from graphrec.serving.batch import dataset_of_log
from graphrec.serving.opening import ServeSettings, Start, opened
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.state import LiveState
from graphrec.serving.state_store import StoreSettings
from graphrec.serving.store import EntryLog
from tests.serving.states import slates_of

N_THREADS = 3
N_USERS, N_ITEMS = 20, 40


@dataclass
class ServerTally:
    """What became of events of servers that were killed.

    Attributes:
        acknowledged: Events acknowledged.
        lost: Of them not in the log.
        doubled: Events that stand in it more than once.
        snapshots: Rounds that began from a snapshot.
        differing: Users whose slate differs from that of a batch build of the log.
        start_s: Seconds until each server was ready.
    """

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    snapshots: int = 0
    differing: int = 0
    start_s: list[float] = field(default_factory=list)


def write_log(path: Path) -> Path:
    """A small log to start from."""
    rows = [f"u{t % N_USERS},i{t * t % N_ITEMS},{t}" for t in range(1, 300)]
    path.write_text("\n".join(["user_id,item_id,time_s", *rows]) + "\n")
    return path


def kill_servers(url: str, folder: Path, n_rounds: int, seed: int = 0) -> ServerTally:
    """Kill as many servers on one log and one store, then compare.

    Args:
        url: An empty log.
        folder: For the data and the store.
        n_rounds: Servers to kill.
        seed: Of when they are killed.
    """
    chance, tally = random.Random(seed), ServerTally()
    data, store = write_log(folder / "events.csv"), folder / "state"
    acknowledged: set[str] = set()
    for number in range(n_rounds):
        tally.snapshots += any(store.glob("snapshots/*/*/manifest.json"))
        # The first one lives long enough to leave a snapshot.
        alive_s = chance.uniform(0 if number else 2.5, 4.0)
        acknowledged |= _round(url, data, store, number, alive_s, tally)
    tally.acknowledged = len(acknowledged)
    with EntryLog(EntryLogSettings(url=url)) as log:
        entries = [entry for chunk in log.chunks() for entry in chunk]
    there = Counter(entry.key for entry in entries)
    tally.lost = sum(key not in there for key in acknowledged)
    tally.doubled = sum(times > 1 for times in there.values())
    tally.differing = _n_differing(url, data, store, entries)
    return tally


def _round(
    url: str, data: Path, store: Path, number: int, alive_s: float, tally: ServerTally
) -> set[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = ["--data", str(data), "--log", url, "--store", str(store), "--open", "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "graphrec", "serve", *words, "--port", str(port)],
        env={**os.environ, "GRAPHREC_STORE__EVERY_S": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not _is_ready(port):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        tally.start_s.append(time.monotonic() - began)
        told: list[str] = []
        threads = [
            threading.Thread(target=_tell, args=(port, f"{number}-{thread}", told))
            for thread in range(N_THREADS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(alive_s)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    return set(told)


def _tell(port: int, name: str, told: list[str]) -> None:
    """Tell of events until nobody listens."""
    chance = random.Random(name)
    for number in range(10**6):
        key = f"{name}-{number}"
        event = {
            "event_id": key,
            "event_type": "watch",
            "user_id": f"u{chance.randrange(2 * N_USERS)}",
            "item_id": f"i{chance.randrange(2 * N_ITEMS)}",
            "time_s": 1000 + chance.randrange(10**6),
        }
        try:
            answer = _call(port, "/v1/events", event)
        except (OSError, ValueError, HTTPException):
            return
        if answer["results"][0]["outcome"] == "stored":
            told.append(key)


def _call(port: int, path: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _is_ready(port: int) -> bool:
    try:
        return _call(port, "/health/ready")["status"] == "ready"
    except (OSError, urllib.error.URLError):
        return False


def _n_differing(url: str, data: Path, store: Path, entries: list) -> int:
    """Users whose slates by the newest snapshot and the log are not those of a batch build."""
    settings = ServeSettings(
        log=EntryLogSettings(url=url), store=StoreSettings(folder=store), data=data
    )
    [bundle] = [path.name for path in (store / "bundles").iterdir()]
    start = Start(bundle, "", lambda: open_pipeline(data))
    with opened(start, settings) as server, server.engine.read() as live:
        assert server.engine.n_skipped == 0
        batch = LiveState(fit_pipeline_file(dataset_of_log(open_dataset(data), entries), None))
        found, expected = slates_of(live, 10), slates_of(batch, 10)
    n_differing = abs(len(found[0]) - len(expected[0]))
    for one, other, scores, others in zip(
        *found[:1], *expected[:1], *found[1:], *expected[1:], strict=True
    ):
        close = all(
            abs(a - b) <= 1e-5 * max(abs(a), abs(b)) or a == b
            for a, b in zip(scores, others, strict=True)
        )
        n_differing += one != other or not close
    return n_differing
