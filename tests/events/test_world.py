"""The simulated world as a data set: determinism, laws, and statistics that make it believable."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from graphrec.errors import SettingsError
from graphrec.events.readers import read_dataset
from graphrec.events.world import World, WorldSettings, generate_world, sessions
from graphrec.events.writers import write_dataset

DAY_S = 86_400
GOLDEN = Path(__file__).parent / "golden" / "world_1k.sha256"


@pytest.fixture(scope="module")
def small() -> World:
    return generate_world(WorldSettings(n_events=20_000, seed=5, skip_events=True))


@pytest.fixture(scope="module")
def world() -> World:
    """The size of the demo world."""
    return generate_world(WorldSettings())


def fingerprint(world: World, folder: Path) -> dict[str, str]:
    """sha256 of everything a world holds, as bytes of arrays and as Parquet."""
    folder.mkdir(exist_ok=True)
    log, data = world.dataset.log, world.dataset
    parts = {
        name: np.ascontiguousarray(getattr(log, name)).tobytes()
        for name in ("time_s", "edge_type", "source_row", "target_row", "weight")
    }
    parts |= {
        f"ids {node}": "\n".join(map(str, ids.keys)).encode() for node, ids in data.ids.items()
    }
    for name, table in (("items", data.items), ("users", data.users), ("pages", data.impressions)):
        table.write_parquet(folder / f"{name}.parquet")
        parts[name] = (folder / f"{name}.parquet").read_bytes()
    world.truth.save(folder / "truth")
    for path in sorted((folder / "truth").iterdir()):
        parts[path.name] = path.read_bytes()
    return {name: hashlib.sha256(value).hexdigest() for name, value in parts.items()}


def events(world: World, name: str):
    log = world.dataset.log
    return log.take(log.edge_type == log.type_index(name))


def watches(world: World):
    return world.dataset.log.interactions(names=("watch",))


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(tmp_path):
    settings = WorldSettings(n_events=5_000, days=20, seed=11)
    one = fingerprint(generate_world(settings, threads=1), tmp_path / "one")
    assert one == fingerprint(generate_world(settings, threads=4), tmp_path / "four")
    other = settings.model_copy(update={"seed": 12})
    assert one["source_row"] != fingerprint(generate_world(other), tmp_path / "other")["source_row"]


def test_users_spread_over_several_calls_live_the_same_day(monkeypatch, tmp_path):
    settings = WorldSettings(n_events=5_000, days=20, seed=11)
    whole = fingerprint(generate_world(settings), tmp_path / "whole")
    monkeypatch.setattr(sessions, "_SESSIONS_A_CALL", 7)
    assert whole == fingerprint(generate_world(settings, threads=3), tmp_path / "parts")


def test_a_world_of_a_thousand_events_is_the_golden_one():
    """Written by `python tests/events/golden/write_world.py` where the world changes on purpose."""
    log = generate_world(WorldSettings(n_events=1_000)).dataset.log
    columns = (log.time_s, log.edge_type, log.source_row, log.target_row)
    text = hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()
    assert text == GOLDEN.read_text().strip()


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_events_are_met_to_two_percent(seed):
    log = generate_world(WorldSettings(n_events=1_000, seed=seed)).dataset.log
    assert 980 <= len(log) <= 1_000


def test_the_number_of_events_is_met(small, world):
    assert len(small.dataset.log) == 20_000
    assert len(world.dataset.log) == 100_000


def test_rows_tables_and_truth_are_of_one_size(small):
    data, truth = small.dataset, small.truth
    assert data.n_items == len(data.items) == len(truth.items) == len(data.ids["item"])
    assert data.n_users == len(data.users) == len(truth.users) == len(data.ids["user"])
    for node, ids in data.ids.items():
        assert ids.keys.n_unique() == len(ids) == data.log.n_nodes[node]
    assert data.items["published_s"].to_list() == truth.items["published_s"].tolist()
    assert data.title(0) == data.items["title"][0]
    for index, kind in enumerate(data.log.edge_types):
        mine = data.log.edge_type == index
        assert mine.any(), kind.name
        assert data.log.source_row[mine].max() < data.log.n_nodes[kind.source]
        assert data.log.target_row[mine].max() < data.log.n_nodes[kind.target]
        assert min(data.log.source_row[mine].min(), data.log.target_row[mine].min()) >= 0


def test_a_written_world_reads_back_the_same(small, tmp_path):
    write_dataset(small.dataset, tmp_path / "world")
    again = read_dataset(tmp_path / "world")
    for name in ("time_s", "edge_type", "source_row", "target_row", "weight"):
        np.testing.assert_array_equal(getattr(again.log, name), getattr(small.dataset.log, name))
    assert again.log.edge_types == small.dataset.log.edge_types
    assert again.items.equals(small.dataset.items)
    assert again.users.equals(small.dataset.users)
    assert again.impressions.equals(small.dataset.impressions)


def test_nothing_happens_before_publication_or_sign_up(small):
    data = small.dataset
    published_s, signup_s = data.published_s(), data.users["signup_s"].to_numpy()
    for kind in ("watch", "like", "rate", "report", "skip"):
        mine = events(small, kind)
        assert (mine.time_s >= published_s[mine.target_row]).all()
        assert (mine.time_s >= signup_s[mine.source_row]).all()
    searches = events(small, "search")
    assert (searches.time_s >= signup_s[searches.source_row]).all()
    start_s = small.settings.start_s
    acted = np.isin(data.log.edge_type, [data.log.type_index(n) for n in ("watch", "search")])
    assert data.log.time_s[acted].min() >= start_s
    assert data.log.time_s.max() < start_s + small.settings.days * DAY_S


def test_items_are_described_at_their_publication(small):
    data = small.dataset
    by = events(small, "published_by")
    assert sorted(by.source_row.tolist()) == sorted(
        np.flatnonzero(data.published_s() <= data.log.time_s[-1]).tolist()
    )
    assert (by.time_s == data.published_s()[by.source_row]).all()
    about = events(small, "has_keyword")
    item = int(about.source_row[40])
    words = [
        data.ids["keyword"].key(row) for row in about.target_row[about.source_row == item].tolist()
    ]
    assert words == data.items["keywords"][item].to_list()


def test_one_user_watches_one_thing_at_a_time(small):
    """Sessions are lived in order: a watch starts after the watch before has ended."""
    log = events(small, "watch")
    order = np.lexsort((log.time_s, log.source_row))
    user, start = log.source_row[order], log.time_s[order]
    duration = small.truth.items["duration_s"][log.target_row[order]]
    end = start + np.round(log.weight[order].astype(np.float64) * duration).astype(np.int64)
    same = user[1:] == user[:-1]
    assert (start[1:][same] >= end[:-1][same] + 6).all()
    assert (log.weight > 0).all() and (log.weight <= 1).all()


def test_sessions_of_one_user_are_at_least_ten_minutes_apart(world):
    log = world.dataset.log
    mine = log.take(np.isin(log.edge_type, [0, log.type_index("search")]))
    order = np.lexsort((mine.time_s, mine.source_row))
    gaps = np.diff(mine.time_s[order])[np.diff(mine.source_row[order]) == 0]
    assert (gaps >= 0).all()
    assert (gaps > 6 * 3600).mean() > 0.05  # away for hours between sessions


def test_answers_follow_a_watch_of_the_same_item(small):
    first: dict[tuple[int, int], int] = {}
    for user, item, time_s in zip(*_columns(events(small, "watch")), strict=True):
        first.setdefault((user, item), time_s)
    for kind in ("like", "rate", "report"):
        for user, item, time_s in zip(*_columns(events(small, kind)), strict=True):
            assert time_s > first[user, item]
    ratings = events(small, "rate").weight
    assert set(np.unique(ratings)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert len(np.unique(ratings)) == 5


def _columns(log):
    return log.source_row.tolist(), log.target_row.tolist(), log.time_s.tolist()


def test_pages_contain_their_clicks_and_clicks_are_watched(small):
    pages = small.dataset.impressions
    assert (pages["time_s"].diff().drop_nulls() >= 0).all()
    outside = pages["clicked"].list.set_difference(pages["shown"])
    assert outside.list.len().sum() == 0
    assert (pages["shown"].list.n_unique() == pages["shown"].list.len()).all()
    assert (pages["shown"].list.len() == pages["propensity"].list.len()).all()
    chances = pages["propensity"].explode()
    assert chances.min() > 0 and chances.max() <= 1
    data = small.dataset
    watched = events(small, "watch")
    done = set(zip(watched.source_row.tolist(), watched.target_row.tolist(), strict=True))
    clicks = pages.select("user_id", "clicked").explode("clicked").drop_nulls()
    pairs = zip(
        data.ids["user"].rows(clicks["user_id"]).tolist(),
        data.ids["item"].rows(clicks["clicked"]).tolist(),
        strict=True,
    )
    assert len(clicks) > 1_000
    assert all(pair in done for pair in pairs)


def test_shown_items_are_out_and_skips_stand_above_a_click(small):
    data = small.dataset
    pages = data.impressions
    shown = pages.select("time_s", "shown").explode("shown")
    published = data.published_s()[data.ids["item"].rows(shown["shown"])]
    assert (shown["time_s"].to_numpy() >= published).all()
    expected = 0
    for items, clicks in zip(pages["shown"].to_list(), pages["clicked"].to_list(), strict=True):
        if clicks:
            last = max(items.index(click) for click in clicks)
            expected += last + 1 - len(clicks)
    # Pages that the end of the log cuts in two still have their skips.
    assert expected <= len(events(small, "skip").time_s) <= expected + 60


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


def gini(counts):
    sorted_counts = np.sort(counts).astype(float)
    n = len(counts)
    return ((2 * np.arange(1, n + 1) - n - 1) * sorted_counts).sum() / (n * sorted_counts.sum())


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


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"n_events": 10}, "n_events"),
        ({"n_evnts": 10_000}, "n_evnts"),
        ({"start_s": 5}, "midnight"),
        ({"specialised": 1.5}, "specialised"),
        ({"policy": {"near": 0.7, "fresh": 0.7}}, "at most 1"),
        ({"behaviour": {"search": 0.9, "rewatch": 0.9}}, "at most 1"),
        ({"contexts": [{"name": "x", "topic": "nope", "first_day": 0, "length_days": 1}]}, "nope"),
        (
            {
                "contexts": [
                    {"name": "x", "topic": "news", "first_day": 0, "length_days": 1},
                    {"name": "x", "topic": "jazz", "first_day": 0, "length_days": 1},
                ]
            },
            "differ",
        ),
        (
            {
                "contexts": [
                    {
                        "name": "x",
                        "topic": "news",
                        "first_day": 0,
                        "length_days": 3,
                        "every_days": 2,
                    }
                ]
            },
            "exceed",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(change, rule):
    with pytest.raises(ValueError, match=rule):
        WorldSettings.model_validate(change)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"n_items": 900}, "n_items = 900 — at most an eighth"),
        ({"n_users": 900}, "n_users = 900 — at most half"),
        ({"n_items": 100, "n_publishers": 101}, "n_publishers"),
        ({"n_items": 100, "n_niches": 101}, "n_niches"),
        ({"n_topics": 20, "n_niches": 10}, "n_topics"),
        ({"n_items": 100, "n_keywords": 401}, "n_keywords = 401"),
        ({"n_keywords": 30, "n_topics": 24, "n_niches": 24, "n_items": 24}, None),
        ({"n_items": 125, "n_keywords": 500}, "leaves too few for users"),
        ({"n_events": 50_000, "n_users": 10, "days": 7}, "more users, more days"),
        (
            {"contexts": ({"name": "x", "topic": "chess", "first_day": 0, "length_days": 1},)},
            "lifts topic 'chess'",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, rule):
    settings = WorldSettings.model_validate({"n_events": 1_000} | change)
    if rule is None:
        assert len(generate_world(settings).dataset.log) >= 980
        return
    with pytest.raises(SettingsError, match=rule):
        generate_world(settings)


def test_sizes_can_be_given(tmp_path):
    settings = WorldSettings(
        n_events=4_000,
        days=14,
        n_users=300,
        n_items=200,
        n_publishers=31,
        n_keywords=77,
        n_topics=5,
        n_niches=17,
        contexts=(),
        items_at_start=1.0,
    )
    world = generate_world(settings)
    nodes = world.dataset.log.n_nodes
    assert nodes == {"user": 300, "item": 200, "publisher": 31, "keyword": 77}
    assert len(world.truth.topic_names) == 5 and len(world.truth.niche_names) == 17
    described = events(world, "has_keyword")
    assert len(np.unique(described.target_row)) == 77
    assert (events(world, "published_by").time_s < settings.start_s + 14 * DAY_S).all()


def test_a_world_whose_items_all_come_later_starts_empty():
    settings = WorldSettings(n_events=1_000, items_at_start=0.0, users_at_start=1.0)
    world = generate_world(settings)
    first = watches(world).time_s[0]
    assert first >= world.dataset.published_s().min()


def test_the_demo_world_is_a_valid_setting():
    path = Path(__file__).parents[2] / "data" / "demo-world.yaml"
    settings = WorldSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert settings == WorldSettings(name="demo-world")


@pytest.mark.slow
def test_a_million_events_are_met_and_keep_their_shape():
    world = generate_world(WorldSettings(n_events=1_000_000))
    assert len(world.dataset.log) == 1_000_000
    log = watches(world)
    assert 0.65 < gini(np.bincount(log.item_row, minlength=log.n_items)) < 0.92
