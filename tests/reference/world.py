"""Slow twins of the simulated world's kernels, in plain Python."""

import math

import numpy as np

from graphrec.events.world import GroundTruth

MASK = 2**64 - 1


def mix_slowly(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform_slowly(key, entity, draw):
    x = mix_slowly((key + entity * 0x9E3779B97F4A7C15) & MASK)
    x = mix_slowly((x + draw * 0xD1342543DE82EF95) & MASK)
    return ((x >> 11) + 0.5) / 2**53


def roll_slowly(key, count):
    """The `count`-th roll, from 1, of dice with `key`."""
    return (mix_slowly((key + count * 0x9E3779B97F4A7C15) & MASK) >> 11) / 2**53


def logistic(x):
    return 1 / (1 + math.exp(-x))


def affinity_slowly(truth: GroundTruth, u, i, t):
    item = truth.items[i]
    near = [0.0]
    for niche, weight in zip(*truth.interests(u, t), strict=True):
        if niche == item["niche"]:
            near.append(weight)
        elif niche == item["second_niche"]:
            near.append(0.6 * weight)
        elif truth.niche_topic[niche] == item["topic"]:
            near.append(float(truth.habits[0]["kinship"]) * weight)
    return max(near)


def click_slowly(truth: GroundTruth, u, i, t, *, seen=False, is_next=False):
    user, item, h = truth.users[u], truth.items[i], truth.habits[0]
    boosts = [
        w["boost"]
        for w in truth.windows
        if w["topic"] == item["topic"] and w["start_s"] <= t < w["end_s"]
    ]
    age_days = max(t - int(item["published_s"]), 0) / 86_400
    terms = {
        "base": h["click_base"],
        "interest": h["click_interest"] * affinity_slowly(truth, u, i, t),
        "appeal": h["click_appeal"] * item["appeal"],
        "fresh": h["click_fresh"] * math.exp(-age_days / float(item["freshness_days"])),
        "festive": max(boosts, default=0.0) * user["festive"],
        "language": h["click_language"] if item["language"] != user["language"] else 0,
        "followed": h["click_followed"] if item["publisher"] in user["followed"] else 0,
        "seen": h["click_seen"] * (1 - float(item["rewatch"])) if seen else 0,
    }
    if item["previous_item"] >= 0:
        terms["order"] = h["click_next"] if is_next else h["click_out_of_order"]
    return logistic(sum(float(term) for term in terms.values()))


def satisfaction_slowly(truth: GroundTruth, u, i, t):
    item, h = truth.items[i], truth.habits[0]
    z = h["satisfied_base"] + h["satisfied_interest"] * affinity_slowly(truth, u, i, t)
    z += h["satisfied_quality"] * item["quality"]
    if item["language"] != truth.users[u]["language"]:
        z += h["satisfied_language"]
    return logistic(float(z))


def answers_slowly(truth: GroundTruth, u, i, t, *, goodwill=0.0):
    """Satisfaction, watched share, watched seconds, like, report and return, once watched."""
    item, h = truth.items[i], truth.habits[0]
    good = satisfaction_slowly(truth, u, i, t)
    # Means of .6 + .4 sqrt(x) and of .05 + .5 x^2 for x uniform.
    share = good * (0.6 + 0.4 * 2 / 3) + (1 - good) * (0.05 + 0.5 / 3)
    kind = "report_bad" if item["bad"] else "report_clickbait" if item["clickbait"] else None
    report = float(h[kind or "report_other"]) * (0.2 * good + 1 - good)
    loss = h["goodwill_bait"] if item["bad"] or item["clickbait"] else h["goodwill_down"]
    returns = 0.0
    after = {
        min(goodwill + h["goodwill_up"], 1.0): good,
        max(goodwill - loss, -2.0): 1 - good,
    }
    day = min(max((t - int(h["period_start_s"])) // 86_400, 0), len(truth.day_rate) - 1)
    for mood, chance in after.items():
        wanted = truth.users[u]["activity"] * truth.day_rate[day]
        sessions = min(wanted * math.exp(h["return_goodwill"] * mood), h["max_sessions"])
        leaves = min(h["leave"] * math.exp(-h["leave_goodwill"] * mood), 0.5)
        returns += chance * (1 - leaves) * (1 - math.exp(-sessions))
    like = good * float(h["like_satisfied"])
    return good, share, share * float(item["duration_s"]), like, report, returns


def proposal_slowly(policy, n_items, *, niche, score, published, fresh, recent, next_item):
    """Chance of each item at the top of a page, from the mixture's own words.

    `policy` maps a source to its share; `published` and `fresh` are sets of items; `recent` are the
    user's last items, newest first; `niche`, `score` and `next_item` are by item.
    """
    chance = np.zeros(n_items)
    share = dict(policy)
    near = [niche[i] for i in recent[:5] if any(niche[j] == niche[i] for j in published)]
    upcoming = [next_item[i] for i in recent[:5] if next_item[i] in published]
    for source, there in (("near", near), ("next", upcoming)):
        if not there:
            share["popular"] += share.pop(source)
    if not fresh:
        share["explore"] += share.pop("fresh")
    total = sum(score[i] for i in published)
    for i in published:
        chance[i] += share["explore"] / len(published) + share["popular"] * score[i] / total
    for i in fresh if "fresh" in share else ():
        chance[i] += share["fresh"] / len(fresh)
    for i in upcoming:
        chance[i] += share["next"] / len(upcoming)
    for wanted in near:
        mine = [i for i in published if niche[i] == wanted]
        for i in mine:
            chance[i] += share["near"] / len(near) * score[i] / sum(score[j] for j in mine)
    return chance


def recent_slowly(watched, n_recent=64):
    """The last distinct items of a list of watches in order, newest first."""
    return list(dict.fromkeys(reversed(watched)))[:n_recent]
