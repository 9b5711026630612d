"""Sources whose cost does not grow with the catalogue: neighbours, own items, fresh ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import NEVER_S
from graphrec.errors import DataError
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.settings import CoWatchSettings
from graphrec.retrieval.cowatch_neighbours import CoWatchNeighbourSource, NeighbourSettings
from graphrec.retrieval.fresh import FreshSettings, FreshSource, NamedItems
from graphrec.retrieval.own_items import OwnItemsSettings, OwnItemsSource
from graphrec.retrieval.sparse_entries import Entries, LastItems
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import Eligibility, Queries
from tests.worlds import watched

DAY_S = 86_400
BY_WEIGHT = NeighbourSettings(as_shares=False, half_life_items=1)


def asked(items: list[int], time_s: int) -> Queries:
    return Queries.of_sessions([np.array(items, np.int32)], time_s)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0, 2.5]), st.integers(-1, 5)),
        max_size=40,
    ),
    past=st.lists(st.integers(0, 9), max_size=5),
    k=st.integers(0, 12),
    seen=st.sampled_from(["hide", "allow", "only_again"]),
    allowed=st.none() | st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_entries_are_summed_by_item_and_the_best_are_kept(entries, past, k, seen, allowed):
    columns = list(zip(*entries, strict=True)) if entries else [(), (), ()]
    record = Entries(
        np.array([0, len(entries)], np.int64),
        np.array(columns[0], np.int32),
        np.array(columns[1], np.float64),
        np.array(columns[2], np.int32),
    )
    mask = None if allowed is None else np.array(allowed)
    found = record.best(asked(past, 9), k, Eligibility(seen, mask), "x")
    expected = {}
    for item, value, _ in entries:
        fits = {"hide": item not in past, "allow": True, "only_again": item in past}[seen]
        if fits and (allowed is None or allowed[item]):
            expected[item] = expected.get(item, 0.0) + value
    best = sorted(((-total, item) for item, total in expected.items() if total > 0))[:k]
    assert found.item_row[0, : len(best)].tolist() == [item for _, item in best]
    assert (found.item_row[0, len(best) :] == -1).all()
    assert found.score[0, : len(best)].tolist() == [-total for total, _ in best]
    for place, (total, item) in enumerate(best):
        largest = max(value for one, value, _ in entries if one == item)
        reason = next(r for one, value, r in entries if one == item and value == largest)
        assert found.reason_item[0, place] == reason
        share = largest / -total if reason >= 0 else 0
        assert found.reason_share[0, place] == pytest.approx(share)


def test_last_items_are_distinct_newest_first_and_fade():
    last = LastItems.of_queries(asked([4, 4, 2, 4, 7, 9], 10), 3, 1.0)
    assert last.ptr.tolist() == [0, 3]
    assert last.item_row.tolist() == [4, 2, 7]
    assert last.weight.tolist() == [1, 0.5, 0.25]


def test_neighbours_sum_the_edges_of_the_last_items():
    # Two users go 0 -> 1, one of them on to 2; one goes 3 -> 2.
    rows = [(0, 0, 0), (1, 0, 1), (2, 0, 2), (0, 1, 0), (1, 1, 1), (0, 2, 3), (1, 2, 2)]
    events = watched(sorted(rows), n_items=5)
    source = CoWatchNeighbourSource(CoWatchSettings(window_hours=1), BY_WEIGHT)
    source.fit(events, 10)
    found = source.retrieve(asked([0, 3], 10), 4, Eligibility())
    # 0 -> 1 twice and 0 -> 2 once count full, 3 -> 2 half.
    assert found.item_row[0].tolist() == [1, 2, -1, -1]
    assert found.score[0, :2].tolist() == [2.0, 1.5]
    assert found.reason_item[0, :2].tolist() == [0, 0]
    np.testing.assert_allclose(found.reason_share[0, :2], [1, 2 / 3])
    shares = CoWatchNeighbourSource(
        CoWatchSettings(window_hours=1), NeighbourSettings(half_life_items=1)
    )
    shares.fit(events, 10)
    np.testing.assert_allclose(
        shares.score(asked([0, 3], 10)), [[0, 2 / 3, 1 / 3 + 1 / 2, 0, 0]], rtol=1e-6
    )


def test_edges_of_neighbours_age():
    ageing = AgeingSettings(mode="half_life", half_life_days=1)
    source = CoWatchNeighbourSource(CoWatchSettings(ageing=ageing), BY_WEIGHT)
    source.fit(watched([(0, 0, 0), (0, 0, 1)]), 1)
    source.absorb(watched([(DAY_S - 1, 5, 2)]))
    np.testing.assert_allclose(source.score(asked([0], DAY_S)), [[0, 0.5, 0]], rtol=1e-5)


def test_neighbours_beside_walks_read_one_graph_and_leave_the_learning_to_them():
    walk = RandomWalkSource()
    beside = CoWatchNeighbourSource(settings=BY_WEIGHT, beside=walk)
    events = watched([(0, 0, 0), (1, 0, 1)])
    for source in (walk, beside):
        source.fit(events, 5)
    later = watched([(6, 1, 0), (7, 1, 1)])
    for source in (walk, beside):
        source.absorb(later)
    assert beside.score(asked([0], 9)).tolist() == [[0, 2]]


def test_own_items_are_ordered_by_how_often_and_how_recently_they_were_used():
    source = OwnItemsSource(
        OwnItemsSettings(event_power=1, time_power=1, time_unit_s=10, habit=0.25)
    )
    source.fit(watched([(1, 0, 0)], n_items=5), 5)
    queries = Queries(
        np.array([0], np.int32),
        np.array([100], np.int64),
        np.array([0, 3], np.int64),
        np.array([2, 4, 2], np.int32),
        np.array([90, 80, 70], np.int64),
        np.ones(3, np.float32),
    )
    # Item 2: 1 * 1/2 + 1/3 * 1/4; item 4: 1/2 * 1/3, and 1/4 * 1/3 as what came after item 2.
    two, four = 1 / 2 + 1 / 12, 1 / 6 + 1 / 12
    found = source.retrieve(queries, 3, Eligibility("allow"))
    assert found.item_row[0].tolist() == [2, 4, -1]
    np.testing.assert_allclose(found.score[0, :2], np.array([two, four]) / (two + four), rtol=1e-6)
    assert found.reason_item[0].tolist() == [2, 4, -1]
    assert found.reason_share[0].tolist() == [1, 1, 0]
    assert (source.retrieve(queries, 3, Eligibility("hide")).item_row == -1).all()


def named(rows: list[tuple[int, int, list[int]]]) -> NamedItems:
    """Items as (published_s, publisher_row, keywords)."""
    return NamedItems(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int32),
        np.cumsum([0, *(len(row[2]) for row in rows)]).astype(np.int64),
        np.array([word for row in rows for word in row[2]], np.int32),
    )


def test_fresh_items_come_from_the_publishers_and_keywords_of_the_last_items():
    items = named(
        [
            (0, 0, [0, 1]),
            (9 * DAY_S, 0, []),
            (8 * DAY_S, 1, [1]),
            (9 * DAY_S, 2, [2]),
            (DAY_S, 0, [0]),
            (10 * DAY_S, 0, [0]),
        ]
    )
    source = FreshSource(items, FreshSettings(keyword_weight=1))
    source.fit(watched([(1, 0, 0)], n_items=6), 5)
    found = source.retrieve(asked([0], 10 * DAY_S), 5, Eligibility())
    # Item 1 by its publisher, a day old; 2 by one of two keywords, two days old; 3 shares nothing,
    # 4 is too old, 5 is published at the query's time and not before.
    assert found.item_row[0].tolist() == [1, 2, -1, -1, -1]
    np.testing.assert_allclose(found.score[0, :2], [1 / 2, 1 / 2 * 1 / 4])
    assert found.reason_item[0].tolist() == [0, 0, -1, -1, -1]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.integers(-1, 2),
            st.lists(st.integers(0, 3), unique=True, max_size=3),
        ),
        min_size=1,
        max_size=14,
    ),
    cut=st.integers(0, 14),
    time_s=st.integers(0, 14),
    past=st.lists(st.integers(0, 13), max_size=4),
)
def test_fresh_scores_agree_with_every_item_looked_at(rows, cut, time_s, past):
    chosen = FreshSettings(
        max_age_days=6 / DAY_S, half_life_days=2 / DAY_S, n_newest=1000, half_life_items=1
    )
    source = FreshSource(named(rows[:cut]), chosen)
    source.add_items(named(rows[cut:]))
    source.fit(watched([], n_items=len(rows)), 0)
    past = [item for item in past if item < len(rows)]
    distinct = list(dict.fromkeys(past))
    expected = np.zeros(len(rows))
    for item, (published_s, publisher, words) in enumerate(rows):
        if not time_s - 6 <= published_s < time_s:
            continue
        for place, one in enumerate(distinct):
            _, its_publisher, its_words = rows[one]
            affinity = float(publisher == its_publisher >= 0)
            shared = len(set(words) & set(its_words))
            affinity += 0.5 * shared / max(len(its_words), 1)
            expected[item] += 0.5**place * affinity * 0.5 ** ((time_s - published_s) / 2)
    np.testing.assert_allclose(source.score(asked(past, time_s))[0], expected, rtol=1e-5)


def test_a_fresh_item_is_found_as_soon_as_it_is_described_and_an_undescribed_one_never():
    source = FreshSource(named([(0, 0, [])]))
    source.fit(watched([(1, 0, 0)], n_items=1), 5)
    source.add_items(named([(50, 0, [])]))
    source.absorb(watched([(60, 0, 2)], n_items=3))
    assert source.retrieve(asked([0], 100), 2, Eligibility()).item_row[0].tolist() == [1, -1]
    assert source.retrieve(asked([2], 100), 2, Eligibility()).item_row[0].tolist() == [-1, -1]


@pytest.mark.parametrize("known", ["described", "used", "an earlier event comes late"])
def test_an_item_without_a_date_is_new_from_its_first_event_on(known):
    source = FreshSource(named([(0, 0, [1]), (NEVER_S, 0, [1])]))
    past = [(1, 0, 0)] if known == "described" else [(1, 0, 0), (50, 0, 1)]
    source.fit(watched(past, n_items=2), 55)
    if known == "described":
        assert source.retrieve(asked([0], 60), 1, Eligibility()).item_row[0].tolist() == [-1]
        source.absorb(watched([(50, 0, 1)], n_items=2))
    if known == "an earlier event comes late":
        source.absorb(watched([(40, 0, 1)], n_items=2))
    from_s = 40 if known == "an earlier event comes late" else 50
    dated = FreshSource(named([(0, 0, [1]), (from_s, 0, [1])]))
    dated.fit(watched([(1, 0, 0)], n_items=2), 5)
    for time_s in (from_s, from_s + 1, 60):
        query = asked([0], time_s)
        assert source.score(query).tolist() == dated.score(query).tolist()
    source.fit(watched([(1, 0, 0)], n_items=2), 5)
    assert source.retrieve(asked([0], 60), 1, Eligibility()).item_row[0].tolist() == [-1]


def test_items_that_nobody_dated_yet_are_found_by_nobody():
    source = FreshSource(named([(NEVER_S, 0, [9000]), (NEVER_S, 0, [9000])]))
    source.fit(watched([], n_items=2), 5)
    assert source.score(asked([0], 60)).tolist() == [[0, 0]]


@settings(max_examples=60, deadline=None)
@given(
    dates=st.lists(st.sampled_from([3, 6, NEVER_S]), min_size=2, max_size=6),
    rows=st.lists(
        st.tuples(st.integers(1, 9), st.just(0), st.integers(0, 5)), min_size=1, max_size=12
    ),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
def test_items_are_dated_alike_in_whatever_batches_events_arrive(dates, rows, cuts):
    rows = [row for row in rows if row[2] < len(dates)]
    described = named([(time_s, 0, [1]) for time_s in dates])
    chosen = FreshSettings(n_newest=1)
    at_once, batched = FreshSource(described, chosen), FreshSource(described, chosen)
    at_once.fit(watched(sorted(rows), n_items=len(dates)), 50)
    batched.fit(watched([], n_items=len(dates)), 50)
    begin = 0
    for end in [*sorted(cuts), len(rows)]:
        batched.absorb(watched(rows[begin:end], n_items=len(dates)))
        begin = max(begin, end)
    for time_s in (4, 7, 50):
        query = asked([0], time_s)
        assert batched.score(query).tolist() == at_once.score(query).tolist()


@pytest.mark.parametrize(
    ("publisher", "ptr", "message"),
    [
        (0, [0, 0, 0], "as many of each"),
        (0, [0, 2], "pointers to keywords"),
        (-2, [0, 0], "rows are >= 0"),
    ],
)
def test_items_described_by_halves_are_refused(publisher, ptr, message):
    publishers = np.array([publisher], np.int32)
    with pytest.raises(DataError, match=message):
        NamedItems(np.zeros(1, np.int64), publishers, np.array(ptr), np.empty(0, np.int32))
