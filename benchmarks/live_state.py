"""What learning costs a live state in batches, and what a slate costs, on one thread.

The walk source with its fallback on a simulated world. Events that arrive are of users and items
drawn from the log, one in fifty of a newcomer and one in two hundred of a new item. Milliseconds
are the thread's own, so that other work on the machine is left out. Run:
`NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.live_state`.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.walk_world import report
from graphrec.events.dataset import Dataset
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.pipeline import Request
from graphrec.retrieval.filters import ItemFilters
from graphrec.serving.state import LiveEvent, LiveState


class Arrivals:
    """Events that follow on a log, and who asks meanwhile."""

    def __init__(self, dataset: Dataset, now_s: int) -> None:
        self.rng = np.random.default_rng(0)
        self.log, self.now_s, self.n_new = dataset.log.interactions(), now_s, 0
        self.users, self.items = (dataset.ids[node].keys.to_list() for node in ("user", "item"))

    def event(self) -> LiveEvent:
        """The next one."""
        user, item = (
            column[self.rng.integers(len(self.log))]
            for column in (self.log.user_row, self.log.item_row)
        )
        self.now_s += int(self.rng.integers(0, 3))
        self.n_new += 1
        is_newcomer, is_new = self.rng.random() < 0.02, self.rng.random() < 0.005
        return LiveEvent(
            self.now_s,
            "watch",
            f"newcomer-{self.n_new}" if is_newcomer else self.users[user],
            f"new-{self.n_new}" if is_new else self.items[item],
        )

    def batch(self, n: int) -> list[LiveEvent]:
        """The next `n`."""
        return [self.event() for _ in range(n)]

    def asker(self) -> np.ndarray:
        """A user, by how much they do."""
        return self.log.user_row[self.rng.integers(len(self.log), size=1)]


def spent_ms(n: int, make: Callable[[], object], do: Callable[[object], None]) -> np.ndarray:
    spent = []
    for _ in range(n):
        given = make()
        began = time.thread_time()
        do(given)
        spent.append(1e3 * (time.thread_time() - began))
    return np.array(spent)


def row(what: str, spent: np.ndarray, n_events: int | None = None) -> dict[str, object]:
    per_event = {} if n_events is None else {"mean ms an event": float(spent.mean()) / n_events}
    percentiles = {f"p{at} ms": float(np.percentile(spent, at)) for at in (50, 90, 99)}
    return {"what": what, **percentiles, "mean ms": float(spent.mean()), **per_event}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=100_000)
    chosen = parser.parse_args()
    settings = WorldSettings(n_events=chosen.events, n_items=chosen.items, n_users=chosen.users)
    dataset = generate_world(settings).dataset
    state = LiveState(fit_pipeline(dataset, method_named("walk", {})))
    arrivals, pipeline = Arrivals(dataset, state.pipeline.cut_s), state.pipeline
    publisher = dataset.items["publisher"].drop_nulls()[0].to_list()[:1]

    def ask(request: Request) -> Callable[[np.ndarray], None]:
        def answer(user: np.ndarray) -> None:
            slate = pipeline.recommend(pipeline.queries_of(user), request)
            pipeline.describe(slate, 0)

        return answer

    rows = []
    for size in (1, 10, 25, 50):
        batches = iter([arrivals.batch(size) for _ in range(20 + 2000 // size)])
        spent = spent_ms(20 + 2000 // size, batches.__next__, state.apply)
        rows.append(row(f"apply {size} events", spent[20:], size))
    strangers = np.array([-1], np.int32)
    by_publisher = Request(10, "hide", ItemFilters(publishers=tuple(publisher)))
    for what, make, request in (
        ("slate of a user", arrivals.asker, Request(10)),
        ("slate of a stranger", lambda: strangers, Request(10)),
        ("slate, one publisher's", arrivals.asker, by_publisher),
    ):
        rows.append(row(what, spent_ms(520, make, ask(request))[20:]))
    report("live_state", rows)


if __name__ == "__main__":
    main()
