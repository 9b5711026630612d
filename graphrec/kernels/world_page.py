"""What the simulated platform shows: a page drawn from a mixture of sources, with its chances."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphrec.kernels.world_response import roll
from graphrec.kernels.world_scene import N_NEAR, Desk, Scene


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pick_by_weight(cumulative: NDArray[np.float64], lo: int, hi: int, x: float) -> int:
    """The place in `[lo, hi)` where the running sum passes share `x` of its rise."""
    goal = cumulative[lo] + x * (cumulative[hi] - cumulative[lo])
    while lo + 1 < hi:
        middle = (lo + hi) // 2
        if cumulative[middle] <= goal:
            lo = middle
        else:
            hi = middle
    # Rounding can put the goal on the end of the range, behind items of no weight.
    while lo > 0 and cumulative[lo + 1] <= cumulative[lo]:
        lo -= 1
    return lo


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def look_around(scene: Scene, desk: Desk, u: int) -> None:
    """Note the niches of the user's last items and the episodes that follow them."""
    links, stock = scene.links, scene.stock
    n_near = 0
    n_upcoming = 0
    for n in range(N_NEAR):
        i = np.int64(scene.standing.recent[u, n])
        if i < 0:
            break
        item = scene.response.items[i]
        niche = np.int64(item.niche)
        lo, hi = links.niche_ptr[niche], links.niche_ptr[niche + 1]
        if stock.cumulative[hi] > stock.cumulative[lo]:
            desk.near[n_near] = niche
            n_near += 1
        if 0 <= item.next_item and item.next_item < stock.n_published:
            desk.upcoming[n_upcoming] = item.next_item
            n_upcoming += 1
    desk.sizes[0] = n_near
    desk.sizes[1] = n_upcoming


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def propose(scene: Scene, desk: Desk) -> np.int64:
    """Draw one item from the platform's mixture of sources."""
    policy, stock, links = scene.policy[0], scene.stock, scene.links
    n_near, n_upcoming = desk.sizes[0], desk.sizes[1]
    x = roll(desk.dice)
    y = roll(desk.dice)
    if x < policy.explore:
        return np.int64(y * stock.n_published)
    x -= policy.explore
    if x < policy.fresh:
        if stock.fresh_from < stock.n_published:
            return np.int64(stock.fresh_from + y * (stock.n_published - stock.fresh_from))
        return np.int64(y * stock.n_published)
    x -= policy.fresh
    lo, hi = np.int64(0), np.int64(len(stock.score))
    if x < policy.next:
        if n_upcoming > 0:
            return np.int64(desk.upcoming[math.floor(y * n_upcoming)])
    elif x < policy.next + policy.near and n_near > 0:
        niche = desk.near[math.floor(roll(desk.dice) * n_near)]
        lo, hi = links.niche_ptr[niche], links.niche_ptr[niche + 1]
    return np.int64(links.niche_item[pick_by_weight(stock.cumulative, lo, hi, y)])


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def propose_chance(scene: Scene, desk: Desk, i: int) -> float:
    """Probability that `propose` draws the item."""
    policy, stock, links = scene.policy[0], scene.stock, scene.links
    n_near, n_upcoming = desk.sizes[0], desk.sizes[1]
    chance = policy.explore / stock.n_published
    if stock.fresh_from == stock.n_published:
        chance += policy.fresh / stock.n_published
    elif i >= stock.fresh_from:
        chance += policy.fresh / (stock.n_published - stock.fresh_from)
    popular = policy.popular
    if n_upcoming > 0:
        for n in range(n_upcoming):
            if desk.upcoming[n] == i:
                chance += policy.next / n_upcoming
    else:
        popular += policy.next
    if n_near > 0:
        niche = np.int64(scene.response.items[i].niche)
        lo, hi = links.niche_ptr[niche], links.niche_ptr[niche + 1]
        for n in range(n_near):
            if desk.near[n] == niche:
                rise = stock.cumulative[hi] - stock.cumulative[lo]
                chance += policy.near / n_near * stock.score[i] / rise
    else:
        popular += policy.near
    return chance + popular * stock.score[i] / stock.cumulative[-1]


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def fill_page(scene: Scene, desk: Desk, page: int) -> int:
    """Draw a page without repeats; each place's chance is that given the places above it."""
    shown, chance = desk.records.shown, desk.records.chance
    taken = 0.0
    for place in range(shown.shape[1]):
        found = np.int64(-1)
        for _ in range(64):
            i = propose(scene, desk)
            is_new = True
            for above in range(place):
                if shown[page, above] == i:
                    is_new = False
                    break
            if is_new:
                found = i
                break
        if found < 0:
            return place
        mass = propose_chance(scene, desk, found)
        shown[page, place] = found
        chance[page, place] = mass / max(1.0 - taken, mass)
        taken += mass
    return shown.shape[1]
