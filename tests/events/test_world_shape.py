"""Statistics that make the simulated world believable."""

import numpy as np
import polars as pl
import pytest

from graphrec.events.world import World, WorldSettings, generate_world
from tests.events.simulated import events, gini, watches

DAY_S = 86_400


@pytest.fixture(scope="module")
def world() -> World:
    """The size of the demo world."""
    return generate_world(WorldSettings())


def test_the_top_of_a_page_is_clicked_most(world):
    pages = world.dataset.impressions
    clicked = pages.select(
        pl.col("shown").list.eval(pl.element()).alias("shown"), "clicked"
    ).with_columns(pl.int_ranges(pl.col("shown").list.len()).alias("place"))
    rate = (
        clicked.explode("shown", "place")
        .group_by("place")
        .agg(pl.col("clicked").list.contains(pl.col("shown")).mean().alias("rate"))
        .sort("place")["rate"]
        .to_numpy()
    )
    # The order of a page is random, so clicks fall as places are looked at less.
    curve = rate / rate[0]
    np.testing.assert_allclose(curve, world.truth.examination(10), rtol=0.15)


def test_a_festival_lifts_its_topic_while_it_lasts(world):
    log = watches(world)
    topic = world.truth.items["topic"][log.item_row]
    for context in (0, 1):
        windows = world.truth.windows[world.truth.windows["context"] == context]
        inside = np.zeros(len(log), bool)
        for window in windows:
            inside |= (log.time_s >= window["start_s"]) & (log.time_s < window["end_s"])
        mine = topic == windows["topic"][0]
        assert mine[inside].mean() > 1.4 * mine[~inside].mean()
    held = events(world, "holds")
    assert (held.source_row == held.target_row).all()
    for row, time_s in zip(held.source_row, held.time_s, strict=True):
        own = world.truth.windows[world.truth.windows["context"] == row]
        assert ((own["start_s"] <= time_s) & (time_s < own["end_s"])).any()


def test_series_are_watched_in_order(world):
    log = watches(world)
    before = world.truth.items["previous_item"]
    seen: set[tuple[int, int]] = set()
    in_order = out_of_order = 0
    for user, item in zip(log.user_row.tolist(), log.item_row.tolist(), strict=True):
        if before[item] >= 0:
            if (user, int(before[item])) in seen:
                in_order += 1
            else:
                out_of_order += 1
        seen.add((user, item))
    assert in_order > 2_000
    assert in_order > 4 * out_of_order


def test_series_have_increasing_episodes_of_one_publisher(world):
    items = world.dataset.items.with_columns(pl.int_range(pl.len()).alias("row"))
    series = items.drop_nulls("series").sort("series", "episode")
    by = series.group_by("series").agg(
        pl.col("episode"), pl.col("published_s"), pl.col("publisher").n_unique().alias("n")
    )
    assert len(by) > 20
    assert (by["n"] == 1).all()
    for episodes, times in zip(by["episode"].to_list(), by["published_s"].to_list(), strict=True):
        assert episodes == list(range(1, len(episodes) + 1))
        assert times == sorted(times)
    following = world.truth.items["next_item"][series["row"].to_numpy()]
    assert following[series["episode"].to_numpy() == 1].min() >= 0
    assert series["title"][0].endswith("Episode 1")


