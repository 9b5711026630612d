"""Laws of the feature builder: time, batches, order of arrival, padding, declarations, refusals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError, LeakageError
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.features.declared import Sees
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.ranking.features.settings import FeatureSettings
from graphrec.ranking.features.stream_features import Rate
from tests.ranking.features.feature_worlds import (
    END_S,
    N_ITEMS,
    START_S,
    World,
    candidates_of,
    interactions,
    table_of,
    worlds,
)

SPARE = settings(deadline=None, max_examples=40)
ONE_QUERY = World([], {"likes": [], "shown": []}, [{}], [(0, END_S, [(START_S, 1)])], [[2, 1]])


def same(first, second):
    return np.array_equal(first, second, equal_nan=True)


@SPARE
@given(worlds(same_time=True), st.integers(0, 100), st.data())
def test_a_stream_event_at_or_after_the_query_changes_nothing(world, later_s, data):
    time_s = world.queries[0][1]
    planted = (time_s + later_s, 0, data.draw(st.integers(0, N_ITEMS - 1)), 1.0)
    before = table_of(world, world.ready())
    arriving = world.ready()
    arriving.absorb_stream("likes", interactions([planted]))
    assert same(table_of(world, arriving), before)
    world.streams["shown"].append(planted)
    assert same(table_of(world, world.ready()), before)


def test_a_stream_event_is_known_from_the_next_second_on():
    world = replace(ONE_QUERY, streams={"likes": [(END_S, 0, 2, 1.0)], "shown": []})
    builder = world.ready()
    column = builder.names.index("pair.likes")
    assert table_of(world, builder)[0, 0, column] == 0
    later = replace(world, queries=[(0, END_S + 1, [(START_S, 1)])])
    assert table_of(later, builder)[0, 0, column] == np.float32(np.log(2))


def test_what_arrives_late_in_a_stream_is_told_with_the_next_question():
    builder = ONE_QUERY.ready()
    column = builder.names.index("pair.likes")
    assert table_of(ONE_QUERY, builder)[0, 0, column] == 0
    builder.absorb_stream("likes", interactions([(START_S + 9, 0, 2, 1.0), (START_S, 0, 2, 1.0)]))
    assert table_of(ONE_QUERY, builder)[0, 0, column] == np.float32(np.log(3))


def test_asking_backwards_in_time_is_refused():
    told = {"likes": [(START_S + 9, 0, 2, 1.0)], "shown": []}
    world = replace(ONE_QUERY, streams=told)
    builder = world.ready()
    table_of(world, builder)
    earlier = replace(world, queries=[(0, START_S + 1, [(START_S, 1)])])
    with pytest.raises(LeakageError, match="order of time"):
        table_of(earlier, builder)


def test_an_event_at_the_cut_is_refused():
    with pytest.raises(LeakageError, match="features"):
        ONE_QUERY.builder().fit(interactions([(END_S, 0, 1, 1.0)]), END_S)


@SPARE
@given(worlds())
def test_a_batch_of_queries_equals_one_at_a_time(world):
    batch = table_of(world, world.ready())
    # Streams hold nothing between the queries, so asking in order of time is the same state.
    builder = world.ready()
    for n in sorted(range(len(world.queries)), key=lambda n: world.queries[n][1]):
        alone = table_of(world, builder, [n])
        assert same(batch[n, : alone.shape[1]], alone[0])


@SPARE
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter_and_one_may_stand_twice(world, random):
    one = replace(
        world, queries=world.queries[:1], lists=world.lists[:1], candidates=world.candidates[:1]
    )
    builder = world.ready()
    table = table_of(one, builder)[0]
    order = [*range(len(table)), *range(len(table))]
    random.shuffle(order)
    mixed = replace(one, candidates=[[one.candidates[0][n] for n in order]])
    assert same(table_of(mixed, builder)[0], table[order])


@SPARE
@given(worlds(), st.data())
def test_fitting_on_all_equals_fitting_on_a_part_and_absorbing_the_rest(world, data):
    world.events.sort(key=lambda event: event[0])
    whole = world.builder()
    whole.fit(interactions(world.events), END_S)
    cuts = st.integers(0, len(world.events))
    first, second = sorted((data.draw(cuts), data.draw(cuts)))
    parts = world.builder()
    few = world.events[:first]
    # Newcomers get rows as they come.
    n_users = max((event[1] for event in few), default=-1) + 1
    n_items = max((event[2] for event in few), default=-1) + 1
    parts.absorb(interactions([(START_S, 0, 0, 1.0)]))
    parts.fit(interactions(few, n_users, n_items), END_S)
    parts.absorb(interactions(world.events[first:second]))
    parts.absorb(interactions(world.events[second:]))
    np.testing.assert_allclose(table_of(world, parts), table_of(world, whole), rtol=1e-6, atol=1e-6)


@SPARE
@given(worlds(), st.randoms(use_true_random=False))
def test_counters_do_not_mind_the_order_of_arrival(world, random):
    # Steps follow the order of arrival; first visits and starts are those that arrived first; the
    # newest events of equal times stand in the order of arrival.
    minds = ("step.", "arrive.", "newcomer.", "visit.others", "visit.mine", "visit.users")
    in_order = world.ready()
    keeps = [n for n, name in enumerate(in_order.names) if not name.startswith(minds)]
    before = table_of(world, in_order)[..., keeps]
    random.shuffle(world.events)
    after = table_of(world, world.ready())[..., keeps]
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


@SPARE
@given(worlds())
def test_asking_changes_nothing_and_leaves_scratch_clean(world):
    builder = world.ready()
    first = table_of(world, builder)
    assert same(table_of(world, builder), first)
    assert_clean(builder)


def assert_clean(builder):
    pools = [vars(family).get("_profiles") for family in builder._families]
    pools = [builder._slots, *(pool for pool in pools if pool is not None)]
    assert len(pools) > 1
    for pool in pools:
        assert all((spare == pool._clean).all() for spare in pool._spare)


def test_scratch_is_clean_after_a_refusal():
    builder = ONE_QUERY.ready()
    right = table_of(ONE_QUERY, builder)
    queries, candidates = ONE_QUERY.asked()
    with pytest.raises(DataError, match="given column price"):
        builder.build(queries, candidates, {"price": np.zeros((1, 1), np.float32)})
    assert_clean(builder)
    assert same(table_of(ONE_QUERY, builder), right)


def test_every_feature_is_declared_once_in_full():
    builder = ONE_QUERY.builder()
    assert len(set(builder.names)) == len(builder.names)
    for feature in builder.features:
        assert feature.meaning
        assert feature.unit
        assert feature.sees in get_args(Sees)
    assert table_of(ONE_QUERY, ONE_QUERY.ready()).shape[2] == len(builder.features)


@pytest.mark.parametrize(
    ("history", "row", "message"),
    [
        ([(START_S, N_ITEMS)], [1], "past item row 7"),
        ([(START_S, -1)], [1], "past item row -1"),
        ([], [N_ITEMS], "candidate item row 7"),
        ([], [-2], "candidate item row -2"),
    ],
)
def test_rows_that_are_not_known_are_refused(history, row, message):
    world = replace(ONE_QUERY, queries=[(0, END_S, history)], candidates=[row])
    with pytest.raises(DataError, match=message):
        table_of(world, world.ready())


def test_lists_for_other_queries_are_refused():
    queries, _ = ONE_QUERY.asked()
    with pytest.raises(DataError, match="2 lists for 1 queries"):
        ONE_QUERY.ready().build(queries, candidates_of([[1], [2]], [{}, {}]))


def test_no_candidates_make_an_empty_table():
    builder = ONE_QUERY.ready()
    world = replace(ONE_QUERY, candidates=[[]])
    assert table_of(world, builder).shape == (1, 0, len(builder.names))
    assert table_of(world, builder, []).shape == (0, 0, len(builder.names))


@pytest.mark.parametrize("event", [(START_S, 0, N_ITEMS, 1.0), (START_S, -2, 0, 1.0)])
def test_events_outside_their_rows_are_refused(event):
    wrong = interactions([event])
    with pytest.raises(DataError, match="row"):
        ONE_QUERY.builder().absorb(wrong)
    with pytest.raises(DataError, match="row"):
        ONE_QUERY.builder().absorb_stream("likes", wrong)
    with pytest.raises(DataError, match="row"):
        FeatureBuilder(FeatureInputs(streams={"likes": wrong}))


def test_wrong_inputs_are_refused():
    some = interactions([(START_S + 1, 0, 1, 1.0), (START_S, 0, 1, 1.0)])
    with pytest.raises(DataError, match="not sorted"):
        FeatureBuilder(FeatureInputs(streams={"likes": some}))
    with pytest.raises(DataError, match="no stream 'views'"):
        ONE_QUERY.builder().absorb_stream("views", some)
    with pytest.raises(DataError, match="stream 'views'"):
        FeatureBuilder(FeatureInputs(rates=(Rate("seen", "views", "events", 0.1),)))
    with pytest.raises(DataError, match="main one"):
        FeatureBuilder(FeatureInputs(streams={"events": interactions([])}))
    with pytest.raises(DataError, match=r"pair\.count"):
        FeatureBuilder(FeatureInputs(streams={"count": interactions([])}))
    with pytest.raises(ValidationError, match="shortest first"):
        FeatureSettings(popularity_hours=(24.0, 24.0))


@pytest.mark.parametrize(
    ("ptr", "row", "message"),
    [([0, 2], [0], "borders"), ([0, 1], [3], "row of a name 3"), ([0, 2], [1, 1], "twice")],
)
def test_names_that_do_not_fit_are_refused(ptr, row, message):
    with pytest.raises(DataError, match=message):
        NamesOfItems(np.array(ptr, np.int64), np.array(row, np.int32), 3)


def test_items_without_any_name_have_no_such_features():
    nothing = NamesOfItems(np.zeros(1, np.int64), np.empty(0, np.int32), 0)
    inputs = FeatureInputs(names={"publisher": nothing})
    builder = FeatureBuilder(inputs)
    builder.absorb(interactions([(START_S, 0, 1, 1.0)]))
    table = table_of(ONE_QUERY, builder)
    for name in ("publisher.affinity", "publisher.total"):
        assert np.isnan(table[..., builder.names.index(name)]).all()


def test_an_item_without_a_date_has_an_age_from_its_first_event_on():
    published_s = np.array([NEVER_S, NEVER_S, START_S - 7])
    shown = interactions([(START_S - 3, 0, 1, 1.0)])
    builder = FeatureBuilder(FeatureInputs(published_s=published_s, streams={"shown": shown}))
    column = builder.names.index("item.age")
    builder.fit(interactions([(START_S, 0, 0, 1.0), (START_S, 0, 2, 1.0)]), END_S)
    aged = np.float32(np.log1p(END_S - START_S + 7))
    np.testing.assert_array_equal(table_of(ONE_QUERY, builder)[0, :, column], [aged, np.nan])
    builder.absorb(interactions([(START_S + 1, 0, 1, 1.0)]))
    young = np.float32(np.log1p(END_S - START_S - 1))
    np.testing.assert_allclose(table_of(ONE_QUERY, builder)[0, :, column], [aged, young], rtol=1e-6)
    builder.fit(interactions([(START_S, 0, 2, 1.0)]), END_S)
    assert np.isnan(table_of(ONE_QUERY, builder)[0, 1, column])


def test_threads_that_build_at_once_get_what_each_gets_alone():
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(START_S, END_S, 600))
    rows = [(int(at), int(rng.integers(3)), int(rng.integers(N_ITEMS)), 1.0) for at in times]
    builder = FeatureBuilder()
    builder.fit(interactions(rows), END_S)
    items = list(range(N_ITEMS)) * 3000
    pasts = [[(START_S + n, user % N_ITEMS) for n in range(3000)] for user in range(8)]
    asking = [World([], {}, [{}], [(user % 3, END_S, pasts[user])], [items]) for user in range(8)]
    alone = [table_of(world, builder) for world in asking]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda world: table_of(world, builder), asking)
            for found, expected in zip(together, alone, strict=True):
                assert same(found, expected)
