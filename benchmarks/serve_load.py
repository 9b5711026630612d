"""A server under load: recommendations per second while it absorbs events, and how soon they show.

`graphrec serve` on a simulated world, SQLite with full sync beside it; a load generator on the same
machine asks for slates of ten from threads that each wait for their answer, while others post
events at a set rate in calls of ten, and one thread measures freshness: it posts an event of a user
of its own and asks for that user's history until the event is there. Run:
`python -m benchmarks.serve_load`.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.walk_world import report
from graphrec.experiment.demonstration import prepare_world


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Load:
    """What threads do to one server until they are told to stop."""

    def __init__(self, url: str, n_users: int, n_items: int) -> None:
        self.url, self.n_users, self.n_items = url, n_users, n_items
        self.stop = threading.Event()
        self.answer_ms: list[float] = []
        self.told_ms: list[float] = []
        self.shown_ms: list[float] = []
        self.n_told = 0
        self.failures: list[str] = []
        self.lock = threading.Lock()

    def ask(self, seed: int) -> None:
        """Ask for slates of users drawn at random, one after the other."""
        rng = np.random.default_rng(seed)
        own = []
        with httpx2.Client(base_url=self.url) as http:
            while not self.stop.is_set():
                path = f"/v1/users/user-{rng.integers(1, self.n_users)}/recommendations"
                began = time.perf_counter()
                answer = http.get(path)
                own.append(1e3 * (time.perf_counter() - began))
                if answer.status_code != 200:
                    self.failures.append(answer.text)
        with self.lock:
            self.answer_ms += own

    def tell(self, per_second: float, most: int = 10) -> None:
        """Post events at a rate, so many in a call."""
        rng = np.random.default_rng(7)
        began, n = time.perf_counter(), 0
        with httpx2.Client(base_url=self.url) as http:
            while not self.stop.is_set():
                events = [self.event(f"load-{n + i}", rng) for i in range(most)]
                at = time.perf_counter()
                answer = http.post("/v1/events", json=events)
                self.told_ms.append(1e3 * (time.perf_counter() - at))
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                n += most
                self.n_told = n
                time.sleep(max(0.0, began + n / per_second - time.perf_counter()))

    def event(self, key: str, rng: np.random.Generator, user: str | None = None) -> dict:
        """An event of now."""
        return {
            "event_id": key,
            "event_type": "watch",
            "user_id": user or f"user-{rng.integers(1, self.n_users)}",
            "item_id": f"video-{rng.integers(1, self.n_items)}",
        }

    def look(self) -> None:
        """Post an event of a newcomer, and ask until a slate knows of it."""
        rng, n = np.random.default_rng(8), 0
        with httpx2.Client(base_url=self.url) as http:
            while not self.stop.is_set():
                n += 1
                event = self.event(f"look-{n}", rng, f"looker-{n}")
                seq = http.post("/v1/events", json=event).json()["seq"]
                began = time.perf_counter()
                path = f"/v1/users/looker-{n}/recommendations?k=1"
                while http.get(path).json()["seq"] < seq:
                    pass
                self.shown_ms.append(1e3 * (time.perf_counter() - began))
                time.sleep(0.05)


def serve(world: Path, log: Path, pipeline: Path | None) -> tuple[subprocess.Popen, str]:
    port = free_port()
    words = ["serve", "--data", str(world), "--log", f"sqlite:///{log}", "--open", "--quiet"]
    words += ["--port", str(port)] + ([] if pipeline is None else ["--pipeline", str(pipeline)])
    process = subprocess.Popen([sys.executable, "-m", "graphrec", *words])
    url = f"http://127.0.0.1:{port}"
    for _ in range(6000):
        try:
            if httpx2.get(f"{url}/health/ready").status_code == 200:
                return process, url
        except httpx2.TransportError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise SystemExit("the server did not start")


def memory_mb(process: subprocess.Popen) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float | int | str]:
    world = folder / "world"
    prepare_world(world, arguments.events)
    process, url = serve(world, folder / "log.sqlite", arguments.pipeline)
    try:
        status = httpx2.get(f"{url}/v1/admin/status").json()
        load = Load(url, status["n_users"], status["n_items"])
        threads = [threading.Thread(target=load.ask, args=(n,)) for n in range(arguments.threads)]
        threads.append(threading.Thread(target=load.tell, args=(arguments.rate,)))
        threads.append(threading.Thread(target=load.look))
        before = memory_mb(process)
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        time.sleep(arguments.seconds)
        load.stop.set()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        after = memory_mb(process)
    finally:
        process.terminate()
        process.wait(30)
    if load.failures:
        raise SystemExit(f"{len(load.failures)} requests failed: {load.failures[0]}")
    return {
        "events in the world": arguments.events or 100_000,
        "items": status["n_items"],
        "pipeline": "walk" if arguments.pipeline is None else arguments.pipeline.name,
        "asking threads": arguments.threads,
        "seconds": seconds,
        "recommendations/s": len(load.answer_ms) / seconds,
        "p50 ms": float(np.percentile(load.answer_ms, 50)),
        "p99 ms": float(np.percentile(load.answer_ms, 99)),
        "events/s": load.n_told / seconds,
        "told p99 ms": float(np.percentile(load.told_ms, 99)),
        "shown p50 ms": float(np.percentile(load.shown_ms, 50)),
        "shown p99 ms": float(np.percentile(load.shown_ms, 99)),
        "MB before": before,
        "MB after": after,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=None, help="events of the world")
    parser.add_argument("--pipeline", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rate", type=float, default=500.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report("serve_load", [measure(arguments, Path(folder))])


if __name__ == "__main__":
    main()
