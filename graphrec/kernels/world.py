"""Sessions of simulated users: what a platform showed them and what they did.

One call lives one day of some users. A user's draws are a hash of (seed, user, day, counter), and
users meet only through the counts that are handed in frozen each midnight, so how users are spread
over threads cannot change anything.
"""

import math

import numpy as np
from numba import njit

from graphrec.kernels.hashing import mix_integer
from graphrec.kernels.world_page import fill_page, look_around
from graphrec.kernels.world_response import (
    GOLDEN,
    N_FOLLOWED,
    N_INTERESTS,
    click_logit,
    goodwill_after,
    interest_niche,
    interest_weight,
    leave_chance,
    logistic,
    report_chance,
    roll,
    satisfied_chance,
)
from graphrec.kernels.world_scene import (
    FROM_AUTOPLAY,
    FROM_FOLLOW,
    FROM_PAGE,
    FROM_REWATCH,
    FROM_SEARCH,
    LIKED,
    MAX_STEPS,
    N_NEAR,
    REPORTED,
    ROWS_PER_SESSION,
    SATISFIED,
    SEARCH,
    WATCH,
    Desk,
    Records,
    Roster,
    Scene,
    has_seen,
    remember,
)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def wish(scene: Scene, u: int, i: int, t: int) -> float:
    """Log-odds that the user wants the item now, as their history stands."""
    previous = np.int64(scene.response.items[i].previous_item)
    is_next = previous >= 0 and has_seen(scene.standing.recent, u, previous)
    return click_logit(scene.response, u, i, t, has_seen(scene.standing.recent, u, i), is_next)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def watch(scene: Scene, desk: Desk, u: int, i: int, t: int, place: int) -> tuple[int, bool]:
    """Watch an item and change the user; return when it ends and whether it pleased."""
    response, dice = scene.response, desk.dice
    habits = response.habits[0]
    good = satisfied_chance(response, u, i, t)
    satisfied = roll(dice) < good
    x = roll(dice)
    share = 0.6 + 0.4 * math.sqrt(x) if satisfied else 0.05 + 0.5 * x * x
    watched_s = max(1, math.floor(share * response.items[i].duration_s + 0.5))
    answer = SATISFIED if satisfied else 0
    if satisfied and roll(dice) < habits.like_satisfied:
        answer |= LIKED
    if roll(dice) < report_chance(response, i, satisfied):
        answer |= REPORTED
    rating = 0
    if response.users[u].rates and roll(dice) < habits.rate_watch:
        noise = roll(dice) + roll(dice) + roll(dice) - 1.5
        liking = 1.4 + 2.2 * good + (1.2 if satisfied else 0.0) + 1.2 * noise
        rating = min(max(math.floor(liking + 0.5), 1), 5)
    act = desk.records.acts[desk.cursor[0]]
    desk.cursor[0] += 1
    act.time_s = t
    act.target = i
    act.watched_s = watched_s
    act.kind = WATCH
    act.place = place
    act.answer = answer
    act.rating = rating
    goodwill = scene.standing.goodwill[u]
    scene.standing.goodwill[u] = goodwill_after(response, i, goodwill, satisfied)
    remember(scene.standing.recent, u, i)
    return t + watched_s + 6 + math.floor(roll(dice) * 30.0), satisfied


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def look_through(scene: Scene, desk: Desk, u: int, t: int) -> tuple[int, int]:
    """Look through the page at the cursor; return the time and 1 pleased, 0 not, -1 no watch."""
    number = desk.cursor[1]
    page = desk.records.pages[number]
    desk.cursor[1] += 1
    page.time_s = t
    clicked = 0
    outcome = -1
    for place in range(page.n_shown):
        i = np.int64(desk.records.shown[number, place])
        t += 1 + math.floor(roll(desk.dice) * 3.0)
        examined = (place + 1.0) ** -scene.response.habits[0].position_bias
        x = roll(desk.dice)
        # Most places fail the cheap half of the test, which spares the dear one.
        if x >= examined or x >= examined * logistic(wish(scene, u, i, t)):
            continue
        clicked |= 1 << place
        t, satisfied = watch(scene, desk, u, i, t, FROM_PAGE)
        outcome = 1 if satisfied else 0
    page.clicked = clicked
    page.end_s = t
    return t, outcome


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pick_interest(scene: Scene, desk: Desk, u: int, t: int) -> np.int64:
    """Draw the niche of one of the user's interests by weight."""
    total = 0.0
    for slot in range(N_INTERESTS):
        total += interest_weight(scene.response, u, slot, t)
    x = roll(desk.dice) * total
    for slot in range(N_INTERESTS):
        x -= interest_weight(scene.response, u, slot, t)
        if x < 0.0:
            return interest_niche(scene.response, u, slot, t)
    return interest_niche(scene.response, u, 0, t)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def find_by_keyword(scene: Scene, desk: Desk, keyword: int, u: int, t: int) -> np.int64:
    """The best of six published items with the keyword to the user's taste; -1 if none."""
    lo, hi = scene.links.keyword_ptr[keyword], scene.links.keyword_ptr[keyword + 1]
    items = scene.links.keyword_item[lo:hi]
    n_published = np.searchsorted(items, scene.stock.n_published)
    best = np.int64(-1)
    best_wish = 0.0
    for _ in range(6 if n_published > 0 else 0):
        i = np.int64(items[math.floor(roll(desk.dice) * n_published)])
        x = wish(scene, u, i, t) + 0.5 * math.log(scene.stock.score[i])
        x -= math.log(-math.log(roll(desk.dice) + 1e-12))
        if best < 0 or x > best_wish:
            best, best_wish = i, x
    return best


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def search(scene: Scene, desk: Desk, u: int, t: int) -> tuple[int, int]:
    """Search for a keyword of an interest and watch what fits; returns as `browse`."""
    niche = pick_interest(scene, desk, u, t)
    lo, hi = scene.links.niche_keyword_ptr[niche], scene.links.niche_keyword_ptr[niche + 1]
    x = roll(desk.dice)
    keyword = scene.links.niche_keyword[lo + math.floor(x * x * (hi - lo))]
    act = desk.records.acts[desk.cursor[0]]
    desk.cursor[0] += 1
    act.time_s = t
    act.kind = SEARCH
    act.target = keyword
    t += 4 + math.floor(roll(desk.dice) * 10.0)
    found = find_by_keyword(scene, desk, keyword, u, t)
    if found < 0 or roll(desk.dice) >= logistic(wish(scene, u, found, t) + 1.5):
        return t, -1
    t, satisfied = watch(scene, desk, u, found, t, FROM_SEARCH)
    return t, 1 if satisfied else 0


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pick_rewatch(scene: Scene, desk: Desk, u: int) -> np.int64:
    """One of the user's last items of a kind that is watched again; -1 if none came up."""
    recent = scene.standing.recent[u]
    n_recent = 0
    while n_recent < len(recent) and recent[n_recent] >= 0:
        n_recent += 1
    for _ in range(4 if n_recent > 0 else 0):
        i = np.int64(recent[math.floor(roll(desk.dice) * n_recent)])
        if roll(desk.dice) < scene.response.items[i].rewatch:
            return i
    return np.int64(-1)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pick_followed(scene: Scene, desk: Desk, u: int, t: int) -> np.int64:
    """The newest unseen item of a followed publisher, at most 30 days old; -1 if none."""
    which = math.floor(roll(desk.dice) * N_FOLLOWED)
    publisher = np.int64(scene.response.users[u].followed[which])
    if publisher < 0:
        return np.int64(-1)
    lo, hi = scene.links.publisher_ptr[publisher], scene.links.publisher_ptr[publisher + 1]
    for n in range(hi - 1, lo - 1, -1):
        i = np.int64(scene.links.publisher_item[n])
        age_s = t - scene.response.items[i].published_s
        if age_s > 30 * 86400:
            break
        if age_s >= 0 and not has_seen(scene.standing.recent, u, i):
            return i
    return np.int64(-1)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pick_following(scene: Scene, desk: Desk, u: int, t: int) -> np.int64:
    """The episode after the user's last item, if it is out and they go on; -1 otherwise."""
    last = np.int64(scene.standing.recent[u, 0])
    if last < 0:
        return np.int64(-1)
    i = np.int64(scene.response.items[last].next_item)
    if i < 0 or scene.response.items[i].published_s > t:
        return np.int64(-1)
    if has_seen(scene.standing.recent, u, i):
        return np.int64(-1)
    return i if roll(desk.dice) < scene.response.habits[0].autoplay else np.int64(-1)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def choose(scene: Scene, desk: Desk, u: int, t: int, outcome: int) -> tuple[int, np.int64]:
    """Draw what the user does next: where from, and the item where that is settled already."""
    habits = scene.response.habits[0]
    if outcome == 1:
        i = pick_following(scene, desk, u, t)
        if i >= 0:
            return FROM_AUTOPLAY, i
    x = roll(desk.dice)
    searches = habits.search_after_empty if outcome < 0 else habits.search
    if x < searches:
        return FROM_SEARCH, np.int64(-1)
    x -= searches
    if x < habits.rewatch:
        i = pick_rewatch(scene, desk, u)
        if i >= 0:
            return FROM_REWATCH, i
    elif x < habits.rewatch + habits.follow:
        i = pick_followed(scene, desk, u, t)
        if i >= 0 and roll(desk.dice) < logistic(wish(scene, u, i, t) + 1.0):
            return FROM_FOLLOW, i
    return FROM_PAGE, np.int64(-1)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def do_next(scene: Scene, desk: Desk, u: int, t: int, outcome: int) -> tuple[int, int, bool]:
    """Do what comes next, short of a page; return time, outcome, and whether a page is wanted."""
    place, i = choose(scene, desk, u, t, outcome)
    if i >= 0:
        t, satisfied = watch(scene, desk, u, i, t, place)
        return t, 1 if satisfied else 0, False
    if place == FROM_SEARCH:
        t, outcome = search(scene, desk, u, t)
        return t, outcome, False
    return t, -1, scene.stock.n_published > 0


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def goes_on(scene: Scene, desk: Desk, outcome: int) -> bool:
    """Whether a session goes on after a step that pleased (1) or did not."""
    habits = scene.response.habits[0]
    z = habits.continue_base + (habits.continue_satisfied if outcome == 1 else 0.0)
    return roll(desk.dice) < logistic(z)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def part(scene: Scene, desk: Desk, u: int) -> None:
    """End a session: it may be the user's last."""
    if roll(desk.dice) < leave_chance(scene.response, scene.standing.goodwill[u]):
        scene.standing.left[u] = True


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def live_session(scene: Scene, desk: Desk, u: int, t: int) -> int:
    """Live one session from time `t`; return when it ends."""
    room = desk.cursor[0] + ROWS_PER_SESSION
    # A session starts as if the last watch had pleased: series are taken up again.
    outcome = 1
    for _ in range(MAX_STEPS):
        if room - desk.cursor[0] < desk.records.shown.shape[1] + 2:
            break
        t, outcome, wants_page = do_next(scene, desk, u, t, outcome)
        if wants_page:
            look_around(scene, desk, u)
            number = desk.cursor[1]
            desk.records.pages[number].n_shown = fill_page(scene, desk, number)
            t, outcome = look_through(scene, desk, u, t)
        if not goes_on(scene, desk, outcome):
            break
    part(scene, desk, u)
    return t


