"""The truth behind the log: it explains what happened, and survives a save."""

import json

import numpy as np
import pytest

from graphrec.errors import DataError, SnapshotError
from graphrec.events.world import GroundTruth, Situation, World, WorldSettings, generate_world
from tests.reference.world import recent_slowly

DAY_S = 86_400


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(WorldSettings(n_events=20_000, seed=9))


def moments_of_pages(world: World):
    """User, item, time, seen, next and place of every place shown, and whether it was clicked.

    The history is replayed from the log alone; clicks of a page count from the place below.
    """
    data = world.dataset
    log = data.log.interactions(names=("watch",))
    history = [[] for _ in range(data.n_users)]
    times = [[] for _ in range(data.n_users)]
    for user, item, time_s in zip(
        log.user_row.tolist(), log.item_row.tolist(), log.time_s.tolist(), strict=True
    ):
        history[user].append(item)
        times[user].append(time_s)
    item_row = {key: row for row, key in enumerate(data.ids["item"].keys)}
    user_row = {key: row for row, key in enumerate(data.ids["user"].keys)}
    previous = world.truth.items["previous_item"].tolist()
    rows = []
    for page in data.impressions.iter_rows(named=True):
        user = user_row[page["user_id"]]
        n_known = int(np.searchsorted(times[user], page["time_s"]))
        for place, key in enumerate(page["shown"]):
            item = item_row[key]
            recent = set(recent_slowly(history[user][:n_known]))
            clicked = key in page["clicked"]
            is_next = previous[item] in recent
            rows.append((user, item, page["time_s"], item in recent, is_next, place, clicked))
            n_known += clicked
    return [np.array(column) for column in zip(*rows, strict=True)]


def test_clicks_come_as_often_as_the_truth_says(world):
    user, item, time_s, seen, is_next, place, clicked = moments_of_pages(world)
    truth = world.truth
    expected = truth.expected(
        user.astype(np.int32), item.astype(np.int32), time_s, Situation(seen, is_next)
    )
    chance = expected.click * truth.examination(10)[place]
    groups = {
        "all": np.ones(len(chance), bool),
        "likely": chance > np.quantile(chance, 0.9),
        "unlikely": chance < np.quantile(chance, 0.5),
        "seen": seen,
        "next": is_next,
        "first place": place == 0,
        "last place": place == 9,
    }
    for name, group in groups.items():
        n, mean = clicked[group].sum(), chance[group].sum()
        sigma = np.sqrt((chance[group] * (1 - chance[group])).sum())
        assert group.sum() > 50, name
        assert abs(n - mean) < 4 * sigma, name


def test_watches_please_and_last_as_long_as_the_truth_says(world):
    log = world.dataset.log
    mine = log.take(log.edge_type == log.type_index("watch"))
    got = world.truth.expected(mine.source_row, mine.target_row, mine.time_s)
    share = mine.weight.astype(np.float64)
    sigma = 0.35 / np.sqrt(len(share))
    assert abs(share.mean() - got.watch_share.mean()) < 4 * sigma
    # A satisfied watch is at least .6 of the item, any other at most .55.
    satisfied = share > 0.575
    sigma = np.sqrt((got.satisfaction * (1 - got.satisfaction)).sum())
    assert abs(satisfied.sum() - got.satisfaction.sum()) < 4 * sigma
    for kind, column in (("like", got.like), ("report", got.report)):
        n = (log.edge_type == log.type_index(kind)).sum()
        assert abs(n - column.sum()) < 4 * np.sqrt(column.sum()) + 2


def test_clickbait_is_clicked_more_and_pleases_less_and_keeps_fewer(world):
    truth = world.truth
    rng = np.random.default_rng(0)
    n = 20_000
    user = rng.integers(0, len(truth.users), n).astype(np.int32)
    item = rng.integers(0, len(truth.items), n).astype(np.int32)
    bait = truth.items["clickbait"][item]
    got = truth.expected(user, item, world.settings.start_s + 60 * DAY_S)
    assert got.click[bait].mean() > 1.1 * got.click[~bait].mean()
    assert got.satisfaction[bait].mean() < 0.8 * got.satisfaction[~bait].mean()
    assert got.return_24h[bait].mean() < got.return_24h[~bait].mean()
    assert got.report[bait].mean() > got.report[~bait].mean()


def test_interests_drift_and_some_switch(world):
    truth, start_s = world.truth, world.settings.start_s
    end_s = start_s + world.settings.days * DAY_S
    switched = drifted = single = 0
    for user in range(len(truth.users)):
        niche_before, weight_before = truth.interests(user, start_s)
        niche_after, weight_after = truth.interests(user, end_s)
        held = weight_before > 0
        assert ((weight_after > 0) == held).all()
        switched += (niche_before != niche_after)[held].any()
        drifted += not np.allclose(weight_before, weight_after)
        single += held.sum() == 1
    n = len(truth.users)
    assert 0.3 < switched / n < 0.9
    assert 0.6 < drifted / n < 0.9
    assert 0.15 < single / n < 0.35


