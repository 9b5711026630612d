"""A server under load on its own machine: slates a second, how late, how soon events show.

`graphrec serve` on a simulated world, SQLite with full sync beside it. A load generator on the same
cores (benchmarks/open_loop.py) asks for slates of ten at a set rate, not waiting for answers, while
others tell of events in calls of ten, and a probe tells of newcomers' events and asks until a slate
knows of them. Run: `python -m benchmarks.serve_load --items 100000 --events 1000000`.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.open_loop import Connection, Outcome, Pool, send_at_rate, watch_freshness
from benchmarks.walk_world import report
from graphrec.experiment.worlds import simulate_world, world_settings

HOST = "127.0.0.1"


class Server:
    """`graphrec serve` in processes of its own."""

    def __init__(self, arguments: argparse.Namespace, world: Path, folder: Path) -> None:
        with socket.socket() as found:
            found.bind((HOST, 0))
            self.port = int(found.getsockname()[1])
        words = ["serve", "--data", str(world), "--open", "--quiet", "--port", str(self.port)]
        words += ["--log", f"sqlite:///{folder}/log.sqlite", "--store", f"{folder}/state"]
        words += ["--workers", str(arguments.workers)]
        if arguments.pipeline is not None:
            words += ["--pipeline", str(arguments.pipeline)]
        began = time.perf_counter()
        command = [sys.executable, "-m", "graphrec", *words]
        self.process = subprocess.Popen(command, start_new_session=True)
        while not asyncio.run(self._is_ready()):
            if self.process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        self.start_s = time.perf_counter() - began

    async def _is_ready(self) -> bool:
        try:
            return (await Connection(HOST, self.port).ask("GET", "/health/ready"))[0] == 200
        except (OSError, asyncio.IncompleteReadError):
            return False

    def memory_mb(self) -> float:
        """Memory that its processes hold, shared pages counted in parts."""
        pids, total = [self.process.pid], 0.0
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pids.extend(int(child) for child in children)
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
        return total

    def kill(self) -> None:
        """Kill every process of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def end(self) -> None:
        """Ask it to stop, and wait."""
        self.process.terminate()
        self.process.wait(60)


async def load(server: Server, arguments: argparse.Namespace, status: dict) -> dict[str, Outcome]:
    """Every kind of request at once."""
    slates, told, shown = Outcome(), Outcome(), Outcome()
    rng = np.random.default_rng(7)
    n_told = 0

    def slate() -> tuple[str, str, bytes]:
        return "GET", f"/v1/users/user-{rng.integers(1, status['n_users'])}/recommendations", b""

    def event(key: str, user: str) -> dict[str, object]:
        item = f"video-{rng.integers(1, status['n_items'])}"
        return {"event_id": key, "event_type": "watch", "user_id": user, "item_id": item}

    def events() -> tuple[str, str, bytes]:
        nonlocal n_told
        batch = []
        for _ in range(arguments.batch):
            n_told += 1
            batch.append(event(f"load-{n_told}", f"user-{rng.integers(1, status['n_users'])}"))
        return "POST", "/v1/events", json.dumps(batch).encode()

    asking = Pool(HOST, server.port, arguments.connections)
    telling = Pool(HOST, server.port, 8)
    seconds = arguments.seconds
    await asyncio.gather(
        send_at_rate(asking, slate, arguments.slates, seconds, slates),
        send_at_rate(telling, events, arguments.told / arguments.batch, seconds, told),
        watch_freshness(HOST, server.port, event, seconds, shown),
    )
    return {"slates": slates, "told": told, "shown": shown}


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float | int | str]:
    world = arguments.world or folder / "world"
    if not world.exists():
        settings = world_settings(events=arguments.events)
        if arguments.items:
            settings = settings.model_copy(update={"n_items": arguments.items})
        simulate_world(settings, world)
    server = Server(arguments, world, folder)
    try:
        _, answer = asyncio.run(Connection(HOST, server.port).ask("GET", "/v1/admin/status"))
        status = json.loads(answer)
        warm = argparse.Namespace(**{**vars(arguments), "seconds": 5.0})
        asyncio.run(load(server, warm, status | {"n_users": status["n_users"]}))
        before, began = server.memory_mb(), time.perf_counter()
        found = asyncio.run(load(server, arguments, status))
        seconds = time.perf_counter() - began
        after = server.memory_mb()
        server.kill()
        restarted = Server(arguments, world, folder)
        restarted.end()
    finally:
        if server.process.poll() is None:
            server.end()
    failures = [why for outcome in found.values() for why in outcome.failures]
    if failures:
        print(f"{len(failures)} requests failed: {failures[0]}", file=sys.stderr)
    slates, told, shown = found["slates"], found["told"], found["shown"]
    return {
        "users": status["n_users"],
        "items": status["n_items"],
        "pipeline": "walk" if arguments.pipeline is None else arguments.pipeline.name,
        "workers": arguments.workers,
        "connections": arguments.connections,
        "seconds": seconds,
        "failed": len(failures),
        "slates/s": len(slates.ms) / seconds,
        "slate p50 ms": slates.percentile(50),
        "slate p99 ms": slates.percentile(99),
        "events/s": arguments.batch * len(told.ms) / seconds,
        "acknowledged p50 ms": told.percentile(50),
        "acknowledged p99 ms": told.percentile(99),
        "shown p50 ms": shown.percentile(50),
        "shown p99 ms": shown.percentile(99),
        "MB before": before,
        "MB after": after,
        "first start s": server.start_s,
        "start after a kill s": restarted.start_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=None, help="folder of a simulated world")
    parser.add_argument("--events", type=int, default=None, help="events of the world")
    parser.add_argument("--items", type=int, default=None, help="its items")
    parser.add_argument("--pipeline", type=Path, default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--slates", type=float, default=320.0, help="slates asked a second")
    parser.add_argument("--told", type=float, default=520.0, help="events told a second")
    parser.add_argument("--batch", type=int, default=10, help="events in a call")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--name", default="serve_load", help="of the result")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(arguments.name, [measure(arguments, Path(folder))])


if __name__ == "__main__":
    main()
