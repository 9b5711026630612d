"""Item and user models by their definitions, on full matrices."""

import numpy as np


def keep_largest_per_column(weight: np.ndarray, n_kept: int) -> np.ndarray:
    kept = np.zeros_like(weight)
    for column in range(weight.shape[1]):
        rows = sorted(range(len(weight)), key=lambda row: (-weight[row, column], row))
        for row in rows[:n_kept]:
            kept[row, column] = max(weight[row, column], 0)
    return kept


def cosine_weights(
    used: np.ndarray, n_kept: int, shrinkage: float, past_share: float
) -> np.ndarray:
    n_items = used.shape[1]
    weight = np.zeros((n_items, n_items))
    norm = np.sqrt((used**2).sum(axis=0))
    for past in range(n_items):
        for own in range(n_items):
            below = norm[past] ** (2 * past_share) * norm[own] ** (2 - 2 * past_share) + shrinkage
            if past != own and below > 0:
                weight[past, own] = used[:, past] @ used[:, own] / below
    return keep_largest_per_column(weight, n_kept)


def tfidf(used: np.ndarray) -> np.ndarray:
    weighted = np.zeros_like(used)
    for user, row in enumerate(used):
        idf = np.log((used.shape[1] + 1) / ((row > 0).sum() + 1))
        weighted[user] = np.sqrt(row) * idf
    return weighted


def bm25(used: np.ndarray, k1: float, b: float) -> np.ndarray:
    weighted = np.zeros_like(used)
    length = used.sum(axis=0)
    mean = length[length > 0].mean()
    for user, row in enumerate(used):
        idf = np.log((used.shape[1] + 1) / ((row > 0).sum() + 1))
        for item, value in enumerate(row):
            if value > 0:
                damp = 1 - b + b * length[item] / mean
                weighted[user, item] = idf * value * (k1 + 1) / (value + k1 * damp)
    return weighted


def rp3beta_weights(used: np.ndarray, alpha: float, beta: float, n_kept: int) -> np.ndarray:
    n_users, n_items = used.shape
    of_item, of_user = used.sum(axis=0), used.sum(axis=1)
    weight = np.zeros((n_items, n_items))
    for past in range(n_items):
        for own in range(n_items):
            if past == own:
                continue
            for user in range(n_users):
                if used[user, past] > 0 and used[user, own] > 0:
                    up = (used[user, past] / of_item[past]) ** alpha
                    down = (used[user, own] / of_user[user]) ** alpha
                    weight[past, own] += up * down / of_item[own] ** beta
    return keep_largest_per_column(weight, n_kept)


def ease_weights(used: np.ndarray, l2: float) -> np.ndarray:
    inverse = np.linalg.inv(used.T @ used + l2 * np.eye(used.shape[1]))
    weight = np.zeros_like(inverse)
    for past in range(len(inverse)):
        for own in range(len(inverse)):
            if past != own:
                weight[past, own] = -inverse[past, own] / inverse[own, own]
    return weight


def history_vector(
    history: list[tuple[int, float]], n_items: int, once: bool, half_life: float | None, most: int
) -> np.ndarray:
    """`history` holds (item, weight), newest first."""
    newest_first = list(dict.fromkeys(item for item, _ in history))[:most]
    vector = np.zeros(n_items)
    for place, item in enumerate(newest_first):
        weight = 1.0 if once else sum(w for other, w in history if other == item)
        vector[item] = weight * (1.0 if half_life is None else 0.5 ** (place / half_life))
    return vector


def user_knn_scores(
    used: np.ndarray, vector: np.ndarray, asking: int, n_kept: int, shrinkage: float
) -> np.ndarray:
    likeness = {}
    for user, row in enumerate(used):
        overlap = vector @ row
        if user != asking and overlap > 0:
            length = np.sqrt(vector @ vector) * np.sqrt(row @ row)
            likeness[user] = overlap / (length + shrinkage)
    nearest = sorted(likeness, key=lambda user: (-likeness[user], user))[:n_kept]
    return sum((likeness[user] * used[user] for user in nearest), np.zeros(used.shape[1]))
