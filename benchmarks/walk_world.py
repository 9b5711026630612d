"""A large made-up co-watch graph, and how a benchmark reports."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np

from graphrec.graph.edges import WeightedEdges

RESULTS = Path(__file__).parent / "results"


def made_up_edges(n_items: int, n_edges: int, *, skew: float, seed: int = 0) -> WeightedEdges:
    """A graph with log-normal degrees; item rows are hit as a uniform number to the power `skew`.

    `skew` 1 hits all items alike, the worst case for caches; 3 gives a tenth of the items 46 % of
    the hits.
    """
    rng = np.random.default_rng(seed)
    degree = np.minimum(rng.lognormal(2.5, 1.0, n_items + 1), 5000)
    degree = np.maximum(degree * n_edges / degree.sum(), 1).astype(np.int64)
    ptr = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
    target = np.minimum(rng.random(ptr[-1]) ** skew * n_items, n_items - 1).astype(np.int32)
    weight = rng.integers(1, 20, ptr[-1]).astype(np.float32)
    return WeightedEdges(ptr, target, weight)


def machine() -> dict[str, object]:
    """What figures depend on."""
    cpu = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "scipy")},
        "commit": commit,
    }


def report(name: str, rows: list[dict[str, object]]) -> None:
    """Print a table and keep it with the machine's description."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *[[_shown(row.get(key, "")) for key in columns] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")
    print(f"written to {path}")


def _shown(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
