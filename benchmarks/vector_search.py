"""Approximate against exact search of inner products, one query a call, over a million vectors.

Exact is FAISS's `IndexFlatIP` on the same vectors in the same run, calls of the two taking turns in
rounds. Three sets of 64 dimensions: `movies` are singular vectors of MovieLens-1M (users × items,
0/1), of which each of the 3,706 items is brought to many by convex mixtures with one of its ten
nearest neighbours (share uniform in [0, .5]) and Gaussian noise of a tenth of the set's spread in
each dimension, asked by the 6,040 real users; `movies, unit length` are the same at length 1, as
the temporal network's are; `clusters` are made up: 2,000 centres with spread, at length 1, asked by
vectors of their own kind. Run: `python -m benchmarks.vector_search DATA_FOLDER`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from benchmarks.walk_world import report
from graphrec.retrieval.inverted_lists import import_faiss, recall_of
from graphrec.retrieval.vector_index import VectorIndex, VectorIndexSettings

DIM = 64


def unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(length, 1e-12), np.float32)


def movies(folder: Path, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    log = pl.read_parquet(folder / "ml-1m-order" / "events.parquet")
    user = (log["user_id"].rank("dense") - 1).to_numpy().astype(np.int64)
    item = (log["item_id"].rank("dense") - 1).to_numpy().astype(np.int64)
    pairs = np.unique(np.stack([user, item]), axis=1)
    matrix = csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])))
    left, strength, right = svds(matrix, k=DIM, random_state=seed)
    users, items = left * np.sqrt(strength), right.T * np.sqrt(strength)
    rng = np.random.default_rng(seed)
    alike = unit(items) @ unit(items).T
    near = np.argsort(-alike, axis=1)[:, 1:11]
    one = rng.integers(0, len(items), n)
    other = near[one, rng.integers(0, 10, n)]
    share = rng.uniform(0, 0.5, (n, 1))
    mixed = (1 - share) * items[one] + share * items[other]
    mixed += rng.standard_normal((n, DIM)) * (0.1 * items.std(axis=0))
    return mixed.astype(np.float32), users.astype(np.float32)


def clusters(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centre = unit(rng.standard_normal((2000, DIM)))
    drawn = centre[rng.integers(0, 2000, n + 4096)]
    drawn = unit(drawn + 0.6 / DIM**0.5 * rng.standard_normal((n + 4096, DIM)))
    return drawn[:n], drawn[n:]


def timed(calls: list[np.ndarray], search: object) -> list[float]:
    took = []
    for query in calls:
        started = time.perf_counter()
        search(query)
        took.append(1e3 * (time.perf_counter() - started))
    return took


def measured(name: str, vectors: np.ndarray, queries: np.ndarray, chosen) -> list[dict]:
    faiss = import_faiss()
    faiss.omp_set_num_threads(2)
    rng = np.random.default_rng(7)
    drawn = rng.permutation(len(queries))
    sample, asked = queries[drawn[:512]], queries[drawn[512 : 512 + chosen.queries]]
    index = VectorIndex(vectors, VectorIndexSettings(), sample)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    truth = flat.search(asked, 100)[1].astype(np.int32)
    recall = float(recall_of(index.search(asked, 100)[0], truth).mean())
    calls = [asked[i : i + 1] for i in range(len(asked))]
    new = (2 * np.abs(vectors).max() * unit(asked[:64])).astype(np.float32)
    rows = np.arange(len(vectors), len(vectors) + 64, dtype=np.int32)
    result = []
    for n_threads in (1, 2):
        faiss.omp_set_num_threads(n_threads)
        exact, near = [], []
        for _ in range(chosen.rounds):
            exact += timed(calls[: chosen.exact_calls], lambda q: flat.search(q, 100))
            near += timed(calls, lambda q: index.search(q, 100))
        result.append(
            {
                "vectors": name,
                "n": len(vectors),
                "threads": n_threads,
                "lists": index.report.n_lists,
                "probed": index.report.n_probed,
                "recall@100 of sample": index.report.recall,
                "recall@100": recall,
                "exact p50 ms": float(np.median(exact)),
                "p50 ms": float(np.median(near)),
                "p99 ms": float(np.percentile(near, 99)),
                "times as fast": float(np.median(exact) / np.median(near)),
                "means' ratio": float(np.mean(exact) / np.mean(near)),
                "built s": index.report.build_s,
            }
        )
    found, put = 0, []
    for i in range(len(new)):
        started = time.perf_counter()
        index.put(rows[i : i + 1], new[i : i + 1])
        put.append(1e3 * (time.perf_counter() - started))
        found += int(index.search(asked[i : i + 1], 1)[0][0, 0] == rows[i])
    for row in result:
        row["new found at once"] = f"{found}/{len(new)}"
        row["put p50 ms"] = float(np.median(put))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--exact-calls", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rows = []
    items, users = movies(chosen.data, chosen.vectors, 0)
    rows += measured("movies", items, users, chosen)
    rows += measured("movies, unit length", unit(items), users, chosen)
    del items
    rows += measured("clusters", *clusters(chosen.vectors, 1), chosen)
    report("vector_search", rows)


if __name__ == "__main__":
    main()
