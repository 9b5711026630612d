"""Features of one candidate of one query from raw event lists, a dictionary by column name.

Events are `(time_s, user, item, weight)` in order of arrival, a history is `[(time_s, item)]`,
newest first. What is missing from the dictionary is NaN in the table.
"""

from itertools import groupby
from math import log, log1p, sqrt

HOUR_S = 3600
DAY_S = 86_400


def log_age(seconds):
    return log1p(max(seconds, 0))


def pair_history(time_s, history, item):
    items = [past for _, past in history]
    mine = [n for n, past in enumerate(items) if past == item]
    worth = [1 / sqrt(1 + n) for n in range(len(items))]
    last = items[:1]
    row = {
        "pair.count": log1p(len(mine)),
        "pair.streak": 0,
        "pair.habit": log1p(
            sum(worth[n] for n in range(1, len(items)) if [items[n]] == last and n - 1 in mine)
        ),
        "pair.habit_few": log1p(
            sum(
                worth[n]
                for n in range(1, len(items))
                for later in range(2, 9)
                if [items[n]] == last and n - later in mine
            )
        ),
    }
    if items:
        row["pair.activation"] = sum(worth[n] for n in mine) / sum(worth)
        row["pair.share"] = len(mine) / len(items)
        row["pair.recent_share"] = items[:8].count(item) / len(items[:8])
    if not mine:
        return row
    times = [history[n][0] for n in mine]
    runs = [past for past, _ in groupby(items)]
    row["pair.since"] = log_age(time_s - times[0])
    row["pair.places"] = log1p(mine[0])
    row["pair.switches"] = runs.index(item)
    if mine[0] == 0:
        row["pair.streak"] = len(list(next(groupby(items))[1]))
    row["pair.run_length"] = len(mine) / runs.count(item)
    if len(mine) > 1:
        gap_s = (times[0] - times[-1]) / (len(mine) - 1)
        row["pair.gap"] = log_age(gap_s)
        row["pair.phase"] = row["pair.since"] - log_age(gap_s)
        row["pair.last_phase"] = row["pair.since"] - log_age(times[0] - times[1])
    return row


