"""Slow twin of the co-watch graph: dictionaries, one pair at a time."""

from collections import defaultdict

import numpy as np

COLD_START = 0


def kept_events(events):
    """(time_s, user, item, weight) in order of arrival, repeats of an event id dropped."""
    ids = range(len(events)) if events.event_id is None else events.event_id.tolist()
    rows = zip(
        events.time_s.tolist(),
        events.user_row.tolist(),
        events.item_row.tolist(),
        events.weight.tolist(),
        strict=True,
    )
    seen = set()
    kept = []
    for event_id, row in zip(ids, rows, strict=True):
        if event_id not in seen:
            kept.append(row)
        seen.add(event_id)
    return kept


def pairs(events, settings):
    """Every pair as (source node, target row, date, value), the cold start's among them."""
    by_user = defaultdict(list)
    for time_s, user, item, weight in kept_events(events):
        by_user[user].append((time_s, item, weight if settings.weighted else 1.0))
    found = []
    for timeline in by_user.values():
        timeline.sort(key=lambda event: event[0])
        first_s, first_item, first_weight = timeline[0]
        found.append((COLD_START, first_item, first_s, first_weight))
        for i, (time_i, item_i, weight_i) in enumerate(timeline):
            for time_j, item_j, weight_j in timeline[i + 1 : i + 1 + settings.max_successors]:
                if time_j - time_i <= settings.window_s and item_i != item_j:
                    found.append((item_i + 1, item_j, time_j, weight_i * weight_j))
    return found


def cohort_of(time_s, settings):
    cohort_s = settings.ageing.cohort_s
    return time_s // cohort_s if cohort_s else 0


def dated_edges(events, settings):
    """{(source node, target row, cohort): (count, strength as of the cohort's start)}."""
    edges = defaultdict(lambda: (0, 0.0))
    for source, target, time_s, value in pairs(events, settings):
        cohort = cohort_of(time_s, settings)
        if settings.ageing.mode == "half_life":
            age_s = time_s - cohort * settings.ageing.cohort_s
            growth = 2.0 ** (age_s / (settings.ageing.half_life_days * 86_400))
        else:
            growth = 1.0
        count, strength = edges[source, target, cohort]
        edges[source, target, cohort] = count + 1, strength + value * growth
    return dict(edges)


def weights(events, settings, at_s):
    """{(source node, target row): weight at `at_s`}, one pair at a time; not for thinning."""
    ageing = settings.ageing
    total = defaultdict(float)
    for source, target, time_s, value in pairs(events, settings):
        match ageing.mode:
            case "none":
                left = 1.0
            case "expected":
                age_days = max(at_s // 86_400 - time_s // 86_400, 0)
                left = ageing.survival ** (age_days // ageing.period_days)
            case "half_life":
                left = 2.0 ** (-(at_s - time_s) / (ageing.half_life_days * 86_400))
        total[source, target] += value * left
    return dict(total)


def as_dict(graph):
    """A graph's entries in the form of `dated_edges`."""
    node = np.repeat(np.arange(graph.n_items + 1), np.diff(graph.ptr)).tolist()
    cohort = graph.cohort.tolist() if len(graph.cohort) else [0] * len(node)
    count = graph.count.tolist()
    strength = graph.strength.tolist() if graph.settings.real else count
    keys = zip(node, graph.target_row.tolist(), cohort, strict=True)
    return dict(zip(keys, zip(count, strength, strict=True), strict=True))


def weights_as_dict(edges):
    """Edges of every node in the form of `weights`."""
    node = np.repeat(np.arange(len(edges.ptr) - 1), np.diff(edges.ptr)).tolist()
    return dict(
        zip(zip(node, edges.target_row.tolist(), strict=True), edges.weight.tolist(), strict=True)
    )
