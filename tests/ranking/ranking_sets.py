"""Made-up lists for rankers to learn from."""

import numpy as np

from graphrec.ranking.training_set import RankingSet

OUTCOMES = ("engagement", "satisfaction", "responsibility")


def of_arrays(features, lengths, outcome, position=None, weight=None, names=None):
    """A set of lists of the given lengths; `outcome` is one column or several."""
    n = len(features)
    outcome = np.asarray(outcome, np.float32)
    outcome = outcome[:, None] if outcome.ndim == 1 else outcome
    position = np.full(n, -1) if position is None else position
    return RankingSet(
        names or tuple(f"f{at}" for at in range(features.shape[1])),
        np.asarray(features, np.float32),
        np.cumsum([0, *lengths], dtype=np.int64),
        np.arange(len(lengths), dtype=np.int64) * 60,
        np.full(len(lengths), -1, np.int32),
        np.arange(n, dtype=np.int32),
        np.asarray(position, np.int32),
        OUTCOMES[: outcome.shape[1]],
        outcome,
        np.ones(n, np.float32) if weight is None else np.asarray(weight, np.float32),
    )


def drawn_lists(seed, n_lists=120, length=10, n_features=5, missing=0.1):
    """Lists whose outcomes follow the first two features, and noise; some features missing."""
    rng = np.random.default_rng(seed)
    n = n_lists * length
    features = rng.normal(size=(n, n_features))
    logit = 1.5 * features[:, 0] - features[:, 1]
    outcome = np.stack(
        [
            rng.random(n) < 1 / (1 + np.exp(1.0 - logit)),
            rng.random(n) < 1 / (1 + np.exp(-logit)),
            np.tanh(features[:, 1] + 0.3 * rng.normal(size=n)),
        ],
        axis=1,
    )
    features[rng.random(features.shape) < missing] = np.nan
    return of_arrays(features, [length] * n_lists, outcome, np.tile(np.arange(length), n_lists))


def clicked_lists(seed, n_lists, length=10, examined=0.75):
    """Shown lists whose clicks need the item to be examined, less often further down.

    The old ranker ordered by `f1`, which says nothing of what is good; what is good is `f0`.

    Returns:
        The lists, and how good each candidate is.
    """
    rng = np.random.default_rng(seed)
    n = n_lists * length
    good = rng.normal(size=n)
    old = rng.normal(size=(n_lists, length))
    # What is listed first had the highest old score.
    old = -np.sort(-old, axis=1)
    position = np.tile(np.arange(length), n_lists)
    click = (rng.random(n) < examined**position) & (rng.random(n) < 1 / (1 + np.exp(1.5 - good)))
    features = np.stack([good + 0.3 * rng.normal(size=n), old.ravel()], axis=1)
    return of_arrays(features, [length] * n_lists, click, position), good
