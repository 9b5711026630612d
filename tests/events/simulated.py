"""What a simulated world holds, as its tests look at it."""

import numpy as np

from graphrec.events.world import World


def events(world: World, name: str):
    log = world.dataset.log
    return log.take(log.edge_type == log.type_index(name))


def watches(world: World):
    return world.dataset.log.interactions(names=("watch",))


def gini(counts):
    sorted_counts = np.sort(counts).astype(float)
    n = len(counts)
    return ((2 * np.arange(1, n + 1) - n - 1) * sorted_counts).sum() / (n * sorted_counts.sum())
