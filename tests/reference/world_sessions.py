"""Slow twin of the simulated world's sessions: the same story with lists, sets and dicts."""

import math
from dataclasses import dataclass, field

from tests.reference.world import click_slowly, logistic, mix_slowly, recent_slowly, roll_slowly
from tests.reference.world import satisfaction_slowly as satisfaction

MASK = 2**64 - 1


@dataclass
class SlowUser:
    row: int
    watched: list = field(default_factory=list)
    goodwill: float = 0.0
    left: bool = False
    busy_until_s: int = 0


class SlowDay:
    """One day of one user.

    `shelves` holds the item lists `by_niche`, `by_keyword`, `by_publisher` and the keyword lists
    `words`, each by owner; `score` is the popularity of each item out, by row.
    """

    def __init__(self, truth, policy, n_places, shelves, score, fresh_from, key):
        self.truth, self.policy, self.n_places = truth, policy, n_places
        self.shelves, self.score, self.fresh_from, self.key = shelves, score, fresh_from, key
        self.h = {name: float(truth.habits[name][0]) for name in truth.habits.dtype.names}
        self.rolls = 0
        self.acts, self.pages = [], []

    def roll(self):
        self.rolls += 1
        return roll_slowly(self.key, self.rolls)

    def below(self, n):
        return math.floor(self.roll() * n)

    def item(self, i, name):
        return self.truth.items[name][i].item()

    def recent(self, user):
        return recent_slowly(user.watched)

    def logit(self, user, i, t):
        known = self.recent(user)
        before = self.item(i, "previous_item")
        p = click_slowly(
            self.truth, user.row, i, t, seen=i in known, is_next=before >= 0 and before in known
        )
        return math.log(p / (1 - p))

    def watch(self, user, i, t, place):
        h = self.h
        good = satisfaction(self.truth, user.row, i, t)
        pleased = self.roll() < good
        x = self.roll()
        share = 0.6 + 0.4 * math.sqrt(x) if pleased else 0.05 + 0.5 * x * x
        watched_s = max(1, math.floor(share * self.item(i, "duration_s") + 0.5))
        liked = pleased and self.roll() < h["like_satisfied"]
        bad, bait = self.item(i, "bad"), self.item(i, "clickbait")
        chance = h["report_bad" if bad else "report_clickbait" if bait else "report_other"]
        reported = self.roll() < (0.2 * chance if pleased else chance)
        rating = 0
        if self.truth.users["rates"][user.row] and self.roll() < h["rate_watch"]:
            noise = self.roll() + self.roll() + self.roll() - 1.5
            liking = 1.4 + 2.2 * good + (1.2 if pleased else 0.0) + 1.2 * noise
            rating = min(max(math.floor(liking + 0.5), 1), 5)
        answer = pleased + 2 * liked + 4 * reported
        self.acts.append(("watch", t, i, place, watched_s, answer, rating))
        if pleased:
            user.goodwill = min(user.goodwill + h["goodwill_up"], 1.0)
        else:
            lost = h["goodwill_bait" if bad or bait else "goodwill_down"]
            user.goodwill = max(user.goodwill - lost, -2.0)
        user.watched.append(i)
        return t + watched_s + 6 + self.below(30), pleased

    def weighted(self, items, x):
        """The item of `items` (in order) at share `x` of their scores."""
        total = sum(self.score.get(i, 0.0) for i in items)
        passed = 0.0
        for i in items:
            passed += self.score.get(i, 0.0)
            if x * total < passed:
                return i
        raise AssertionError("no item has weight")

    def propose(self, near, upcoming):
        n_out = len(self.score)
        x, y = self.roll(), self.roll()
        edge = self.policy["explore"]
        if x < edge:
            return math.floor(y * n_out)
        edge += self.policy["fresh"]
        if x < edge:
            first = self.fresh_from if self.fresh_from < n_out else 0
            return math.floor(first + y * (n_out - first))
        edge += self.policy["next"]
        if x < edge:
            if upcoming:
                return upcoming[math.floor(y * len(upcoming))]
        elif x < edge + self.policy["near"] and near:
            return self.weighted(self.shelves["by_niche"][near[self.below(len(near))]], y)
        return self.weighted([i for shelf in self.shelves["by_niche"] for i in shelf], y)

    def page(self, user):
        last = self.recent(user)[:5]
        niches = [self.item(i, "niche") for i in last]
        by_niche = self.shelves["by_niche"]
        near = [n for n in niches if any(i in self.score for i in by_niche[n])]
        upcoming = [self.item(i, "next_item") for i in last]
        upcoming = [i for i in upcoming if i in self.score]
        shown = []
        for _ in range(self.n_places):
            for _ in range(64):
                i = self.propose(near, upcoming)
                if i not in shown:
                    shown.append(i)
                    break
            else:
                break
        return shown

    def browse(self, user, t):
        start, clicked, outcome = t, [], -1
        shown = self.page(user)
        for place, i in enumerate(shown, start=1):
            t += 1 + self.below(3)
            looks = place ** -self.h["position_bias"]
            x = self.roll()
            if x < looks * logistic(self.logit(user, i, t)):
                clicked.append(i)
                t, pleased = self.watch(user, i, t, 0)
                outcome = int(pleased)
        self.pages.append((start, t, shown, clicked))
        return t, outcome

    def search(self, user, t):
        niches, weights = self.truth.interests(user.row, t)
        x = self.roll() * sum(weights)
        wanted = int(niches[0])
        for niche, weight in zip(niches.tolist(), weights.tolist(), strict=True):
            x -= weight
            if x < 0:
                wanted = niche
                break
        words = self.shelves["words"][wanted]
        x = self.roll()
        word = words[math.floor(x * x * len(words))]
        self.acts.append(("search", t, word))
        t += 4 + self.below(10)
        out = [i for i in self.shelves["by_keyword"][word] if i in self.score]
        tries = []
        for _ in range(6 if out else 0):
            i = out[self.below(len(out))]
            luck = -math.log(-math.log(self.roll() + 1e-12))
            tries.append((self.logit(user, i, t) + 0.5 * math.log(self.score[i]) + luck, i))
        if not tries:
            return t, -1
        found = max(tries, key=lambda pair: pair[0])[1]
        if self.roll() >= logistic(self.logit(user, found, t) + 1.5):
            return t, -1
        t, pleased = self.watch(user, found, t, 1)
        return t, int(pleased)

    def following(self, user, t):
        last = self.recent(user)[:1]
        i = self.item(last[0], "next_item") if last else -1
        if i < 0 or self.item(i, "published_s") > t or i in self.recent(user):
            return None
        return i if self.roll() < self.h["autoplay"] else None

    def known(self, user):
        recent = self.recent(user)
        for _ in range(4 if recent else 0):
            i = recent[self.below(len(recent))]
            if self.roll() < self.item(i, "rewatch"):
                return i
        return None

    def followed(self, user, t):
        publisher = self.truth.users["followed"][user.row][self.below(3)]
        if publisher < 0:
            return None
        for i in reversed(self.shelves["by_publisher"][publisher]):
            age_s = t - self.item(i, "published_s")
            if age_s > 30 * 86_400:
                return None
            if age_s >= 0 and i not in self.recent(user):
                return i
        return None

    def step(self, user, t, outcome):
        """Do the next thing; return the time, and 1 pleased, 0 not, -1 nothing watched."""
        place, i = None, None
        if outcome == 1:
            place, i = 2, self.following(user, t)
        if i is None:
            x = self.roll()
            wants = self.h["search_after_empty" if outcome < 0 else "search"]
            if x < wants:
                return self.search(user, t)
            if x - wants < self.h["rewatch"]:
                place, i = 3, self.known(user)
            elif x - wants < self.h["rewatch"] + self.h["follow"]:
                place, i = 4, self.followed(user, t)
                if i is not None and self.roll() >= logistic(self.logit(user, i, t) + 1.0):
                    i = None
        if i is not None:
            t, pleased = self.watch(user, i, t, place)
            return t, int(pleased)
        return self.browse(user, t) if self.score else (t, -1)

    def live(self, user, starts):
        for start in starts:
            if user.left:
                break
            t, outcome, first = max(start, user.busy_until_s), 1, len(self.acts)
            for _ in range(14):
                if 54 - (len(self.acts) - first) < self.n_places + 2:
                    break
                t, outcome = self.step(user, t, outcome)
                z = self.h["continue_base"]
                if self.roll() >= logistic(z + (self.h["continue_satisfied"] * (outcome == 1))):
                    break
            leaves = self.h["leave"] * math.exp(-self.h["leave_goodwill"] * user.goodwill)
            user.left = self.roll() < min(leaves, 0.5)
            user.busy_until_s = t + 600


def user_key_slowly(key, row):
    return mix_slowly((key + row * 0x9E3779B97F4A7C15) & MASK)
