"""Merging of ranked lists, one query at a time."""

import math


def merge(lists, quotas, k, constant):
    """`lists` hold (item, score) best first; returns rows of (item, fused, source, places)."""
    places = {}
    for s, one in enumerate(lists):
        for place, (item, _) in enumerate(one[: quotas[s].n]):
            places.setdefault(item, [-1] * len(lists))[s] = place

    def part(item, s):
        place = places[item][s]
        return -math.inf if place < 0 else quotas[s].weight / (constant + 1 + place)

    fused = {
        item: sum(part(item, s) for s in range(len(lists)) if found[s] >= 0)
        for item, found in places.items()
    }
    assured = {
        item
        for item, found in places.items()
        if any(0 <= found[s] < int(quotas[s].min_share * k) for s in range(len(lists)))
    }
    order = sorted(fused, key=lambda item: (-round(fused[item], 9), item))
    others = [item for item in order if item not in assured][: max(k - len(assured), 0)]
    kept = [item for item in order if item in assured or item in others]
    return [
        (item, fused[item], max(range(len(lists)), key=lambda s: (part(item, s), -s)), places[item])
        for item in kept
    ]
