"""Every column agrees with its slow twin, which looks at raw lists of events."""

from dataclasses import replace
from math import log1p

import numpy as np
import pytest
from hypothesis import given, settings

from graphrec.ranking.features.builder import FeatureBuilder
from graphrec.ranking.features.evidence_features import EvidenceFeatures
from tests.ranking.features.feature_worlds import (
    END_S,
    SOURCES,
    START_S,
    World,
    interactions,
    table_of,
    worlds,
)


def check(world, builder):
    table = table_of(world, builder)
    for query, candidates in enumerate(world.candidates):
        for place, item in enumerate(candidates):
            found = dict(zip(builder.names, table[query, place].tolist(), strict=True))
            expected = world.expected(query, item)
            assert set(expected) <= set(found)
            for name, value in found.items():
                wanted = expected.get(name, np.nan)
                assert value == pytest.approx(wanted, rel=2e-5, abs=2e-6, nan_ok=True), name
        assert np.isnan(table[query, len(candidates) :]).all()


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_features_agree_with_their_twins(world):
    check(world, world.ready())


@settings(deadline=None, max_examples=60)
@given(worlds(same_time=True))
def test_features_agree_with_their_twins_while_streams_run_on(world):
    check(world, world.ready())


def test_a_rich_log_leaves_no_column_empty_but_those_of_a_silent_source_and_of_lists_shown():
    rng = np.random.default_rng(1)
    n = 400

    def drawn():
        return [
            (int(t), int(u), int(i), 1.0)
            for t, u, i in zip(
                rng.integers(START_S, END_S, n),
                rng.integers(-1, 4, n),
                rng.integers(0, 6, n),
                strict=True,
            )
        ]

    history = [(END_S - 500 * k - 1, int(rng.integers(0, 4))) for k in range(40)]
    lists = [{name: {i: (1.0 - i, i) for i in range(6)} for name in ("walks", "peers")}]
    world = World(
        sorted(drawn()),
        {"likes": drawn(), "shown": drawn()},
        lists,
        [(1, END_S, history)],
        [list(range(6))],
    )
    builder = world.ready()
    check(world, builder)
    table = table_of(world, builder)
    empty = {name for n, name in enumerate(builder.names) if np.isnan(table[..., n]).all()}
    silent = {f"silent.{what}" for what in ("score", "gap", "place")}
    within = ("rank", "z", "from_last", "from_met")
    listed = {f"list.{name}_{what}" for name in ("price", "place") for what in within}
    assert empty == silent | {"shown.price", "shown.place"} | listed


def test_features_by_hand():
    # User 0 had item 1, then 0, then 1 again, one hour apart, and asks one hour later.
    events = [(START_S + 3600 * n, 0, item, 1.0) for n, item in enumerate((1, 0, 1))]
    history = [(time_s, item) for time_s, _, item, _ in reversed(events)]
    time_s = START_S + 3 * 3600
    world = World(events, {"likes": [], "shown": []}, [{}], [(0, time_s, history)], [[1, 0, 2]])
    builder = world.ready()
    one, zero, two = (
        dict(zip(builder.names, row.tolist(), strict=True)) for row in table_of(world, builder)[0]
    )
    assert one["pair.count"] == pytest.approx(log1p(2))
    assert one["pair.since"] == pytest.approx(log1p(3600))
    assert one["pair.gap"] == pytest.approx(log1p(7200))
    assert one["pair.streak"] == 1
    assert zero["pair.switches"] == 1
    # Item 0 came right after an event of item 1 that stands at place 2.
    assert zero["pair.habit"] == pytest.approx(log1p(3**-0.5))
    assert two["pair.count"] == 0
    assert np.isnan(two["pair.since"])
    # Half-lives of an hour: 1/2 of the newest event, 1/8 of the oldest.
    assert one["item.popular_1h"] == pytest.approx(log1p(1 / 2 + 1 / 8))
    assert one["arrive.1h"] == pytest.approx(log1p(1 / 8))
    assert one["visit.mine"] == 1
    # Steps 1 -> 0 and 0 -> 1, each once; from 1 two places back to 1 is no step.
    assert zero["step.from_last"] == pytest.approx(log1p(0.5 ** (2 / 720)), rel=1e-5)
    assert one["step.from_last"] == 0
    # START_S is 2020-09-13 12:26:40 UTC, a Sunday.
    assert one["time.hour"] == pytest.approx(15 + 26 / 60 + 40 / 3600)
    assert one["time.weekday"] == 6


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_a_list_without_evidence_counts_for_the_sources_that_found_its_items(world):
    queries, candidates = world.asked()
    shape = candidates.item_row.shape
    found = np.where(candidates.item_row < 0, -1, np.arange(shape[1]) % 3).astype(np.int8)
    score = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)[:, ::-1]
    plain = replace(candidates, evidence=None, source=found, score=score)
    builder = FeatureBuilder(world.inputs())
    builder.absorb(interactions(world.events))
    table = builder.build(queries, plain)
    lists = []
    for q in range(shape[0]):
        by_source = {}
        for c, item in enumerate(world.candidates[q]):
            by_source.setdefault(candidates.source_names[c % 3], {})[item] = (
                float(score[q, c]),
                c,
            )
        lists.append(by_source)
    columns = [feature.name for feature in EvidenceFeatures(SOURCES).features]
    world.lists = lists
    for q, row in enumerate(world.candidates):
        for c, item in enumerate(row):
            expected = world.expected(q, item)
            for name in columns:
                value = table[q, c, builder.names.index(name)]
                assert value == pytest.approx(expected.get(name, np.nan), rel=1e-5, nan_ok=True)


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_given_columns_stand_as_they_were_given_and_padding_is_missing(world):
    queries, candidates = world.asked()
    price = np.arange(candidates.item_row.size, dtype=np.float32).reshape(candidates.item_row.shape)
    builder = world.ready()
    table = builder.build(queries, candidates, {"price": price})
    real = candidates.item_row >= 0
    column = table[..., builder.names.index("shown.price")]
    assert (column[real] == price[real]).all()
    assert np.isnan(table[~real]).all()
    assert np.isnan(table[..., builder.names.index("shown.place")]).all()
