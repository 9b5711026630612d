"""The session kernel against its slow twin, day after day of a small world."""

import itertools

import numpy as np
import pytest

from graphrec.events.world import World, WorldSettings, behaviour, generate_world
from graphrec.kernels.world import live_day
from graphrec.kernels.world_scene import WATCH
from tests.reference.world_sessions import SlowDay, SlowUser, user_key_slowly


def owned(ptr, rows):
    return [rows[a:b].tolist() for a, b in itertools.pairwise(ptr)]


@pytest.fixture(scope="module")
def calls():
    """A world of 30 days, and each day as the kernel was given it and left it."""
    recorded = []

    def record(scene, key, roster, records):
        before = [np.copy(column) for column in scene.standing]
        live_day(scene, key, roster, records)
        after = [np.copy(column) for column in scene.standing]
        recorded.append((scene, key, roster, records, before, after))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behaviour, "live_day", record)
        world = generate_world(WorldSettings(n_events=3_000, days=30, seed=21), threads=1)
    return world, recorded


def slow_day(world: World, scene, key, row):
    links, stock = scene.links, scene.stock
    shelves = {
        "by_niche": owned(links.niche_ptr, links.niche_item),
        "words": owned(links.niche_keyword_ptr, links.niche_keyword),
        "by_keyword": owned(links.keyword_ptr, links.keyword_item),
        "by_publisher": owned(links.publisher_ptr, links.publisher_item),
    }
    score = {i: float(stock.score[i]) for i in range(stock.n_published)}
    policy = {name: float(scene.policy[name][0]) for name in scene.policy.dtype.names}
    places = world.settings.policy.slate_size
    user_key = user_key_slowly(int(key), row)
    return SlowDay(world.truth, policy, places, shelves, score, stock.fresh_from, user_key)


def kernel_acts(acts):
    for act in acts:
        if act["kind"] == WATCH:
            yield ("watch", *(int(act[name]) for name in ACT_FIELDS))
        else:
            yield ("search", int(act["time_s"]), int(act["target"]))


ACT_FIELDS = ("time_s", "target", "place", "watched_s", "answer", "rating")


@pytest.mark.parametrize("day", [0, 3, 9, 18, 27])
def test_a_day_is_lived_as_the_slow_twin_lives_it(calls, day):
    world, recorded = calls
    scene, key, roster, records, before, after = recorded[day]
    lived = 0
    for n, row in enumerate(roster.user.tolist()):
        recent, goodwill, left, busy = (column[row] for column in before)
        watched = recent[recent >= 0][::-1].tolist()
        user = SlowUser(row, watched, float(goodwill), bool(left), int(busy))
        slow = slow_day(world, scene, key, row)
        a, b = roster.session_ptr[n : n + 2].tolist()
        slow.live(user, roster.session_start_s[a:b].tolist())
        first = a * 54
        acts = list(kernel_acts(records.acts[first : first + roster.n_rows[n]]))
        assert acts == slow.acts
        assert len(slow.pages) == roster.n_pages[n]
        for page, (start, end, shown, clicked) in enumerate(slow.pages, start=a * 14):
            header = records.pages[page]
            assert (header["time_s"], header["end_s"]) == (start, end)
            mine = records.shown[page, : header["n_shown"]].tolist()
            assert mine == shown
            bits = [i for p, i in enumerate(mine) if header["clicked"] >> p & 1]
            assert bits == clicked
        assert after[1][row] == pytest.approx(user.goodwill)
        assert after[2][row] == user.left
        assert after[3][row] == user.busy_until_s
        assert after[0][row][after[0][row] >= 0].tolist() == slow.recent(user)
        lived += len(acts)
    assert lived > 20
