"""Stages that learn descriptions live stand where those stand that knew them from the start."""

import copy
from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.events.catalogue import Catalogue
from graphrec.events.descriptions import ItemDescription
from graphrec.experiment.named_items import named_items_of
from graphrec.experiment.slates import item_facts
from graphrec.experiment.staging import feature_inputs
from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.fresh import FreshSettings, FreshSource
from graphrec.retrieval.named import NamedSource
from graphrec.retrieval.recent import RecentSource
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.quotas import QuotaSettings
from graphrec.slate.rules import RuleSettings
from graphrec.slate.settings import SlateSettings
from graphrec.slate.similarity import SimilaritySettings
from graphrec.stages import Candidates, Eligibility, Queries
from tests.worlds import small_dataset, watched

N_ITEMS = 7
NAMES = st.lists(st.sampled_from("PQRST"), max_size=3, unique=True)
SAID = st.tuples(st.none(), NAMES, NAMES, st.none() | st.integers(0, 90))
# One item bears every name, so that rows of names are the same from the start on.
FIRST = ("all", list("PQRST"), list("PQRST"), 5)
EVENTS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 2), st.integers(0, N_ITEMS - 1)),
    min_size=1,
    max_size=12,
)

CHANGES = st.dictionaries(st.integers(1, N_ITEMS - 1), SAID, min_size=1)
AFFINITY = ("publisher.affinity", "publisher.best", "publisher.overlap")


def dataset_of(said):
    items = {
        "item_id": [str(row) for row in range(len(said))],
        "title": [one[0] for one in said],
        "publisher": [list(one[1]) for one in said],
        "keywords": [list(one[2]) for one in said],
        "published_s": [one[3] for one in said],
    }
    table = pl.DataFrame(items, schema_overrides={"title": pl.String, "published_s": pl.Int64})
    return small_dataset([(1, "ann", "0")], table.to_dict(as_series=True))


def parts_of(dataset):
    fresh = FreshSource(named_items_of(dataset), FreshSettings(max_age_days=30))
    blend = BlendedSource([NamedSource(fresh, "new"), RecentSource(dataset.given_published_s())])
    features = FeatureBuilder(feature_inputs(dataset, ()))
    slate = SlateSettings(
        rules=RuleSettings(deny_keywords=(1,), deny_publishers=(2,)),
        diversity="mmr",
        similarity=SimilaritySettings(vectors=0, publisher=1, keywords=1),
        quotas=(QuotaSettings(group="publisher", at_most=1, places=3),),
    )
    return blend, features, SlateArranger(item_facts(dataset), slate)


def answers_of(blend, features, arranger, queries):
    n = N_ITEMS
    everything = Candidates(
        np.tile(np.arange(n, dtype=np.int32), (len(queries), 1)),
        np.tile(np.arange(n, 0, -1).astype(np.float32), (len(queries), 1)),
        np.zeros((len(queries), n), np.int8),
        ("all",),
        np.full((len(queries), n), -1, np.int32),
        np.zeros((len(queries), n), np.float32),
    )
    scores = [source.score(queries)[:, :n] for source in blend.sources]
    found = blend.retrieve(queries, 5, Eligibility("allow"))
    slate = arranger.arrange(queries, everything, 4)
    return [*scores, found.item_row, slate.shown.item_row, features.build(queries, everything)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(SAID, min_size=1, max_size=N_ITEMS - 1),
    EVENTS,
    st.lists(
        st.dictionaries(st.integers(1, N_ITEMS - 1), SAID, min_size=1), min_size=1, max_size=3
    ),
)
def test_learnt_descriptions_count_like_those_known_from_the_start(said, rows, changes):
    base = [FIRST, *said]
    events = watched(sorted(rows), n_users=3, n_items=N_ITEMS)
    early = events.take(events.item_row < len(base))
    live = parts_of(dataset_of(base))
    dataset = dataset_of(base)
    catalogue = Catalogue(dataset, early)
    for part in live[:2]:
        part.fit(early.take(slice(0, 0)), 0)
        part.absorb(events)
    twins = copy.deepcopy(live)
    queries = Queries.of_sessions(
        [np.array([0, 1], np.int32), np.array([2 % len(base)], np.int32)], 200
    )
    catalogue.absorb(watched([], n_items=N_ITEMS))
    before = answers_of(*twins, queries)
    final = base + [(None, [], [], None)] * (N_ITEMS - len(base))
    for change in changes:
        catalogue.put({row: ItemDescription(*_tuples(one)) for row, one in change.items()})
        items = catalogue.described(change)
        for part in live:
            part.learn_items(items)
        final = [change.get(row, one) for row, one in enumerate(final)]
    whole = parts_of(dataset_of(final))
    for part in whole[:2]:
        part.fit(early.take(slice(0, 0)), 0)
        part.absorb(events)
    *got, got_features = answers_of(*live, queries)
    *want, want_features = answers_of(*whole, queries)
    # What a publisher's items had before stays counted for the publisher of then.
    names = live[1].names
    kept = [n for n, name in enumerate(names) if "publisher" not in name or name in AFFINITY]
    assert len(kept) < len(names)
    _assert_equal([*got, got_features[..., kept]], [*want, want_features[..., kept]])
    _assert_equal(answers_of(*twins, queries), before)


def _assert_equal(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


def _tuples(one):
    return one[0], tuple(one[1]), tuple(one[2]), one[3]


def test_names_that_nobody_bore_before_are_learnt():
    dataset = dataset_of([("a", ["P"], ["x"], 5), ("b", ["P"], [], 6)])
    events = watched([(10, 0, 0)], n_users=1, n_items=2)
    blend, features, _ = parts_of(dataset)
    for part in (blend, features):
        part.fit(events, 50)
    catalogue = Catalogue(dataset, events)
    catalogue.put(
        {
            1: ItemDescription("b", ("New",), ("y",), 20),
            2: ItemDescription("c", ("New",), ("y", "x"), 30),
        }
    )
    items = catalogue.described([1, 2])
    assert items.publisher_row.tolist() == [1, 1] and items.n_publishers == 2
    assert items.keyword_row.tolist() == [1, 1, 0] and items.n_keywords == 2
    for part in (blend, features):
        part.absorb(watched([(40, 0, 1)], n_users=1, n_items=3))
        part.learn_items(items)
    queries = Queries.of_sessions([np.array([1], np.int32)], 100)
    found = blend.sources[0].retrieve(queries, 5, Eligibility("hide"))
    assert found.item_row[0, 0] == 2
    candidates = replace(found.first(2), item_row=np.array([[2, 0]], np.int32))
    table = features.build(queries, candidates)[0]
    at = features.names.index("publisher.affinity")
    assert table[0, at] == 1 and table[1, at] == 0
