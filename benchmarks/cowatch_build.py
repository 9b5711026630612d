"""Pairs per second of the co-watch batch build against Polars and DuckDB, and how it grows.

All build the same edges (source, target, count) from the same log, in turns, each in a process of
its own that holds the log; the edges are compared entry by entry with graphrec's. Seconds are
medians, peak memory is of the whole process. Run:
`python -m benchmarks.cowatch_build`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.cowatch_log import load_log, made_up_log, peak_memory_gb, save_log
from benchmarks.walk_world import report
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.settings import CoWatchSettings
from graphrec.stages import Interactions

SETTINGS = CoWatchSettings(window_hours=24.0, max_successors=20, ageing=AgeingSettings(mode="none"))
WINDOW_S, REACH = SETTINGS.window_s, SETTINGS.max_successors


def with_graphrec(events: Interactions, mode: str) -> dict[str, np.ndarray]:
    settings = SETTINGS.model_copy(update={"ageing": AgeingSettings(mode=mode)})
    graph = build_cowatch_graph(events, settings)
    return {"ptr": graph.ptr, "target": graph.target_row, "count": graph.count}


def with_polars(events: Interactions) -> dict[str, np.ndarray]:
    import polars as pl

    log = pl.DataFrame(
        {"user": events.user_row, "time_s": events.time_s, "source": events.item_row}
    ).sort("user", "time_s", maintain_order=True)
    found = []
    for step in range(1, REACH + 1):
        later = log.select(
            pl.col("source"),
            pl.col("source").shift(-step).alias("target"),
            (
                (pl.col("user").shift(-step) == pl.col("user"))
                & (pl.col("time_s").shift(-step) - pl.col("time_s") <= WINDOW_S)
            ).alias("within"),
        )
        pairs = later.filter(pl.col("within") & (pl.col("source") != pl.col("target")))
        found.append(pairs.select("source", "target"))
    edges = pl.concat(found).group_by("source", "target").len()
    return {name: edges[name].to_numpy() for name in ("source", "target", "len")}


def with_duckdb(events: Interactions) -> dict[str, np.ndarray]:
    import duckdb
    import pyarrow as pa

    log = pa.table(  # noqa: F841 - the query reads it by name
        {"u": events.user_row, "t": events.time_s, "i": events.item_row}
    )
    connection = duckdb.connect()
    return connection.execute(
        f"""
        with numbered as (
            select u, t, i, row_number() over (partition by u order by t, place) as n
            from (select *, row_number() over () as place from log)
        )
        select a.i as source, b.i as target, count(*) as len
        from numbered a join numbered b on a.u = b.u
            and b.n > a.n and b.n <= a.n + {REACH} and b.t <= a.t + {WINDOW_S} and a.i <> b.i
        group by a.i, b.i
        """
    ).fetchnumpy()


BUILDERS = {
    "graphrec": lambda events: with_graphrec(events, "none"),
    "graphrec, by day": lambda events: with_graphrec(events, "expected"),
    "polars shifts": with_polars,
    "duckdb self-join": with_duckdb,
}


def measure(folder: Path, name: str, repeats: int) -> None:
    """Build `repeats` times in this process; print seconds and memory, keep edges' digest."""
    events = load_log(folder)
    build = BUILDERS[name]
    build(events.take(slice(0, 1000)))
    before_gb = peak_memory_gb()
    seconds = []
    for _ in range(repeats):
        built = None
        began = time.perf_counter()
        built = build(events)
        seconds.append(time.perf_counter() - began)
        peak_gb = peak_memory_gb()
    edges = folder / "edges.npy"
    if name == "graphrec":
        source = np.repeat(np.arange(events.n_items, dtype=np.int64), np.diff(built["ptr"])[1:])
        first = built["ptr"][1]
        key = source * events.n_items + built["target"][first:]
        np.save(edges, np.stack([key, built["count"][first:]]))
        n_pairs = int(built["count"].sum(dtype=np.int64))
    elif name in ("polars shifts", "duckdb self-join"):
        key = built["source"].astype(np.int64) * events.n_items + built["target"]
        order = np.argsort(key)
        expected = np.load(edges, mmap_mode="r")
        np.testing.assert_array_equal(key[order], expected[0])
        np.testing.assert_array_equal(built["len"][order], expected[1])
        n_pairs = int(built["len"].sum()) + len(np.unique(events.user_row))
    else:
        n_pairs = int(built["count"].sum(dtype=np.int64))
    print(
        json.dumps({"s": seconds, "pairs": n_pairs, "gb": peak_gb, "before_gb": before_gb}),
        flush=True,
    )


def in_own_process(folder: Path, name: str, repeats: int) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.cowatch_build"]
    command += ["--folder", str(folder), "--measure", name, "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, rounds: int, repeats: int) -> list[dict[str, object]]:
    seconds = {name: [] for name in BUILDERS}
    ratios = {name: [] for name in BUILDERS}
    last = {}
    for _ in range(rounds):
        for name in BUILDERS:
            ours = name.startswith("graphrec")
            last[name] = in_own_process(folder, name, repeats if ours else 1)
            seconds[name].append(statistics.median(last[name]["s"]))
            ratios[name].append(seconds[name][-1] / seconds["graphrec"][-1])
    return [
        {
            "builder": name,
            "M pairs": last[name]["pairs"] / 1e6,
            "s": statistics.median(seconds[name]),
            "best s": min(seconds[name]),
            "M pairs/s": last[name]["pairs"] / 1e6 / statistics.median(seconds[name]),
            "graphrec's time": statistics.median(ratios[name]),
            "peak GB": last[name]["gb"],
        }
        for name in BUILDERS
    ]


def grow(folder: Path, shapes: list[tuple[str, int, int, int]], repeats: int) -> list[dict]:
    """Time and memory of graphrec on logs of a tenth and of the whole size."""
    rows = []
    for what, n_events, n_users, n_items in shapes:
        save_log(made_up_log(n_events, n_users, n_items), folder)
        run = in_own_process(folder, "graphrec", repeats)
        rows.append(
            {
                "builder": what,
                "M pairs": run["pairs"] / 1e6,
                "s": statistics.median(run["s"]),
                "best s": min(run["s"]),
                "M pairs/s": run["pairs"] / 1e6 / statistics.median(run["s"]),
                "peak GB": run["gb"],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all builders")
    parser.add_argument("--repeats", type=int, default=5, help="graphrec builds a turn")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=BUILDERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.folder, chosen.measure, chosen.repeats)
        return
    n = chosen.events
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tenths = [
            ("a tenth of the events", n // 10, n // 20, n // 20),
            ("a tenth of all", n // 10, n // 200, n // 200),
        ]
        rows = grow(folder, tenths, chosen.repeats)
        save_log(made_up_log(n, n // 20, n // 20), folder)
        compared = compare(folder, chosen.rounds, chosen.repeats)
    for row in rows:
        row["whole log's time"] = compared[0]["s"] / row["s"]
        row["whole log's GB"] = compared[0]["peak GB"] / row["peak GB"]
    rows = compared + rows
    report("cowatch_build", rows)


if __name__ == "__main__":
    main()
