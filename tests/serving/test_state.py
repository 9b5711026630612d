"""The live state: ids grow, and event by event it reaches what the pipeline reaches at once."""

import copy

import numpy as np
import polars as pl
import pytest

from graphrec.errors import DataError, UnknownIdError
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription
from graphrec.events.ids import Key
from graphrec.events.readers import dataset_from_frame
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.sources import method_named
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.object_graph import flatten, rebuild
from graphrec.pipeline import Pipeline, Request
from graphrec.serving.changes import ItemDeleted, ItemPut, LiveEvent, UserPut
from graphrec.serving.state import LiveState
from tests.worlds import small_dataset

METHOD = PipelineMethod.model_validate(
    {
        "sources": [{"source": {"method": name}} for name in ("walk", "own", "trending", "fresh")],
        "ranker": {"ranker": "lambdamart", "max_trees": 20, "n_leaves": 7, "early_stopping": 0},
        "staged": {
            "n_candidates": 60,
            "replayed": 0.2,
            "replay": {"n_candidates": 60, "n_lists": 150},
        },
    }
)


def events_of(dataset: Dataset) -> list[LiveEvent]:
    """The user–item events of a log by name, in order."""
    log, ids = dataset.log, dataset.ids
    found = []
    for at in range(len(log)):
        kind = log.edge_types[log.edge_type[at]]
        if (kind.source, kind.target) == ("user", "item"):
            user = ids["user"].key(int(log.source_row[at]))
            item = ids["item"].key(int(log.target_row[at]))
            weight = float(log.weight[at])
            found.append(LiveEvent(int(log.time_s[at]), kind.name, user, item, weight))
    return found


def dataset_of(events: list[LiveEvent], items: pl.DataFrame) -> Dataset:
    names = ["time_s", "event_type", "user_id", "item_id", "weight"]
    rows = [(one.time_s, one.kind, one.user_id, one.item_id, one.weight) for one in events]
    return dataset_from_frame(pl.DataFrame(rows, names, orient="row"), items)


@pytest.fixture(scope="module")
def world() -> tuple[list[LiveEvent], pl.DataFrame]:
    dataset = generate_world(WorldSettings(name="small", n_events=3000, days=30, seed=5)).dataset
    return events_of(dataset), dataset.items


def asked(pipeline: Pipeline, user_ids: list[Key]) -> list[list[tuple[Key, float]]]:
    queries = pipeline.queries_of_keys(user_ids)
    slate = pipeline.recommend(queries, Request(8, "allow"))
    assert not [note for note in slate.notes if "topped up" not in note]
    return [
        [(one.item_id, one.score) for one in pipeline.describe(slate, query)]
        for query in range(len(user_ids))
    ]


def test_events_one_by_one_lead_where_one_batch_of_them_leads(world) -> None:
    events, items = world
    cut = next(n for n, one in enumerate(events) if one.time_s >= events[2000].time_s)
    cut_s = events[cut].time_s
    early, every = dataset_of(events[:cut], items), dataset_of(events, items)
    assert every.n_users > early.n_users + 3
    whole = fit_pipeline(every, METHOD, cut_s)
    log = every.log.interactions()
    whole.absorb(log.take(log.time_s >= cut_s))
    state = LiveState(fit_pipeline(early, METHOD, cut_s))
    assert set(state.kinds) >= {"watch", "like", "rate", "report"}
    assert {"rate", "report"} <= set(state.pipeline.streams)
    for one in events[cut:]:
        state.apply([one])
    assert state.pipeline.dataset.ids["user"].keys.to_list() == every.ids["user"].keys.to_list()
    assert state.pipeline.cut_s == whole.cut_s
    users = list(dict.fromkeys(one.user_id for one in events[cut:]))[-60:]
    whole.settle()
    assert asked(state.pipeline, users) == asked(whole, users)


@pytest.mark.parametrize("seed", range(4))
def test_events_of_any_order_in_any_batches_lead_to_one_state(seed, world) -> None:
    events, items = world
    rng = np.random.default_rng(seed)
    states = []
    for order in (np.arange(700, 900), rng.permutation(np.arange(700, 900))):
        early = dataset_of(events[:700], items)
        state = LiveState(fit_pipeline(early, method_named("propagate", {})))
        for part in np.split(order, np.sort(rng.integers(0, 200, 6))):
            state.apply([events[at] for at in part.tolist()])
        states.append(state)
    users = list(dict.fromkeys(one.user_id for one in events[:900]))[-30:]
    first, second = (asked(state.pipeline, users) for state in states)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(
            [score for _, score in one], [score for _, score in other], rtol=1e-5
        )


