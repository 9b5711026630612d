"""Popularity by looking at every event."""

import numpy as np

from graphrec.stages import Interactions


def window_sums(events: Interactions, start_s: int, stop_s: int) -> np.ndarray:
    total = np.zeros(events.n_items)
    for time_s, item, weight in zip(events.time_s, events.item_row, events.weight, strict=True):
        if start_s <= time_s < stop_s:
            total[item] += weight
    return total


def decayed_sums(events: Interactions, cut_s: int, half_life_s: float) -> np.ndarray:
    total = np.zeros(events.n_items)
    for time_s, item, weight in zip(events.time_s, events.item_row, events.weight, strict=True):
        if time_s < cut_s:
            total[item] += weight * 0.5 ** ((cut_s - time_s) / half_life_s)
    return total


def newest_shares(published_s: np.ndarray, popularity: np.ndarray, cut_s: int) -> np.ndarray:
    out = [item for item in range(len(published_s)) if published_s[item] < cut_s]
    keys = sorted({(published_s[item], popularity[item]) for item in out})
    share = np.zeros(len(published_s))
    for item in out:
        share[item] = (keys.index((published_s[item], popularity[item])) + 1) / len(keys)
    return share
