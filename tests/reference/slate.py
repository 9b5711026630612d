"""Slow twins of `graphrec.kernels.slate`, to be checked by eye."""

import numpy as np


def similarity(facts, a, b, weights, shifted=False):
    """Weighted mean of cosine, shared publisher and Jaccard; 1 of an item to itself."""
    if a == b:
        return 1.0
    u, v = facts.vectors[a].astype(float), facts.vectors[b].astype(float)
    norms = np.linalg.norm(u) * np.linalg.norm(v)
    cosine = u @ v / norms if norms > 0 else 0.0
    cosine = (1 + cosine) / 2 if shifted else cosine
    publisher = facts.groups["publisher"]
    same = publisher[a] == publisher[b] and publisher[a] >= 0
    words = [set(facts.keyword[slice(*facts.keyword_ptr[i : i + 2])].tolist()) for i in (a, b)]
    union = words[0] | words[1]
    jaccard = len(words[0] & words[1]) / len(union) if union else 0.0
    return (np.array(weights) / sum(weights)) @ [cosine, same, jaccard]


def mmr(relevance, matrix, diversity, places):
    """The candidate of the largest marginal relevance, place after place."""
    chosen = []
    while len(chosen) < min(places, len(relevance)):
        left = [j for j in range(len(relevance)) if j not in chosen]

        def value(j):
            nearest = max((matrix[j][c] for c in chosen), default=0.0)
            return (1 - diversity) * relevance[j] - diversity * nearest

        chosen.append(max(left, key=lambda j: (value(j), -j)))
    return chosen


def dpp(relevance, matrix, diversity, places):
    """The candidate of the largest (1 - β) Σ relevance + β log det, by full determinants."""
    chosen = []
    while len(chosen) < min(places, len(relevance)):
        left = [j for j in range(len(relevance)) if j not in chosen]

        def value(j):
            some = [*chosen, j]
            _, log_det = np.linalg.slogdet(matrix[np.ix_(some, some)])
            return (1 - diversity) * relevance[some].sum() + diversity * log_det

        chosen.append(max(left, key=value))
    return chosen