def test_nobody_known_of_is_known_with_the_first_event() -> None:
    dataset = small_dataset([(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a")])
    state = LiveState(fit_pipeline(dataset, method_named("walk", {})))
    with pytest.raises(UnknownIdError):
        state.pipeline.queries_of_keys(["eve"])
    state.apply([LiveEvent(4, "watch", "eve", "a"), LiveEvent(5, "watch", "eve", "new")])
    queries = state.pipeline.queries_of_keys(["eve"])
    assert [one.item_id for one in state.pipeline.past(queries, 0, limit=5)] == ["new", "a"]
    assert state.pipeline.past(queries, 0, limit=1)[0].title == "new"
    found = [item for item, _ in asked(state.pipeline, ["ann"])[0]]
    assert "new" in found


def test_what_cannot_be_learnt_changes_nothing() -> None:
    dataset = small_dataset([(1, "ann", "a"), (2, "ann", "b"), (3, "bob", "a")])
    state = LiveState(fit_pipeline(dataset, method_named("walk", {})))
    before = copy.deepcopy(asked(state.pipeline, ["ann", "bob"]))
    good = LiveEvent(4, "watch", "eve", "a")
    with pytest.raises(DataError, match="no event type 'wach' — there are watch"):
        state.apply([good, LiveEvent(4, "wach", "eve", "a")])
    with pytest.raises(UnknownIdError, match="user 7 cannot be added — user ids are text"):
        state.apply([good, LiveEvent(4, "watch", 7, "a")])
    assert "eve" not in state.pipeline.dataset.ids["user"]
    assert asked(state.pipeline, ["ann", "bob"]) == before
    state.apply([])
    assert asked(state.pipeline, ["ann", "bob"]) == before


def test_an_item_that_nobody_watched_is_brought_by_what_is_said_of_it() -> None:
    items = {
        "item_id": ["a", "b"],
        "publisher": [["P"], ["Q"]],
        "keywords": [["x"], []],
        "published_s": [10, 10],
    }
    dataset = small_dataset([(11, "ann", "a"), (12, "bob", "b")], items)
    state = LiveState(fit_pipeline(dataset, method_named("fresh", {})))

    def shown(user: Key) -> list[Key]:
        queries = state.pipeline.queries_of_keys([user])
        slate = state.pipeline.recommend(queries, Request(5, "hide"))
        return [one.item_id for one in state.pipeline.describe(slate, 0, queries)]

    assert "new" not in shown("ann")
    said = ItemDescription("New", ("P",), ("never heard",), 12)
    state.apply([ItemPut("new", said)])
    assert shown("ann")[0] == "new" and "new" not in shown("bob")
    state.apply([ItemPut("new", ItemDescription("New", ("Q",), (), 12))])
    assert "new" not in shown("ann") and shown("bob")[0] == "new"
    state.apply([ItemDeleted("new")])
    assert "new" not in shown("bob")
    state.apply([ItemDeleted("new"), ItemPut("new", said), ItemPut("b", said)])
    assert "new" in shown("ann")
    queries = state.pipeline.queries_of_keys(["ann"])
    slate = state.pipeline.recommend(queries, Request(5))
    reasons = state.pipeline.describe(slate, 0, queries)[0].reasons
    assert ("publisher", "P") in [(why.kind, why.key) for why in reasons]


def test_what_is_said_of_many_is_kept_whole_and_in_as_few_parts_as_of_few() -> None:
    state = LiveState(fit_pipeline(small_dataset([(1, "ann", "a")]), method_named("walk", {})))
    n_parts = []
    for last in (3, 60):
        for n in range(last):
            said = ItemDescription(
                f"Item {n}" if n % 2 else None, ("p", f"{n}")[: n % 3], ("k",), n
            )
            properties = {"age": n, "height": n / 3, "is_new": n % 2 == 0, "name": f"Ü {n}"}
            state.apply([ItemPut(f"i{n}", said), UserPut(f"u{n}", properties)])
        flat = flatten(state)
        n_parts.append(len(flat.nodes))
        for again in (copy.deepcopy(state), rebuild(flat)):
            assert again.pipeline.catalogue.said == state.pipeline.catalogue.said
            assert list(again.properties.items()) == list(state.properties.items())
            again.apply([ItemPut("i1", ItemDescription("another"))])
            row = state.pipeline.dataset.ids["item"].row("i1")
            assert state.pipeline.catalogue.description(row).title == "Item 1"
    assert n_parts[0] == n_parts[1]
