"""Kill a process in the middle of its appends, again and again, and count what became of them."""

import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.appending_process import batch_of

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class KillTally:
    """What became of the batches of processes that were killed.

    Attributes:
        acknowledged: Batches acknowledged.
        lost: Acknowledged entries that are not in the log.
        doubled: Events that stand in it more than once.
        torn: Batches of which only a part is in it.
    """

    acknowledged: int
    lost: int
    doubled: int
    torn: int


def append_until_killed(url: str, starts: list[int], alive_s: float) -> list[str]:
    """Names of the batches that a process acknowledged, killed so long after its first."""
    command = [sys.executable, "-m", "tests.serving.appending_process", url, *map(str, starts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        first = process.stdout.readline()
        time.sleep(alive_s)
        process.kill()
        rest = process.stdout.read()
    return [line for line in (first + rest).splitlines(keepends=False) if line]


def kill_rounds(url: str, n_rounds: int, *, n_threads: int = 4, seed: int = 0) -> KillTally:
    """Kill as many processes; each sends again what the one before may not have stored.

    A new process starts with the last batch of each thread that was acknowledged.
    """
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    starts = [0] * n_threads
    for _ in range(n_rounds):
        for name in append_until_killed(url, starts, chance.uniform(0, 0.3)):
            acknowledged.add(name)
            thread, number = map(int, name.split("-"))
            starts[thread] = max(starts[thread], number)
    with EntryLog(EntryLogSettings(url=url)) as log:
        there = Counter((e.kind, e.key) for chunk in log.chunks() for e in chunk)
    lost = torn = 0
    names = {key for kind, key in there if kind == "item"} | {
        key.rsplit("-", 1)[0] for kind, key in there if kind == "event"
    }
    for name in names | acknowledged:
        thread, number = map(int, name.split("-"))
        batch = [(entry.kind, entry.key) for entry in batch_of(thread, number)]
        missing = sum(key not in there for key in batch)
        lost += missing if name in acknowledged else 0
        torn += 0 < missing < len(batch)
    doubled = sum(times > 1 for (kind, _), times in there.items() if kind == "event")
    return KillTally(len(acknowledged), lost, doubled, torn)
