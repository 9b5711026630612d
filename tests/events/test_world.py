"""The simulated world as a data set: determinism, laws, and statistics that make it believable."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from graphrec.events.readers import read_dataset
from graphrec.events.world import World, WorldSettings, generate_world, sessions
from graphrec.events.writers import write_dataset
from tests.events.simulated import events

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
