"""Events per second that a live co-watch graph absorbs on one thread, and what reading it takes.

The log arrives in order, in batches, after a base that was built at once; then again with one event
in ten up to two days late. Run:
`python -m benchmarks.cowatch_absorb`.
"""

import argparse
import statistics
import time

import numpy as np

from benchmarks.cowatch_log import made_up_log
from benchmarks.walk_world import report
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.live import LiveCoWatchGraph
from graphrec.graph.settings import CoWatchSettings
from graphrec.stages import Interactions


def partly_late(events: Interactions, seed: int = 1) -> Interactions:
    """The same events, of which one in ten arrives up to two days late."""
    rng = np.random.default_rng(seed)
    late_s = np.where(rng.random(len(events)) < 0.1, rng.integers(0, 172_800, len(events)), 0)
    return events.take(np.argsort(events.time_s + late_s, kind="stable"))


def absorb_in_batches(
    live: LiveCoWatchGraph, events: Interactions, n_batch: int
) -> tuple[float, list[float], list[float]]:
    """Seconds in all, seconds of each batch, and of reading a sample of what each changed."""
    batch_s, read_s = [], []
    for start in range(0, len(events), n_batch):
        batch = events.take(slice(start, start + n_batch))
        began = time.perf_counter()
        changed = live.absorb(batch)
        batch_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        live.weighted_edges(int(batch.time_s[-1]), changed[:100])
        read_s.append(time.perf_counter() - began)
    return sum(batch_s), batch_s, read_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--absorbed", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    n = chosen.events
    log = made_up_log(n, n // 20, n // 20)
    rows = []
    for mode in ("none", "expected"):
        settings = CoWatchSettings(
            window_hours=24.0, max_successors=20, ageing=AgeingSettings(mode=mode)
        )
        for order, events in (("in order", log), ("a tenth late", partly_late(log))):
            for base in (0, n - chosen.absorbed):
                stream = events.take(slice(base, base + chosen.absorbed))
                rates, worst, reads = [], [], []
                for _ in range(chosen.repeats):
                    live = LiveCoWatchGraph(settings, n_threads=1)
                    live.reset(events.take(slice(0, base)))
                    whole_s, batch_s, read_s = absorb_in_batches(live, stream, chosen.batch)
                    rates.append(len(stream) / whole_s / 1e3)
                    worst.append(max(batch_s))
                    reads.append(statistics.median(read_s) * 1e3)
                rows.append(
                    {
                        "ageing": mode,
                        "order": order,
                        "base M events": base / 1e6,
                        "k events/s": statistics.median(rates),
                        "best": max(rates),
                        "worst batch s": statistics.median(worst),
                        "read 100 nodes ms": statistics.median(reads),
                    }
                )
    report("cowatch_absorb", rows)


if __name__ == "__main__":
    main()
