"""Servers killed under load, each at a random moment: what is lost, doubled or known differently.

`graphrec serve` keeps a snapshot every second while three threads tell of events; it is killed by
SIGKILL within 4 s of being ready and started again on the same log and store. At the end what
snapshot and log lead to is compared with a batch build of the log. Run:
`python -m benchmarks.serve_kills --kills 100`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.walk_world import report
from tests.serving.killing_servers import kill_servers
from tests.serving.postgres_server import PostgresServer, installed


def measure(name: str, url: str, folder: Path, n_kills: int) -> dict[str, float | int | str]:
    folder.mkdir()
    tally = kill_servers(url, folder, n_kills)
    return {
        "database": name,
        "kills": n_kills,
        "from a snapshot": tally.snapshots,
        "acknowledged": tally.acknowledged,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "users who differ from a batch build": tally.differing,
        "start p50 s": float(np.median(tally.start_s)),
        "start max s": max(tally.start_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), default=None)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.only != "postgresql":
            url = f"sqlite:///{folder}/log.sqlite"
            rows.append(measure("SQLite", url, folder / "a", arguments.kills))
        if arguments.only != "sqlite" and installed():
            server = PostgresServer(None)
            try:
                server.start()
                url = server.create_schema("kills")
                rows.append(measure("PostgreSQL", url, folder / "b", arguments.kills))
                server.stop()
            finally:
                server.remove()
    report("serve_kills", rows)


if __name__ == "__main__":
    main()
