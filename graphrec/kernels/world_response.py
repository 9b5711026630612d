"""How a simulated user answers an item: the one formula that makes the log and scores the truth.

Symbols: `u` user row, `i` item row, `t` UTC seconds. Every probability is a logistic function of a
sum of terms weighted by the habits. Users and items are records, because a kernel that takes fifty
flat columns compiles for a minute.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.hashing import mix_integer

N_INTERESTS: Final = 5
N_FOLLOWED: Final = 3
N_ANSWERS: Final = 7
SHARE_SATISFIED: Final = 13 / 15
SHARE_UNSATISFIED: Final = 13 / 60

USER: Final = np.dtype(
    [
        ("switch_s", "i8", (N_INTERESTS,)),
        ("niche_before", "i4", (N_INTERESTS,)),
        ("niche_after", "i4", (N_INTERESTS,)),
        ("weight_start", "f4", (N_INTERESTS,)),
        ("weight_end", "f4", (N_INTERESTS,)),
        ("followed", "i4", (N_FOLLOWED,)),
        ("activity", "f4"),
        ("festive", "f4"),
        ("language", "i1"),
        ("rates", "?"),
    ],
    align=True,
)
"""A user: interests that drift and switch, publishers followed, mood for contexts, habits."""

ITEM: Final = np.dtype(
    [
        ("published_s", "i8"),
        ("niche", "i4"),
        ("second_niche", "i4"),
        ("topic", "i4"),
        ("publisher", "i4"),
        ("next_item", "i4"),
        ("previous_item", "i4"),
        ("duration_s", "i4"),
        ("quality", "f4"),
        ("appeal", "f4"),
        ("freshness_days", "f4"),
        ("rewatch", "f4"),
        ("language", "i1"),
        ("clickbait", "?"),
        ("bad", "?"),
    ],
    align=True,
)
"""An item; rows are by time of publication."""

WINDOW: Final = np.dtype(
    [("start_s", "i8"), ("end_s", "i8"), ("topic", "i4"), ("context", "i4"), ("boost", "f8")],
    align=True,
)
"""A time at which a context holds and lifts a topic."""

HABITS: Final = np.dtype(
    [("period_start_s", "i8"), ("period_end_s", "i8")]
    + [
        (name, "f8")
        for name in (
            "kinship click_base click_interest click_appeal click_fresh click_language "
            "click_followed click_next click_out_of_order click_seen position_bias satisfied_base "
            "satisfied_interest satisfied_quality satisfied_language like_satisfied rate_watch "
            "report_bad report_clickbait report_other continue_base continue_satisfied autoplay "
            "search search_after_empty rewatch follow goodwill_up goodwill_down goodwill_bait "
            "goodwill_keep return_goodwill leave leave_goodwill max_sessions"
        ).split()
    ]
)
"""Weights of the model, as `BehaviourSettings` explains them, and the period of the drift."""

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_DRAW: Final = np.uint64(0xD1342543DE82EF95)
_S11: Final = np.uint64(11)


class Response(NamedTuple):
    """The whole response model: records of users, items, windows, and one of habits."""

    users: NDArray[np.void]
    items: NDArray[np.void]
    niche_topic: NDArray[np.int32]
    windows: NDArray[np.void]
    habits: NDArray[np.void]


class Moments(NamedTuple):
    """Pairs to score: who meets what, when, in which state; one entry a pair."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time_s: NDArray[np.int64]
    seen: NDArray[np.bool_]
    is_next: NDArray[np.bool_]
    day_rate: NDArray[np.float64]
    goodwill: NDArray[np.float64]


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def roll(dice: NDArray[np.uint64]) -> float:
    """The next uniform number in [0, 1) of `dice`: a key and how often it was rolled."""
    dice[1] += np.uint64(1)
    return float(mix_integer(dice[0] + dice[1] * GOLDEN) >> _S11) * 2.0**-53