@njit(cache=True, nogil=True)
def live_day(scene: Scene, key: int, roster: Roster, records: Records) -> None:
    """Live one day of each user of `roster`.

    User n's acts are written from `session_ptr[n] * ROWS_PER_SESSION` and their pages from
    `session_ptr[n] * MAX_STEPS`.
    """
    desk = Desk(
        np.zeros(2, np.uint64),
        np.zeros(N_NEAR, np.int64),
        np.zeros(N_NEAR, np.int64),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
        records,
    )
    standing = scene.standing
    for n in range(len(roster.user)):
        u = np.int64(roster.user[n])
        first = roster.session_ptr[n]
        desk.dice[0] = mix_integer(np.uint64(key) + np.uint64(u) * GOLDEN)
        desk.dice[1] = np.uint64(0)
        desk.cursor[0] = first * ROWS_PER_SESSION
        desk.cursor[1] = first * MAX_STEPS
        for s in range(first, roster.session_ptr[n + 1]):
            if standing.left[u]:
                break
            start = max(roster.session_start_s[s], standing.busy_until_s[u])
            # Ten minutes apart, so that sessions of one user can be told from each other.
            standing.busy_until_s[u] = live_session(scene, desk, u, start) + 600
        roster.n_rows[n] = desk.cursor[0] - first * ROWS_PER_SESSION
        roster.n_pages[n] = desk.cursor[1] - first * MAX_STEPS
