"""Small catalogues for tests of slates."""

import numpy as np

from graphrec.slate.facts import ItemFacts
from graphrec.stages import Candidates, Queries


def drawn_facts(seed: int, n_items: int = 30, dim: int = 5) -> ItemFacts:
    """Vectors, publishers, categories, keywords and a flag, drawn at random; some are missing."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_items, dim)).astype(np.float32)
    vectors[0] = 0
    count = rng.integers(0, 5, n_items)
    return ItemFacts(
        n_items,
        vectors,
        {
            "publisher": rng.integers(-1, 6, n_items).astype(np.int32),
            "category": rng.integers(0, 4, n_items).astype(np.int32),
        },
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        rng.integers(0, 8, count.sum()).astype(np.int32),
        {"bad": rng.random(n_items) < 0.2},
    )


def ranked(rows: list[list[int]], scores: list[list[float]] | None = None) -> Candidates:
    """Candidates of one source, by default with scores n, n - 1, ... 1; rows are padded."""
    k = max((len(row) for row in rows), default=0)
    shape = (len(rows), k)
    item, score = np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
    for query, row in enumerate(rows):
        item[query, : len(row)] = row
        score[query, : len(row)] = scores[query] if scores else np.arange(len(row), 0, -1)
    source = np.where(item >= 0, 0, -1).astype(np.int8)
    reason = np.full(shape, -1, np.int32)
    return Candidates(item, score, source, ("drawn",), reason, np.zeros(shape, np.float32))


def visits(users: list[int], time_s: int = 1_000_000) -> Queries:
    """A visit of each user at one time, without history."""
    n = len(users)
    return Queries(
        np.array(users, np.int32),
        np.full(n, time_s, np.int64),
        np.zeros(n + 1, np.int64),
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.empty(0, np.float32),
    )