@njit(cache=True, nogil=True)
def fill_uniform(
    key: np.uint64, entity: NDArray[np.int64], draw: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Write hash(key, entity, draw) as a number in (0, 1) for each entity."""
    for n in range(len(entity)):
        x = mix_integer(key + np.uint64(entity[n]) * GOLDEN)
        x = mix_integer(x + np.uint64(draw[n]) * _DRAW)
        out[n] = (float(x >> _S11) + 0.5) * 2.0**-53


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def logistic(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x))


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def interest_weight(response: Response, u: int, slot: int, t: int) -> float:
    """Weight of one interest: it drifts in a straight line over the period."""
    user, habits = response.users[u], response.habits[0]
    whole = habits.period_end_s - habits.period_start_s
    part = min(max((t - habits.period_start_s) / whole, 0.0), 1.0)
    # Numba's float() keeps float32; the truth is told in float64.
    start = np.float64(user.weight_start[slot])
    return start + (np.float64(user.weight_end[slot]) - start) * part


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def interest_niche(response: Response, u: int, slot: int, t: int) -> np.int64:
    """Niche of one interest: another one after its switch."""
    user = response.users[u]
    if t < user.switch_s[slot]:
        return np.int64(user.niche_before[slot])
    return np.int64(user.niche_after[slot])


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def affinity(response: Response, u: int, i: int, t: int) -> float:
    """How near the item lies to the user's nearest interest, in [0, 1]."""
    item = response.items[i]
    best = 0.0
    for slot in range(N_INTERESTS):
        weight = interest_weight(response, u, slot, t)
        if weight <= best:
            continue
        wanted = interest_niche(response, u, slot, t)
        if wanted == item.niche:
            best = weight
        elif wanted == item.second_niche:
            best = max(best, 0.6 * weight)
        elif response.niche_topic[wanted] == item.topic:
            best = max(best, response.habits[0].kinship * weight)
    return best


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def festive_boost(windows: NDArray[np.void], topic: int, t: int) -> float:
    """Largest boost of the contexts that hold at `t` and belong to `topic`."""
    best = 0.0
    for w in range(len(windows)):
        window = windows[w]
        if window.topic == topic and window.start_s <= t < window.end_s:
            best = max(best, window.boost)
    return best


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def click_logit(response: Response, u: int, i: int, t: int, seen: bool, is_next: bool) -> float:
    """Log-odds that the user, looking at the item, watches it."""
    user, item, habits = response.users[u], response.items[i], response.habits[0]
    age_days = max(t - item.published_s, 0) / 86400.0
    z = habits.click_base + habits.click_interest * affinity(response, u, i, t)
    z += habits.click_appeal * item.appeal
    z += habits.click_fresh * math.exp(-age_days / item.freshness_days)
    z += festive_boost(response.windows, item.topic, t) * user.festive
    if item.language != user.language:
        z += habits.click_language
    for f in range(N_FOLLOWED):
        if user.followed[f] == item.publisher:
            z += habits.click_followed
            break
    if item.previous_item >= 0:
        z += habits.click_next if is_next else habits.click_out_of_order
    if seen:
        z += habits.click_seen * (1.0 - item.rewatch)
    return z


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def satisfied_chance(response: Response, u: int, i: int, t: int) -> float:
    """Probability that the user is content with the item after watching it."""
    item, habits = response.items[i], response.habits[0]
    z = habits.satisfied_base + habits.satisfied_interest * affinity(response, u, i, t)
    z += habits.satisfied_quality * item.quality
    if item.language != response.users[u].language:
        z += habits.satisfied_language
    return logistic(z)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def report_chance(response: Response, i: int, satisfied: bool) -> float:
    """Probability that a watch of the item is reported."""
    item, habits = response.items[i], response.habits[0]
    chance = habits.report_other
    if item.bad:
        chance = habits.report_bad
    elif item.clickbait:
        chance = habits.report_clickbait
    return 0.2 * chance if satisfied else chance


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def goodwill_after(response: Response, i: int, goodwill: float, satisfied: bool) -> float:
    """Goodwill towards the platform after a watch, in [-2, 1]."""
    item, habits = response.items[i], response.habits[0]
    if satisfied:
        return min(goodwill + habits.goodwill_up, 1.0)
    lost = habits.goodwill_bait if item.clickbait or item.bad else habits.goodwill_down
    return max(goodwill - lost, -2.0)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def leave_chance(response: Response, goodwill: float) -> float:
    """Probability that a session is the user's last."""
    habits = response.habits[0]
    return min(habits.leave * math.exp(-habits.leave_goodwill * goodwill), 0.5)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def return_chance(response: Response, rate: float, goodwill: float) -> float:
    """Probability of staying and of at least one session within the next 24 hours."""
    habits = response.habits[0]
    sessions = min(rate * math.exp(habits.return_goodwill * goodwill), habits.max_sessions)
    return (1.0 - leave_chance(response, goodwill)) * (1.0 - math.exp(-sessions))


@njit(cache=True, nogil=True)
def expect_answers(response: Response, moments: Moments, out: NDArray[np.float64]) -> None:
    """Write click, satisfaction, watched share, watched seconds, like, report, return chance.

    The last six hold once the item is watched; `out` is `[pairs, N_ANSWERS]`.
    """
    for n in range(len(moments.user)):
        u, i, t = np.int64(moments.user[n]), np.int64(moments.item[n]), moments.time_s[n]
        z = click_logit(response, u, i, t, moments.seen[n], moments.is_next[n])
        good = satisfied_chance(response, u, i, t)
        poor = 1.0 - good
        share = good * SHARE_SATISFIED + poor * SHARE_UNSATISFIED
        rate = response.users[u].activity * moments.day_rate[n]
        pleased = goodwill_after(response, i, moments.goodwill[n], True)
        let_down = goodwill_after(response, i, moments.goodwill[n], False)
        out[n, 0] = logistic(z)
        out[n, 1] = good
        out[n, 2] = share
        out[n, 3] = share * response.items[i].duration_s
        out[n, 4] = good * response.habits[0].like_satisfied
        out[n, 5] = good * report_chance(response, i, True)
        out[n, 5] += poor * report_chance(response, i, False)
        out[n, 6] = good * return_chance(response, rate, pleased)
        out[n, 6] += poor * return_chance(response, rate, let_down)
