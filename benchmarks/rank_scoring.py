"""Time to score candidates by boosted trees on one thread: our kernel against LightGBM's predict.

Trees are trained by LightGBM on made-up rows of which one feature in ten is missing; both score the
same rows in turns, and their scores are compared. LightGBM's shape check is off, and its threads
are set to one in each call. The network of several objectives is timed on the same rows. Run:
`OMP_NUM_THREADS=1 python -m benchmarks.rank_scoring`.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
from jaxtyping import Float32

from benchmarks.walk_world import report
from graphrec.ranking.multi_objective import train_multi_objective
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings
from graphrec.ranking.objectives import ObjectiveWeights
from graphrec.ranking.training_set import RankingSet
from graphrec.ranking.tree_ensemble import TreeEnsemble

N_FEATURES, N_CATEGORICAL, N_TREES = 40, 4, 200
HEADS = ("engagement", "satisfaction", "responsibility")


def made_up_rows(n_rows: int, seed: int) -> Float32[np.ndarray, "pairs features"]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    features[:, :N_CATEGORICAL] = rng.integers(0, 100, (n_rows, N_CATEGORICAL))
    features[rng.random(features.shape) < 0.1] = np.nan
    return features


def trained_trees(n_leaves: int, *, categorical: bool) -> Any:
    features = made_up_rows(20_000, 0)
    rng = np.random.default_rng(1)
    known = np.nan_to_num(features)
    target = known[:, 4:20].sum(axis=1) + (known[:, :4] % 7 < 3).sum(axis=1)
    data = lightgbm.Dataset(
        features,
        target + rng.normal(size=len(features)),
        categorical_feature=list(range(N_CATEGORICAL)) if categorical else [],
    )
    settings = {"verbose": -1, "num_leaves": n_leaves, "num_threads": 1, "seed": 0}
    return lightgbm.train(settings, data, N_TREES)


def trained_network(experts: int) -> Any:
    n_lists, length = 400, 10
    rng = np.random.default_rng(2)
    n = n_lists * length
    lists = RankingSet(
        tuple(f"f{at}" for at in range(N_FEATURES)),
        made_up_rows(n, 0),
        np.arange(n_lists + 1, dtype=np.int64) * length,
        np.arange(n_lists, dtype=np.int64),
        np.full(n_lists, -1, np.int32),
        np.arange(n, dtype=np.int32),
        np.full(n, -1, np.int32),
        HEADS,
        (rng.random((n, len(HEADS))) < 0.3).astype(np.float32),
        np.ones(n, np.float32),
    )
    settings = MultiObjectiveSettings(experts=experts, max_epochs=1)
    return train_multi_objective(lists, None, settings, ObjectiveWeights())


def timed_in_turns(*calls: Callable[[], object], n: int) -> list[list[float]]:
    """Milliseconds of each call, which take turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(n):
        for times, call in zip(taken, calls, strict=True):
            began = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - began))
    return taken


def tree_row(n_leaves: int, n_rows: int, n: int, *, categorical: bool) -> dict[str, object]:
    booster = trained_trees(n_leaves, categorical=categorical)
    ensemble = TreeEnsemble.of_text(booster.model_to_string())
    assert ensemble is not None  # else there is nothing to compare
    rows = made_up_rows(n_rows, 3)

    def kernel() -> Any:
        return ensemble.score(rows)

    def predict() -> Any:
        return booster.predict(
            rows, raw_score=True, num_threads=1, predict_disable_shape_check=True
        )

    difference = float(np.abs(kernel() - predict()).max())
    own, theirs = timed_in_turns(kernel, predict, n=n)
    return {
        "model": f"{N_TREES} trees of {n_leaves} leaves" + (", categories" * categorical),
        "candidates": n_rows,
        "p50 ms": float(np.median(own)),
        "p95 ms": float(np.percentile(own, 95)),
        "LightGBM p50 ms": float(np.median(theirs)),
        "LightGBM p95 ms": float(np.percentile(theirs, 95)),
        "times faster": float(np.median(theirs) / np.median(own)),
        "largest difference": difference,
    }


def network_row(experts: int, n_rows: int, n: int) -> dict[str, object]:
    model = trained_network(experts)
    rows = made_up_rows(n_rows, 3)
    (own,) = timed_in_turns(lambda: model.score(rows), n=n)
    return {
        "model": f"network of 3 objectives, {experts} trunk" + "s" * (experts > 1),
        "candidates": n_rows,
        "p50 ms": float(np.median(own)),
        "p95 ms": float(np.percentile(own, 95)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    n = parser.parse_args().repeats
    rows = [
        tree_row(n_leaves, n_rows, n, categorical=categorical)
        for n_leaves, n_rows, categorical in (
            (31, 1000, False),
            (31, 1000, True),
            (64, 1000, False),
            (7, 1000, False),
            (31, 100, False),
            (31, 1, False),
        )
    ]
    rows += [network_row(experts, 1000, n) for experts in (1, 4)]
    report("rank_scoring", rows)


if __name__ == "__main__":
    main()
