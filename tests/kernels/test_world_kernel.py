import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from graphrec.events.world import Situation, WorldSettings, generate_world
from graphrec.kernels.world_page import fill_page, pick_by_weight, propose, propose_chance
from graphrec.kernels.world_response import HABITS, ITEM, USER, WINDOW, Response, fill_uniform, roll
from graphrec.kernels.world_scene import (
    ACT,
    PAGE,
    POLICY,
    Desk,
    Links,
    Records,
    Scene,
    Standing,
    Stock,
    has_seen,
    remember,
)
from tests.reference.world import (
    answers_slowly,
    click_slowly,
    proposal_slowly,
    recent_slowly,
    roll_slowly,
    uniform_slowly,
)


@njit
def _rolls(dice, out):
    for n in range(len(out)):
        out[n] = roll(dice)


@njit
def _remember_all(recent, items):
    for i in items:
        remember(recent, 0, i)


@njit
def _sees(recent, i):
    return has_seen(recent, 0, i)


@njit
def _chances(scene, desk, out):
    for i in range(len(out)):
        out[i] = propose_chance(scene, desk, i)


@njit
def _proposals(scene, desk, counts, n):
    for _ in range(n):
        counts[propose(scene, desk)] += 1


@njit
def _pages(scene, desk, n):
    for page in range(n):
        desk.records.pages[page].n_shown = fill_page(scene, desk, page)


@njit
def _pick(cumulative, lo, hi, x):
    return pick_by_weight(cumulative, lo, hi, x)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**31), st.integers(0, 2**20))
def test_uniform_draws_equal_the_slow_twin(key, entity, draw):
    out = np.empty(1)
    fill_uniform(np.uint64(key), np.array([entity]), np.array([draw]), out)
    assert out[0] == uniform_slowly(key, entity, draw)


def test_rolls_equal_the_slow_twin():
    out = np.empty(100)
    _rolls(np.array([123456789, 0], np.uint64), out)
    assert out.tolist() == [roll_slowly(123456789, n) for n in range(1, 101)]
    assert 0.35 < out.mean() < 0.65


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40))
def test_remembered_items_are_the_last_distinct_ones_newest_first(items):
    recent = np.full((1, 5), -1, np.int32)
    _remember_all(recent, np.array(items, np.int64))
    expected = recent_slowly(items, 5)
    assert recent[0][recent[0] >= 0].tolist() == expected
    assert [_sees(recent, i) for i in range(13)] == [i in expected for i in range(13)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.floats(0, 1, exclude_max=True))
def test_weighted_picks_never_land_on_an_item_without_weight(weights, x):
    cumulative = np.concatenate([[0.0], np.cumsum(np.array(weights) * 0.1)])
    if cumulative[-1] == 0:
        return
    found = _pick(cumulative, 0, len(weights), x)
    assert weights[found] > 0
    assert cumulative[found] <= x * cumulative[-1] + 1e-12
    assert x * cumulative[-1] <= cumulative[found + 1] + 1e-12


def small_scene(recent, *, n_published=8, fresh_from=6, slate_size=3):
    """Ten items in three niches; 0→1→2 is a series; the last two are not out yet."""
    items = np.zeros(10, ITEM)
    items["niche"] = [0, 0, 0, 1, 1, 1, 0, 1, 0, 2]
    items["next_item"] = [1, 2, -1, -1, -1, -1, -1, -1, -1, -1]
    score = np.where(np.arange(10) < n_published, [5.0, 1, 2, 3, 1, 1, 4, 2, 7, 7], 0.0)
    order = np.argsort(items["niche"], kind="stable").astype(np.int32)
    policy = np.zeros(1, POLICY)
    for name, share in {"popular": 0.3, "near": 0.35, "next": 0.1, "fresh": 0.15}.items():
        policy[name] = share
    policy["explore"] = 0.1
    none, one = np.zeros(0, np.int32), np.zeros(1, np.int64)
    links = Links(np.array([0, 5, 9, 10]), order, one, none, one, none, one, none)
    cumulative = np.concatenate([[0.0], np.cumsum(score[order])])
    row = np.full((1, 64), -1, np.int32)
    row[0, : len(recent)] = recent
    response = Response(
        np.zeros(1, USER),
        items,
        np.arange(3, dtype=np.int32),
        np.zeros(0, WINDOW),
        np.zeros(1, HABITS),
    )
    standing = Standing(row, np.zeros(1), np.zeros(1, bool), np.zeros(1, np.int64))
    scene = Scene(
        response, policy, links, Stock(n_published, fresh_from, score, cumulative), standing
    )
    near = [int(items["niche"][i]) for i in recent[:5] if items["niche"][i] < 2]
    following = items["next_item"][np.array(recent[:5], np.int64)]
    upcoming = [int(i) for i in following if 0 <= i < n_published]
    room = 20_000
    desk = Desk(
        np.array([7, 0], np.uint64),
        np.array(near + [0] * (5 - len(near)), np.int64),
        np.array(upcoming + [0] * (5 - len(upcoming)), np.int64),
        np.array([len(near), len(upcoming)]),
        np.zeros(2, np.int64),
        Records(
            np.zeros(1, ACT),
            np.zeros(room, PAGE),
            np.zeros((room, slate_size), np.int32),
            np.zeros((room, slate_size), np.float32),
        ),
    )
    expected = proposal_slowly(
        {name: float(policy[name][0]) for name in POLICY.names},
        10,
        niche=items["niche"],
        score=score,
        published=set(range(n_published)),
        fresh=set(range(fresh_from, n_published)),
        recent=recent,
        next_item=items["next_item"],
    )
    return scene, desk, expected


