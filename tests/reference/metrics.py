"""Slow twins of the metrics, to be checked by eye: one query at a time, in plain Python."""

from math import log2


def hit_rate(ranks, k):
    return float(any(rank <= k for rank in ranks))


def recall(ranks, k):
    return sum(rank <= k for rank in ranks) / len(ranks)


def precision(ranks, k):
    return sum(rank <= k for rank in ranks) / k


def reciprocal_rank(ranks, k):
    return 1 / min(ranks) if min(ranks) <= k else 0.0


def ndcg(ranks, k):
    gain = sum(1 / log2(rank + 1) for rank in ranks if rank <= k)
    best = sum(1 / log2(place + 1) for place in range(1, min(len(ranks), k) + 1))
    return gain / best


def average_precision(ranks, k):
    found = [nth / rank for nth, rank in enumerate(sorted(ranks), start=1) if rank <= k]
    return sum(found) / min(len(ranks), k)