def test_popularity_and_activity_are_as_uneven_as_on_real_platforms(world):
    log = watches(world)
    assert 0.65 < gini(np.bincount(log.item_row, minlength=log.n_items)) < 0.92
    by_user = np.sort(np.bincount(log.user_row, minlength=log.n_users))[::-1]
    assert 0.4 < gini(by_user) < 0.85
    # Hill's estimate of the power law's exponent over the top twentieth.
    top = by_user[: len(by_user) // 20].astype(float)
    hill = 1 / np.log(top[:-1] / top[-1]).mean()
    assert 0.8 < hill < 3.0


def test_repeats_are_there_but_do_not_rule(world):
    for log in (watches(world), world.dataset.log.interactions()):
        pairs = log.user_row.astype(np.int64) * log.n_items + log.item_row
        repeats = 1 - len(np.unique(pairs)) / len(pairs)
        assert 0.10 < repeats < 0.27
    music = world.truth.items["rewatch"][watches(world).item_row] > 0.5
    log = watches(world)
    _, first = np.unique(
        log.user_row.astype(np.int64) * log.n_items + log.item_row, return_index=True
    )
    again = np.ones(len(log), bool)
    again[first] = False
    assert again[music].mean() > 1.4 * again[~music].mean()


def test_new_items_and_new_users_matter_after_the_cut(world):
    log = watches(world)
    cut = np.quantile(log.time_s, 0.7)
    test = log.time_s >= cut
    new = world.dataset.published_s()[log.item_row] >= cut
    assert new[test].mean() >= 0.10
    known = np.unique(log.user_row[~test])
    assert 0.03 < 1 - np.isin(log.user_row[test], known).mean() < 0.4


def test_recent_popularity_predicts_better_than_popularity_of_all_time(world):
    log = watches(world)
    start = int(np.quantile(log.time_s, 0.7)) // DAY_S
    ever, lately, n = 0.0, 0.0, 0
    for day in range(start, int(log.time_s[-1]) // DAY_S):
        edges = np.searchsorted(log.time_s, [(day - 7) * DAY_S, day * DAY_S, (day + 1) * DAY_S])
        todays = log.item_row[edges[1] : edges[2]]
        for since, is_recent in ((0, False), (edges[0], True)):
            count = np.bincount(log.item_row[since : edges[1]], minlength=log.n_items)
            top = np.argsort(-count, kind="stable")[:20]
            hits = np.isin(todays, top).sum()
            lately, ever = (lately + hits, ever) if is_recent else (lately, ever + hits)
        n += len(todays)
    assert lately / n > 1.05 * ever / n


def test_what_was_watched_together_predicts_what_is_watched_next(world):
    """Items that followed the last one within a day beat the popular ones by far."""
    log = watches(world)
    cut = int(np.searchsorted(log.time_s, np.quantile(log.time_s, 0.8)))
    order = np.lexsort((np.arange(len(log)), log.user_row))
    user, item, time_s = log.user_row[order], log.item_row[order], log.time_s[order]
    pair = (user[1:] == user[:-1]) & (np.diff(time_s) <= DAY_S) & (item[1:] != item[:-1])
    learnt = pair & (order[1:] < cut)
    follows = np.zeros((log.n_items, log.n_items), np.int32)
    np.add.at(follows, (item[:-1][learnt], item[1:][learnt]), 1)
    popular = np.bincount(log.item_row[:cut], minlength=log.n_items)
    asked = np.flatnonzero(pair & (order[1:] >= cut))
    top_popular = np.argsort(-popular, kind="stable")[:10]
    score = follows[item[asked]] + popular / (10 * popular.max())
    top = np.argpartition(-score, 10, axis=1)[:, :10]
    together = (top == item[asked + 1][:, None]).any(axis=1).mean()
    assert together > 1.5 * np.isin(item[asked + 1], top_popular).mean()


def test_weekends_and_evenings_are_busier(world):
    log = watches(world)
    weekday = ((log.time_s // DAY_S) + 3) % 7
    per_day = np.bincount(weekday, minlength=7)
    assert per_day[[5, 6]].mean() > 1.05 * per_day[:4].mean()
    hour = np.bincount(log.time_s % DAY_S // 3600, minlength=24)
    assert hour[19:23].mean() > 2 * hour[1:5].mean()


def test_bad_items_are_reported_and_mostly_flagged(world):
    bad = world.truth.items["bad"]
    rate = np.bincount(events(world, "report").target_row, minlength=len(bad))
    seen = np.bincount(watches(world).item_row, minlength=len(bad))
    assert rate[bad].sum() / seen[bad].sum() > 10 * rate[~bad].sum() / seen[~bad].sum()
    flagged = world.dataset.items["content_flag"].to_numpy()
    assert 0.3 < flagged[bad].mean() < 0.9
    assert flagged[~bad].mean() < 0.02


def test_titles_and_names_can_be_read(world):
    items = world.dataset.items
    assert items["title"].str.contains(r"^[A-Z][A-Za-z', :0-9]+$").all()
    assert items["title"].n_unique() > 0.9 * len(items)
    assert items["keywords"].list.len().min() >= 1
    assert world.dataset.ids["publisher"].keys.str.contains(r"^[A-Z][a-z]+ [A-Z][a-z]+ \w+$").all()
    assert not world.dataset.ids["keyword"].keys.str.contains(r"\d").any()


@pytest.mark.slow
def test_a_million_events_are_met_and_keep_their_shape():
    world = generate_world(WorldSettings(n_events=1_000_000))
    assert len(world.dataset.log) == 1_000_000
    log = watches(world)
    assert 0.65 < gini(np.bincount(log.item_row, minlength=log.n_items)) < 0.92
