"""Sessions that stop at pages against their slow twin, with pages that a rule decides."""

import itertools

import numpy as np
import pytest

from graphrec.arrays import DAY_S
from graphrec.events.world import WorldSettings
from graphrec.events.world.closed_loop import open_world
from graphrec.events.world.loop_day import LoopDay, memory_of
from graphrec.events.world.policy import Pages
from graphrec.kernels.world_scene import WATCH
from tests.reference.world_sessions import SlowDay, SlowUser, user_key_slowly

ACT_FIELDS = ("time_s", "target", "place", "watched_s", "answer", "rating")
FIRST, DAYS = 12, 3


def page_by_rule(user_row, time_s, n_places, n_out):
    """Different items by a rule that anyone can follow; every seventh page comes out short."""
    length = n_places if time_s % 7 else n_places // 2
    start = user_row * 7919 + time_s * 31
    return [(start + 13 * place) % n_out for place in range(length)]


class RuledDay(SlowDay):
    """A day on which a rule fills the pages."""

    def browse(self, user, t):
        self.now = t
        return super().browse(user, t)

    def page(self, user):
        return page_by_rule(user.row, self.now, self.n_places, len(self.score))


def owned(ptr, rows):
    return [rows[a:b].tolist() for a, b in itertools.pairwise(ptr)]


def slow_day(opening, scene, key, row):
    links, stock = scene.links, scene.stock
    shelves = {
        "by_niche": owned(links.niche_ptr, links.niche_item),
        "words": owned(links.niche_keyword_ptr, links.niche_keyword),
        "by_keyword": owned(links.keyword_ptr, links.keyword_item),
        "by_publisher": owned(links.publisher_ptr, links.publisher_item),
    }
    score = {i: float(stock.score[i]) for i in range(stock.n_published)}
    places = opening.warm_up.platform.parts.settings.policy.slate_size
    user_key = user_key_slowly(int(key), row)
    return RuledDay(opening.truth, {}, places, shelves, score, stock.fresh_from, user_key)


def live_by_rule(today, n_places, n_out, borders):
    for until_s in borders:
        asking = today.wanting(until_s)
        while len(asking):
            requests = today.requests(asking, np.ones(n_out, np.bool_), 0, 0)
            item = np.full((len(asking), n_places), -1, np.int32)
            asked = zip(
                requests.queries.user_row.tolist(), requests.queries.time_s.tolist(), strict=True
            )
            for n, (user, time_s) in enumerate(asked):
                rows = page_by_rule(user, time_s, n_places, n_out)
                item[n, : len(rows)] = rows
            today.hand(asking, Pages.certain(item))
            asking = today.wanting(until_s)


@pytest.mark.parametrize("n_spans", [1, 5, 96])
def test_a_day_that_stops_at_pages_is_lived_as_the_slow_twin_lives_it(n_spans):
    opening = open_world(WorldSettings(n_events=3_000, days=30, seed=21), FIRST)
    platform = opening.warm_up.platform.copy()
    settings = platform.parts.settings
    n_places = settings.policy.slate_size
    memory = memory_of(opening.warm_up.trace, platform.parts.sizes.users)
    lived = 0
    for day in range(FIRST, FIRST + DAYS):
        scene, key = platform.scene(day), platform.key_of(day)
        before = [np.copy(column) for column in scene.standing]
        rosters = platform.arrivals.rosters(day, float(opening.day_rate[day]))
        today = LoopDay(scene, key, rosters, memory, n_places)
        midnight_s = settings.start_s + day * DAY_S
        borders = [midnight_s + DAY_S * n // n_spans for n in range(1, n_spans)] + [2**62]
        live_by_rule(today, n_places, scene.stock.n_published, borders)
        trace = today.trace()
        for roster in rosters:
            for n, row in enumerate(roster.user.tolist()):
                recent, goodwill, left, busy = (column[row] for column in before)
                watched = recent[recent >= 0][::-1].tolist()
                user = SlowUser(row, watched, float(goodwill), bool(left), int(busy))
                slow = slow_day(opening, scene, key, row)
                a, b = roster.session_ptr[n : n + 2].tolist()
                slow.live(user, roster.session_start_s[a:b].tolist())
                assert_lived(trace, row, slow)
                standing = scene.standing
                assert standing.goodwill[row] == pytest.approx(user.goodwill)
                assert standing.left[row] == user.left
                assert standing.busy_until_s[row] == user.busy_until_s
                lived += len(slow.pages)
        platform.close_day(trace.acts["target"][trace.acts["kind"] == WATCH])
    assert lived > 60


def assert_lived(trace, row, slow):
    acts = trace.acts[trace.actor == row]
    found = [
        ("watch", *(int(act[name]) for name in ACT_FIELDS))
        if act["kind"] == WATCH
        else ("search", int(act["time_s"]), int(act["target"]))
        for act in acts
    ]
    assert found == slow.acts
    mine = np.flatnonzero(trace.viewer == row)
    assert len(mine) == len(slow.pages)
    for page, (start, end, shown, clicked) in zip(mine.tolist(), slow.pages, strict=True):
        header = trace.pages[page]
        assert (header["time_s"], header["end_s"]) == (start, end)
        rows = trace.shown[page, : header["n_shown"]].tolist()
        assert rows == shown
        assert [i for p, i in enumerate(rows) if header["clicked"] >> p & 1] == clicked
