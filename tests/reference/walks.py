"""Slow twins of the walk kernels, one walk and one step at a time, to be checked by eye."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(value):
    value &= MASK
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def fold(key, value):
    return mix(key ^ mix(value + GOLDEN))


def query_key(seed, user_row, time_s):
    return fold(fold(mix(seed), user_row), time_s)


def uniform(key, value):
    return ((fold(key, value) >> 11) + 0.5) / 2**53


def sharpened(weights, power):
    """Weights of one row over the heaviest, to a power, in single precision."""
    heaviest = max(weights, default=None)
    return [np.float32(w / heaviest) ** np.float32(power) for w in weights]


def alias_row(targets, weights):
    """Cells (threshold, target, alias) of one row of edges."""
    n = len(targets)
    total = math.fsum([0.0])
    for weight in weights:
        total += weight
    chance = [weight * (n / total) for weight in weights]
    cells = [[0xFFFFFFFF, target, target] for target in targets]
    small = [edge for edge in range(n) if chance[edge] < 1]
    large = [edge for edge in range(n) if chance[edge] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        cells[low][0] = int(min(chance[low] * 2**32, 2**32 - 1))
        cells[low][2] = targets[high]
        chance[high] -= 1 - chance[low]
        if chance[high] < 1:
            large.pop()
            small.append(high)
    return cells


def alias_rows(edges, power=1.0):
    rows = []
    for a, b in pairwise(edges.ptr.tolist()):
        weights = list(edges.weight[a:b])
        if power != 1:
            weights = sharpened(weights, power)
        rows.append(alias_row(edges.target_row[a:b].tolist(), [float(w) for w in weights]))
    return rows


def walk_length(draw, restart, max_depth):
    coin, length = draw >> 32, 1
    while length < max_depth and coin < math.floor((1 - restart) ** length * 2**32 + 0.5):
        length += 1
    return length


def one_walk(rows, node, seed_key, walk, restart, max_depth):
    """Items that one walk visits, in order."""
    counter = 64 * walk
    items = []
    for depth in range(1, walk_length(mix(seed_key + counter * GOLDEN), restart, max_depth) + 1):
        row = rows[node]
        if not row:
            break
        draw = mix(seed_key + (counter + depth) * GOLDEN)
        threshold, target, alias = row[((draw >> 32) * len(row)) >> 32]
        items.append(target if (draw & 0xFFFFFFFF) < threshold else alias)
        node = items[-1] + 1
    return items


def request_visits(rows, key, nodes, n_walks, restart, max_depth, *, ends=False):
    """Per seed a list of walks, each the list of items that count."""
    visits = []
    for place, (node, n) in enumerate(zip(nodes, n_walks, strict=True)):
        walks = [one_walk(rows, node, fold(key, place), w, restart, max_depth) for w in range(n)]
        visits.append([walk[-1:] if ends else walk for walk in walks])
    return visits


def stopped(walks, n_items, n_visits, wave=256):
    """The walks of one seed that are done before it stops, looking after each wave."""
    done = []
    for start in range(0, len(walks), wave):
        done += walks[start : start + wave]
        counts = Counter(item for walk in done for item in walk)
        if sum(count >= n_visits for count in counts.values()) >= n_items:
            break
    return done


def score_visits(visits, *, boosted):
    """Per item: score, place of the seed with the largest part, and its share."""
    counts = [Counter(item for walk in walks for item in walk) for walks in visits]
    n_visits = sum(sum(count.values()) for count in counts)
    scored = {}
    for item in set().union(*counts):
        parts = [math.sqrt(count[item]) if boosted else count[item] for count in counts]
        best = max(range(len(parts)), key=lambda seed: (parts[seed], -seed))
        total = sum(parts)
        score = (total**2 if boosted else total) / n_visits
        scored[item] = (score, best, parts[best] / total)
    return scored
