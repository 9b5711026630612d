"""Hand-made graphs to walk on."""

import numpy as np

from graphrec.graph.edges import WeightedEdges
from graphrec.graph.settings import CoWatchSettings


def edges_of(rows):
    """Edges given per node as {target item row: weight}; node 0 is the cold-start node."""
    ptr = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    flat = [(target, row[target]) for row in rows for target in sorted(row)]
    return WeightedEdges(
        ptr,
        np.array([target for target, _ in flat], np.int32),
        np.array([weight for _, weight in flat], np.float32),
    )


def random_rows(rng, n_items, *, max_degree=6, dead=0.2):
    """Rows of a random graph, some of them empty."""
    rows = []
    for node in range(n_items + 1):
        degree = int(rng.integers(1, max_degree + 1))
        if node > 0 and rng.random() < dead:
            degree = 0
        targets = rng.choice(n_items, size=min(degree, n_items), replace=False)
        rows.append({int(t): float(np.float32(rng.random() + 0.05)) for t in targets})
    return rows


class HandMadeGraph:
    """A live graph whose rows are set by hand: `absorb` replaces the rows that wait."""

    def __init__(self, rows, settings=None):
        self.rows = [dict(row) for row in rows]
        self.waiting = {}
        self.settings = settings or CoWatchSettings()
        self.asked = []

    @property
    def n_items(self):
        return len(self.rows) - 1

    def reset(self, events=None):
        self.rows = [{}]

    def absorb(self, events):
        while len(self.rows) < events.n_items + 1:
            self.rows.append({})
        for node, row in self.waiting.items():
            self.rows[node] = row
        changed = np.array(sorted(self.waiting), np.int32)
        self.waiting = {}
        return changed

    def weighted_edges(self, at_s, nodes=None):
        self.asked.append((at_s, None if nodes is None else nodes.tolist()))
        rows = self.rows if nodes is None else [self.rows[node] for node in nodes.tolist()]
        return edges_of(rows)
