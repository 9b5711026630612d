import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import NEVER_S
from graphrec.retrieval.recent import RecentSettings, RecentSource
from graphrec.stages import Eligibility, Queries
from tests.reference.popularity import newest_shares, window_sums
from tests.worlds import watched

DAY_S = 86_400


def asked_at(time_s: int) -> Queries:
    return Queries.of_sessions([np.empty(0, np.int32)], time_s)


def test_the_newest_comes_first_and_the_unpublished_not_at_all():
    source = RecentSource(np.array([5, 20, 10, 30]))
    source.fit(watched([(6, 0, 0)], n_items=4), 25)
    found = source.retrieve(asked_at(30), 4, Eligibility())
    assert found.item_row[0].tolist() == [1, 2, 0, -1]
    np.testing.assert_allclose(found.score[0, :3], [1, 2 / 3, 1 / 3], rtol=1e-6)


def test_of_one_second_the_more_used_in_the_window_comes_first():
    source = RecentSource(np.array([5, 5, 5]), RecentSettings(window_days=1))
    rows = [(6, 0, 0), (7, 1, 0), (8, 2, 0), (2 * DAY_S, 0, 1), (2 * DAY_S + 1, 1, 1)]
    source.fit(watched(rows, n_items=3), 3 * DAY_S)
    found = source.retrieve(asked_at(2 * DAY_S + 9), 3, Eligibility())
    assert found.item_row[0].tolist() == [1, 0, 2]
    assert found.score[0, 1] == found.score[0, 2]


def test_an_item_added_later_is_published_at_its_first_event_however_late_that_arrives():
    source = RecentSource(np.array([50]))
    source.fit(watched([(60, 0, 0)], n_items=1), 70)
    source.absorb(watched([(90, 0, 1)], n_items=3))
    assert source.score(asked_at(90)).tolist() == [[1, 0, 0]]
    assert source.score(asked_at(91)).tolist() == [[0.5, 1, 0]]
    source.absorb(watched([(40, 1, 1)], n_items=3))
    assert source.score(asked_at(91)).tolist() == [[1, 0.5, 0]]


def test_an_item_that_was_never_dated_is_not_new_but_published_at_its_first_event():
    source = RecentSource(np.array([50, NEVER_S, NEVER_S]))
    source.fit(watched([(60, 0, 0)], n_items=3), 70)
    assert source.score(asked_at(71)).tolist() == [[1, 0, 0]]
    source.absorb(watched([(90, 0, 1)], n_items=3))
    assert source.score(asked_at(91)).tolist() == [[0.5, 1, 0]]
    source.fit(watched([(60, 0, 0)], n_items=3), 70)
    assert source.score(asked_at(91)).tolist() == [[1, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(
    published_s=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    rows=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2), st.integers(0, 7)), max_size=20),
    time_s=st.integers(0, 15),
)
def test_shares_agree_with_sorting_by_publication_then_use(published_s, rows, time_s):
    n_items = len(published_s)
    events = watched([row for row in rows if row[2] < n_items], n_users=3, n_items=n_items)
    source = RecentSource(np.array(published_s))
    source.fit(events.take(slice(0, 0)), 0)
    source.absorb(events)
    popularity = window_sums(events, time_s - 7 * DAY_S, time_s)
    expected = newest_shares(np.array(published_s), popularity, time_s)
    np.testing.assert_allclose(source.score(asked_at(time_s))[0], expected, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    dates=st.lists(st.sampled_from([3, 6, NEVER_S]), min_size=1, max_size=6),
    rows=st.lists(st.tuples(st.integers(1, 9), st.just(0), st.integers(0, 7)), max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
def test_items_are_dated_alike_in_whatever_batches_events_arrive(dates, rows, cuts):
    at_once, batched = RecentSource(np.array(dates)), RecentSource(np.array(dates))
    at_once.fit(watched(sorted(rows), n_items=8), 50)
    batched.fit(watched([], n_items=len(dates)), 50)
    begin = 0
    for end in [*sorted(cuts), len(rows)]:
        batched.absorb(watched(rows[begin:end], n_items=8))
        begin = max(begin, end)
    for time_s in (4, 7, 50):
        query = asked_at(time_s)
        assert batched.score(query).tolist() == at_once.score(query).tolist()