def context(time_s, history):
    items = [past for _, past in history]
    ages = [time_s - past_s for past_s, _ in history]
    row = {
        "user.events": log1p(len(items)),
        "user.session": log1p(sum(age <= 1800 for age in ages)),
        "user.day": log1p(sum(age <= DAY_S for age in ages)),
        "time.hour": time_s % DAY_S / HOUR_S,
        "time.weekday": (time_s // DAY_S + 3) % 7,
    }
    if items:
        new = items[:32]
        row["user.since"] = log_age(ages[0])
        row["user.run"] = log1p(len(list(next(groupby(items))[1])))
        row["user.variety"] = len(set(new)) / len(new)
        if len(new) > 1:
            changes = sum(new[n] != new[n + 1] for n in range(len(new) - 1))
            row["user.switching"] = changes / (len(new) - 1)
            few = ages[:8]
            row["user.pace"] = log_age((few[-1] - few[0]) / (len(few) - 1))
    return row


def faded(events, time_s, half_life_s):
    """Sum of weights; as of the newest event where the query is older than it."""
    as_of_s = max([time_s, *(t for t, *_ in events)])
    return sum(weight * 0.5 ** ((as_of_s - t) / half_life_s) for t, _, _, weight in events)


def counts(prefix, fading, events, time_s):
    """`events` of one row; `fading` names each half-life, shortest first."""
    events = [(t, u, i, 1) for t, u, i, _ in events]
    now = [faded(events, time_s, half_life_s) for half_life_s in fading.values()]
    row = {f"{prefix}.{name}": log1p(value) for name, value in zip(fading, now, strict=True)}
    row[f"{prefix}.total"] = log1p(len(events))
    if events:
        half_lives = list(fading.values())
        short, long = now[0] / half_lives[0], now[-1] / half_lives[-1]
        row[f"{prefix}.known"] = log_age(time_s - min(t for t, *_ in events))
        row[f"{prefix}.quiet"] = log_age(time_s - max(t for t, *_ in events))
        row[f"{prefix}.trend"] = log((short + 1e-12) / (long + 1e-12))
    return row


def first_visits(events):
    met, first = set(), []
    for event in events:
        if event[1] >= 0 and event[1:3] not in met:
            met.add(event[1:3])
            first.append(event)
    return first


def first_starts(events):
    met, first = {-1}, []
    for event in events:
        if event[1] not in met:
            met.add(event[1])
            first.append(event)
    return first


def visitors(time_s, user, events, n_newest):
    """`events` of one item."""
    newest_first = sorted(enumerate(events), key=lambda one: (-one[1][0], -one[0]))
    ring = [event for _, event in newest_first[:n_newest]]
    row = {"visit.others_since": 0, "visit.mine": 0}
    if not ring:
        return row
    users = [event[1] for event in ring]
    mine = [n for n, other in enumerate(users) if other == user and user >= 0]
    row["visit.others_since"] = log1p(mine[0] if mine else len(ring))
    row["visit.mine"] = len(mine) / len(ring)
    named = {other for other in users if other >= 0}
    row["visit.users"] = (len(named) + users.count(-1)) / len(ring)
    for name, place in (("second", 1), ("fourth", 3), ("oldest", n_newest - 1)):
        if len(ring) > place:
            row[f"visit.{name}"] = log_age(time_s - ring[place][0])
    return row


def all_steps(events, reach, discount):
    """`(time_s, before, after, amount)` of each step, users followed in order of arrival."""
    steps = []
    runs = {}
    for t, user, item, _ in events:
        if user < 0:
            continue
        mine = runs.setdefault(user, [])
        for n, before in enumerate(mine[:reach]):
            if before != item:
                steps.append((t, before, item, discount**n))
        if mine[:1] != [item]:
            mine.insert(0, item)
    return steps


def steps_to(time_s, history, item, steps, half_life_s, n_recent):
    def between(before, after):
        found = [(t, 0, 0, amount) for t, b, a, amount in steps if (b, a) == (before, after)]
        return faded(found, time_s, half_life_s)

    def out_of(before):
        return sum(amount for _, b, _, amount in steps if b == before)

    recent = list(dict.fromkeys(past for _, past in history))[:n_recent]
    strength = [between(past, item) for past in recent]
    shares = [strength[n] / (1 + out_of(past)) for n, past in enumerate(recent)]
    row = dict.fromkeys(("step.from_last", "step.share", "step.to_last", "step.lift"), 0)
    row["step.from_recent"] = log1p(sum(value / (1 + n) for n, value in enumerate(strength)))
    row["step.best_share"] = max([0, *shares])
    if recent:
        row["step.from_last"] = log1p(strength[0])
        row["step.share"] = shares[0]
        row["step.to_last"] = log1p(between(item, recent[0]))
        row["step.lift"] = strength[0] / sqrt((1 + out_of(recent[0])) * (1 + out_of(item)))
    return row


def names(kind, history, item, names_of, n_past):
    """`names_of` is a list of lists, which may be shorter than the items."""

    def of(row):
        return names_of[row] if row < len(names_of) else []

    past = [row for _, row in history][:n_past]
    if not past or not of(item):
        return {}
    worth = [1 / sqrt(1 + n) for n in range(len(past))]
    share = {
        name: sum(worth[n] for n, row in enumerate(past) if name in of(row)) / sum(worth)
        for name in of(item)
    }
    found = {
        f"{kind}.affinity": sum(share.values()) / len(share),
        f"{kind}.best": max(share.values()),
    }
    if past[0] < len(names_of):
        mine, last = set(of(item)), set(of(past[0]))
        found[f"{kind}.overlap"] = len(mine & last) / len(mine | last)
    return found


def age(time_s, published_s):
    if published_s is None or published_s >= time_s:
        return {}
    age_s = time_s - published_s
    return {"item.age": log1p(age_s), "item.fresh": 1 / (1 + age_s / DAY_S)}


def rate(time_s, above, below, half_life_s, prior, strength):
    """`above` and `below` are the events of one item in two streams."""
    n_below = faded([(t, 0, 0, 1) for t, *_ in below], time_s, half_life_s)
    n_above = faded(above, time_s, half_life_s)
    return (n_above + prior * strength) / (n_below + strength)


def pair_stream(name, time_s, user, events):
    """`events` of one item in one stream."""
    mine = [t for t, other, _, _ in events if other == user and user >= 0]
    row = {f"pair.{name}": log1p(len(mine))}
    if mine:
        row[f"pair.{name}_since"] = log_age(time_s - max(mine))
    return row


def evidence(names_of_sources, lists, item):
    """`lists` holds each answering source's `{item: (score, place)}` of one query."""
    row = {"sources.count": 0}
    for name in names_of_sources:
        if item in lists.get(name, {}):
            score, place = lists[name][item]
            row["sources.count"] += 1
            row[f"{name}.score"] = score
            row[f"{name}.gap"] = score - max(best for best, _ in lists[name].values())
            row[f"{name}.place"] = log1p(place)
    return row