def test_interests_are_what_users_watch_and_change_with_them(world):
    truth = world.truth
    log = world.dataset.log.interactions(names=("watch",))
    near = np.mean(
        [
            truth.items["niche"][item] in truth.interests(user, time_s)[0]
            for user, item, time_s in zip(
                log.user_row[::7].tolist(),
                log.item_row[::7].tolist(),
                log.time_s[::7].tolist(),
                strict=True,
            )
        ]
    )
    assert near > 0.4
    late = log.time_s > world.settings.start_s + 100 * DAY_S
    user, item = log.user_row[late], log.item_row[late]
    now = truth.expected(user, item, log.time_s[late]).satisfaction.mean()
    then = truth.expected(user, item, log.time_s[late] - 95 * DAY_S).satisfaction.mean()
    assert now > then


def test_position_bias_starts_at_one_and_falls(world):
    curve = world.truth.examination(10)
    assert curve[0] == 1.0
    assert (np.diff(curve) < 0).all()
    assert curve[3] == pytest.approx(4**-0.7)


def test_sessions_rise_with_goodwill_up_to_the_most_there_may_be(world):
    truth, time_s = world.truth, world.settings.start_s + 50 * DAY_S
    user = np.arange(len(truth.users), dtype=np.int32)
    low = truth.sessions_a_day(user, time_s, -1.0)
    high = truth.sessions_a_day(user, time_s, np.ones(len(user)))
    assert (high >= low).all() and high.max() <= 6.0
    assert high[0] == pytest.approx(
        min(float(truth.users["activity"][0]) * truth.day_rate[50] * np.exp(0.8), 6.0)
    )
    late = truth.rate_at(np.array([0, time_s + 10_000 * DAY_S]))
    assert late.tolist() == [truth.day_rate[0], truth.day_rate[-1]]


def test_steps_of_a_closed_loop_follow_the_habits(world):
    truth = world.truth
    honest = int(np.flatnonzero(~truth.items["clickbait"] & ~truth.items["bad"])[0])
    bait = int(np.flatnonzero(truth.items["clickbait"])[0])
    item = np.array([honest, honest, bait, bait], np.int32)
    pleased = np.array([True, False, False, False])
    before = np.array([0.98, 0.0, 0.0, -1.95])
    after = truth.goodwill_after(item, pleased, before)
    np.testing.assert_allclose(after, [1.0, -0.06, -0.15, -2.0])
    np.testing.assert_allclose(truth.go_on(np.array([False, True])), 1 / (1 + np.exp([-0.9, -2.1])))
    leave = truth.leave(np.array([0.0, -1.0, -100.0]))
    np.testing.assert_allclose(leave, [0.004, 0.004 * np.exp(2), 0.5])


def test_topic_vectors_are_shares(world):
    vectors = world.truth.topic_vectors()
    np.testing.assert_allclose(vectors.sum(axis=1), 1.0, rtol=1e-6)
    rows = np.arange(len(vectors))
    assert (vectors[rows, world.truth.items["topic"]] >= 0.625).all()
    assert 0.1 < (vectors.max(axis=1) < 1).mean() < 0.5


def test_a_saved_truth_is_the_same_when_loaded(world, tmp_path):
    world.truth.save(tmp_path)
    again = GroundTruth.load(tmp_path)
    for name in GroundTruth.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(world.truth, name))
    user, item = np.arange(50, dtype=np.int32), np.arange(50, dtype=np.int32)
    t = world.settings.start_s
    np.testing.assert_array_equal(
        again.expected(user, item, t).click, world.truth.expected(user, item, t).click
    )


def test_a_damaged_truth_is_refused_by_name(world, tmp_path):
    with pytest.raises(SnapshotError, match=r"truth\.json — cannot be read"):
        GroundTruth.load(tmp_path)
    world.truth.save(tmp_path)
    (tmp_path / "niche_topic.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(SnapshotError, match="niche_topic"):
        GroundTruth.load(tmp_path)
    np.save(tmp_path / "niche_topic.npy", world.truth.niche_topic)
    np.save(tmp_path / "users.npy", np.zeros(3))
    with pytest.raises(SnapshotError, match=r"users\.npy — holds other columns"):
        GroundTruth.load(tmp_path)
    (tmp_path / "truth.json").write_text(json.dumps({"version": 99}))
    with pytest.raises(SnapshotError, match="format version 1"):
        GroundTruth.load(tmp_path)


def test_pairs_outside_the_world_are_refused(world):
    one, far = np.zeros(1, np.int32), np.array([10**6], np.int32)
    with pytest.raises(DataError, match="item rows reach"):
        world.truth.expected(one, far, 0)
    with pytest.raises(DataError, match="user rows reach"):
        world.truth.expected(-far, one, 0)
    with pytest.raises(DataError, match="as many of each"):
        world.truth.expected(one, np.zeros(2, np.int32), 0)
    assert len(world.truth.expected(one[:0], one[:0], 0).click) == 0
