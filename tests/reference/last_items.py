"""The three ways of "last items again", one query at a time."""

import numpy as np


def recency(history: list[tuple[int, int]], popularity: np.ndarray) -> np.ndarray:
    """`history` holds (item, time), newest first."""
    last_use = {}
    for item, time_s in history:
        last_use.setdefault(item, time_s)
    score = popularity / (1 + popularity)
    times = sorted(set(last_use.values()))
    for item, time_s in last_use.items():
        score[item] += times.index(time_s) + 1
    return score


def activation(
    history: list[tuple[int, int]], popularity: np.ndarray, cut_s: int, settings
) -> np.ndarray:
    past = np.zeros(len(popularity))
    for place, (item, time_s) in enumerate(history):
        by_place = (1 + place) ** -settings.event_power
        age = (cut_s - time_s) / settings.time_unit_s
        past[item] += by_place * (1 + age) ** -settings.time_power
        if place > 0 and item == history[0][0]:
            past[history[place - 1][0]] += settings.habit * by_place
    score = np.zeros(len(popularity))
    again = len(history) / (len(history) + settings.new_events) if history else 0.0
    if history:
        score += again * past / past.sum()
    if popularity.sum() > 0:
        score += (1 - again) * popularity / popularity.sum()
    return score