@pytest.mark.parametrize("recent", [[], [0], [3, 1, 0], [4, 4, 2], [9, 5]])
@pytest.mark.parametrize("fresh_from", [6, 8])
def test_chances_of_proposals_equal_the_mixture_and_sum_to_one(recent, fresh_from):
    scene, desk, expected = small_scene(recent, fresh_from=fresh_from)
    out = np.empty(10)
    _chances(scene, desk, out)
    published = slice(0, 8)
    np.testing.assert_allclose(out[published], expected[published], rtol=1e-12)
    assert expected.sum() == pytest.approx(1.0)
    counts = np.zeros(10, np.int64)
    _proposals(scene, desk, counts, 40_000)
    sigma = np.sqrt(expected * (1 - expected) / 40_000)
    assert (np.abs(counts / 40_000 - expected) <= 4.5 * sigma + 1e-12).all()


def test_logged_chances_are_those_of_a_draw_without_the_items_above():
    scene, desk, expected = small_scene([3, 1, 0])
    _pages(scene, desk, 20_000)
    shown, chance = desk.records.shown, desk.records.chance
    assert (desk.records.pages["n_shown"] == 3).all()
    assert (shown[:, 0] != shown[:, 1]).all() and (shown[:, 1] != shown[:, 2]).all()
    np.testing.assert_allclose(chance[:, 0], expected[shown[:, 0]], rtol=1e-6)
    second = expected[shown[:, 1]] / (1 - expected[shown[:, 0]])
    np.testing.assert_allclose(chance[:, 1], second, rtol=1e-6)
    # Inverse propensities count every item once a page, and no other.
    for place in range(3):
        weight = np.bincount(shown[:, place], 1 / chance[:, place], minlength=10) / 20_000
        available = np.array([np.mean((shown[:, :place] != i).all(axis=1)) for i in range(8)])
        np.testing.assert_allclose(weight[:8], available, atol=0.12)


def test_a_page_of_a_tiny_catalogue_ends_short():
    scene, desk, _ = small_scene([], n_published=2, fresh_from=2)
    _pages(scene, desk, 1)
    assert desk.records.pages["n_shown"][0] == 2


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.floats(-2, 1))
def test_true_answers_equal_the_slow_twin(seed, seen, is_next, goodwill):
    truth = _tiny().truth
    rng = np.random.default_rng(seed)
    u = rng.integers(0, len(truth.users), 12).astype(np.int32)
    i = rng.integers(0, len(truth.items), 12).astype(np.int32)
    start = int(truth.habits["period_start_s"][0])
    t = start + rng.integers(-86_400, 130 * 86_400, 12)
    got = truth.expected(u, i, t, Situation(seen, is_next, goodwill))
    pairs = list(zip(u.tolist(), i.tolist(), t.tolist(), strict=True))
    clicks = [click_slowly(truth, *pair, seen=seen, is_next=is_next) for pair in pairs]
    np.testing.assert_allclose(got.click, clicks, rtol=1e-9)
    answers = np.array([answers_slowly(truth, *pair, goodwill=goodwill) for pair in pairs]).T
    columns = (
        got.satisfaction,
        got.watch_share,
        got.watch_s,
        got.like,
        got.report,
        got.return_24h,
    )
    for column, expected in zip(columns, answers, strict=True):
        np.testing.assert_allclose(column, expected, rtol=1e-9)


@functools.cache
def _tiny():
    return generate_world(WorldSettings(n_events=2_000, seed=3))
