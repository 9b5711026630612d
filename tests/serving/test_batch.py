"""A live state is what a batch makes of the same log."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.events.dataset import Dataset
from graphrec.events.readers import dataset_from_frame
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.pipeline import Request
from graphrec.retrieval.filters import ItemFilters
from graphrec.serving.batch import dataset_of_log
from graphrec.serving.entries import Entry, canonical_json
from graphrec.serving.following import Engine, FollowingSettings
from graphrec.serving.state import LiveState
from graphrec.stages import Queries
from tests.worlds import small_dataset

ROWS = [(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a"), (4, "bob", "c"), (5, "eve", "c")]
ITEMS = {
    "item_id": ["a", "b", "c", "d"],
    "title": ["A", None, "C", "D"],
    "publisher": [["P"], ["P", "Q"], [], ["Q"]],
    "keywords": [["x"], [], ["x", "y"], []],
    "published_s": [None, 2, 3, None],
    "duration": [1.5, 2.5, None, 4.5],
}
USERS = ("ann", "bob", "eve", "zoe", "new")
ITEM_IDS = ("a", "b", "c", "d", "e", "f")
NAMES = st.lists(st.sampled_from("PQxyz"), max_size=2, unique=True)
EVENT = st.tuples(
    st.just("event"),
    st.sampled_from(USERS),
    st.sampled_from(ITEM_IDS),
    st.integers(0, 200_000),
    st.sampled_from(["watch", "watch", "watch", "like", "skip", "wach"]),
)
CHANGES = st.lists(
    st.one_of(
        EVENT,
        EVENT,
        EVENT,
        st.tuples(
            st.just("item"),
            st.sampled_from(ITEM_IDS),
            st.none() | st.sampled_from(["T", "tea pot"]),
            NAMES,
            NAMES,
            st.none() | st.integers(0, 300),
        ),
        st.tuples(st.just("item_deleted"), st.sampled_from(ITEM_IDS)),
        st.tuples(st.just("user"), st.sampled_from(USERS), st.integers(0, 3)),
        st.tuples(st.just("user_deleted"), st.sampled_from(USERS)),
        st.tuples(st.just("impression"), st.sampled_from(ITEM_IDS)),
    ),
    max_size=25,
)


def a_base() -> Dataset:
    types = ["watch", "like", "watch", "skip", "watch"]
    frame = pl.DataFrame(
        {
            "time_s": [time_s for time_s, _, _ in ROWS],
            "event_type": types,
            "user_id": [user for _, user, _ in ROWS],
            "item_id": [item for _, _, item in ROWS],
        }
    )
    users = pl.DataFrame({"user_id": ["ann", "bob"], "language": ["da", None]})
    return dataset_from_frame(frame, pl.DataFrame(ITEMS), users)


def entry(seq, change):
    kind, key, *rest = change
    body, user, time_s = {}, None, 400
    match kind:
        case "event":
            item, time_s, event_type = rest
            body = {"user_id": key, "item_id": item, "event_type": event_type, "time_s": time_s}
            user, key = key, f"e{seq}"
        case "item":
            title, publishers, keywords, published_s = rest
            body = {"item_id": key, "publishers": publishers, "keywords": keywords}
            body |= {} if title is None else {"title": title}
            body |= {} if published_s is None else {"published_s": published_s}
        case "item_deleted":
            body = {"item_id": key}
        case "user":
            user, body = key, {"user_id": key, "properties": {"n": rest[0]}}
        case "impression":
            body = {"shown": [key]}
    return Entry(seq, kind, key, user, time_s, 400, canonical_json(body))


class Kept:
    def __init__(self, entries):
        self.entries = entries

    def read(self, after_seq=0, limit=1000):
        return [one for one in self.entries if one.seq > after_seq][:limit]


def followed(entries, most=1000):
    # A live state changes the ids of its data set, so that each has its own.
    state = LiveState(fit_pipeline(a_base(), method_named("walk", {})))
    engine = Engine(Kept(entries), state, FollowingSettings(most_entries=most))
    engine.catch_up()
    return engine


def purged(entries):
    """What a log holds of the same entries: of a forgotten user nothing from before."""
    gone = {one.key: one.seq for one in entries if one.kind == "user_deleted"}
    return [
        one
        for one in entries
        if one.kind == "user_deleted" or one.seq > gone.get(one.user_id or "", -1)
    ]


def edges_of(state):
    edges = state.pipeline._source._graph.unsharpened_edges()
    return {
        (node, int(edges.target_row[at])): float(edges.weight[at])
        for node in range(len(edges.ptr) - 1)
        for at in range(edges.ptr[node], edges.ptr[node + 1])
    }


def assert_equal(live, batch):
    """Two states know the same."""
    for node in ("user", "item"):
        ids = [state.pipeline.dataset.ids[node].keys.to_list() for state in (live, batch)]
        assert ids[0] == ids[1]
    assert live.pipeline.cut_s == batch.pipeline.cut_s
    n_users = len(live.pipeline.dataset.ids["user"])
    everyone = np.arange(n_users, dtype=np.int32)
    asked = [state.pipeline.queries_of(everyone) for state in (live, batch)]
    for name in Queries.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(asked[0], name), getattr(asked[1], name), name)
    weights, expected = edges_of(live), edges_of(batch)
    assert weights.keys() == expected.keys()
    np.testing.assert_allclose(
        list(weights.values()), [expected[edge] for edge in weights], rtol=1e-6
    )
    popular = [state.pipeline._fallback.score(asked[0]) for state in (live, batch)]
    np.testing.assert_allclose(popular[0], popular[1], rtol=1e-5)
    known, other = live.pipeline.catalogue, batch.pipeline.catalogue
    assert list(known.descriptions()) == list(other.descriptions())
    np.testing.assert_array_equal(known.published_s, other.published_s)
    np.testing.assert_array_equal(known.n_events, other.n_events)
    np.testing.assert_array_equal(known.shown(9), other.shown(9))
    assert live.properties == batch.properties
    assert list(live.user_ids.starting_with("")) == list(batch.user_ids.starting_with(""))
    for words in ("t", "tea p", "p", "x"):
        assert live.search.find(words, 9) == batch.search.find(words, 9)
    for filters in (ItemFilters(), ItemFilters(max_age_days=1), ItemFilters(deny=("a",))):
        for seen in ("hide", "allow"):
            slates = [
                state.pipeline.recommend(asked[0], Request(4, seen, filters))
                for state in (live, batch)
            ]
            shown = [slate.shown for slate in slates]
            np.testing.assert_array_equal(shown[0].item_row, shown[1].item_row)
            np.testing.assert_allclose(shown[0].score, shown[1].score, rtol=1e-5)
            assert slates[0].notes == slates[1].notes


@settings(max_examples=12, deadline=None)
@given(CHANGES, st.integers(1, 30), st.booleans())
def test_a_live_state_is_what_a_batch_makes_of_the_same_log(changes, most, is_purged):
    entries = [entry(seq, change) for seq, change in enumerate(changes, 1)]
    entries = purged(entries) if is_purged else entries
    engine = followed(entries, most)
    twins = engine._learning._states._sides
    dataset = dataset_of_log(a_base(), entries)
    pipeline = fit_pipeline(dataset, method_named("walk", {}), twins[0].pipeline.cut_s)
    batch = LiveState(pipeline)
    for live in twins:
        assert_equal(live, batch)
    n_wrong = sum(change[0] == "event" and change[-1] == "wach" for change in changes)
    assert engine.n_skipped <= n_wrong
    # On goes the log, from either.
    later = [entry(seq, change) for seq, change in enumerate(changes[::-1], 100)]
    batch.seq = 99
    again = Engine(Kept(later), batch)
    again.catch_up()
    on = followed([*entries, *later])
    with again.read() as first, on.read() as second:
        assert_equal(second, first)


def test_the_base_stays_and_what_the_log_says_stands_in_tables_and_edges():
    base = a_base()
    before = base.items, base.users, len(base.log), base.ids["user"].keys.to_list()
    entries = [
        entry(1, ("event", "zoe", "new", 50, "watch")),
        entry(2, ("item", "new", "N", ["R"], ["x", "z"], 40)),
        entry(3, ("item", "a", "A2", ["Q"], [], None)),
        entry(4, ("item_deleted", "b")),
        entry(5, ("user", "ann", 7)),
        entry(6, ("user_deleted", "bob")),
        entry(7, ("event", "zoe", "a", 0, "watch")),
    ]
    found = dataset_of_log(base, entries)
    assert (base.items, base.users, len(base.log), base.ids["user"].keys.to_list()) == before
    assert "zoe" not in base.ids["user"] and "new" not in base.ids["item"]
    rows = {row["item_id"]: row for row in found.items.to_dicts()}
    assert rows["new"] == {
        "item_id": "new", "title": "N", "publisher": ["R"], "keywords": ["x", "z"],
        "published_s": 40, "duration": None, "is_deleted": False,
    }  # fmt: skip
    assert rows["a"]["title"] == "A2" and rows["a"]["duration"] == 1.5 and rows["b"]["is_deleted"]
    users = found.users.to_dicts()
    assert users[0]["language"] == "da" and json.loads(users[0]["properties"]) == {"n": 7}
    assert users[1] == {"user_id": None, "language": None, "properties": None}
    log = found.log
    told = []
    for at in range(len(log)):
        kind = log.edge_types[log.edge_type[at]]
        source, target = (
            found.ids[node].keys[int(row)]
            for node, row in ((kind.source, log.source_row[at]), (kind.target, log.target_row[at]))
        )
        told.append((int(log.time_s[at]), kind.name, source, target))
    assert (50, "watch", "zoe", "new") in told and (3, "watch", None, "a") in told
    of_a = [one for one in told if one[2] == "a"]
    assert of_a == [(0, "published_by", "a", "Q")]
    of_new = {one for one in told if one[2] == "new"}
    assert of_new == {
        (40, "published_by", "new", "R"),
        (40, "has_keyword", "new", "x"),
        (40, "has_keyword", "new", "z"),
    }
    assert log.n_nodes == {node: len(ids) for node, ids in found.ids.items()}


@pytest.mark.parametrize("key", ["7", 7])
def test_integer_ids_of_a_log_stay_integers(key):
    frame = pl.DataFrame({"time_s": [1, 2], "user_id": [1, 2], "item_id": [5, 6]})
    base = dataset_from_frame(frame)
    event = {"user_id": 3, "item_id": key, "event_type": base.log.edge_types[0].name}
    entries = [Entry(1, "event", "e", "3", 9, 9, canonical_json(event))]
    found = dataset_of_log(base, entries)
    expected = [5, 6, 7] if key == 7 else [5, 6]
    assert found.ids["item"].keys.to_list() == expected


def test_nothing_told_changes_nothing():
    base = small_dataset(ROWS)
    found = dataset_of_log(base, [])
    assert found.items.equals(base.items) and found.users.equals(base.users)
    np.testing.assert_array_equal(found.log.time_s, base.log.time_s)
    assert found.log.edge_types == base.log.edge_types
