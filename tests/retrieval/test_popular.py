from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graphrec.retrieval.popular import PopularSettings, PopularSource
from graphrec.stages import Interactions, Queries
from tests.reference.popularity import decayed_sums, window_sums
from tests.worlds import watched

HOUR_S = 3600
SMALL_BLOCKS = mock.patch("graphrec.retrieval.event_timeline.MIN_BLOCK", 4)
EVENTS = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(0, 2), st.integers(0, 4)), max_size=60
)


def asked_at(*times_s: int) -> Queries:
    queries = [Queries.of_sessions([np.empty(0, np.int32)], time_s) for time_s in times_s]
    return Queries(
        np.concatenate([query.user_row for query in queries]),
        np.array(times_s, np.int64),
        np.zeros(len(times_s) + 1, np.int64),
        queries[0].history_item,
        queries[0].history_time_s,
        queries[0].history_weight,
    )


def fed_in_parts(source: PopularSource, events: Interactions, parts: list[int]) -> None:
    cuts = sorted({min(part, len(events)) for part in parts})
    nothing = events.take(slice(0, 0))
    source.fit(nothing, 0)
    for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
        source.absorb(events.take(slice(start, stop)))


def test_all_time_counts_everything_before_the_query():
    source = PopularSource()
    source.fit(watched([(1, 0, 0), (2, 0, 1), (3, 1, 1), (9, 0, 2)]), 10)
    np.testing.assert_array_equal(source.score(asked_at(9, 10)), [[1, 2, 0], [1, 2, 1]])


def test_a_window_holds_its_first_second_and_not_the_querys_own():
    source = PopularSource(PopularSettings(window_hours=1))
    source.fit(watched([(0, 0, 0), (1, 0, 1), (HOUR_S, 1, 2), (HOUR_S + 1, 1, 2)]), 10_000)
    np.testing.assert_array_equal(
        source.score(asked_at(HOUR_S, HOUR_S + 1)), [[1, 1, 0], [0, 1, 1]]
    )


def test_a_decayed_event_counts_half_after_the_half_life():
    source = PopularSource(PopularSettings(half_life_days=1 / 24))
    source.fit(watched([(0, 0, 0), (HOUR_S, 0, 1)]), 2 * HOUR_S)
    np.testing.assert_allclose(source.score(asked_at(2 * HOUR_S)), [[0.25, 0.5]])


def test_weights_add_up():
    events = watched([(0, 0, 0), (1, 0, 0)])
    events.weight[:] = 0.1, 2.5
    source = PopularSource()
    source.fit(events, 10)
    assert source.score(asked_at(5))[0, 0] == pytest.approx(2.6, abs=2e-6)


@pytest.mark.parametrize("window_hours", [None, 0.2, 1.5])
@settings(max_examples=25, deadline=None)
@given(
    rows=EVENTS,
    times_s=st.lists(st.integers(-5, 31_000), min_size=1, max_size=5),
    parts=st.lists(st.integers(0, 60), max_size=4),
)
def test_windows_are_exact_whatever_the_order_of_arrival(window_hours, rows, times_s, parts):
    events = watched(rows, n_users=3, n_items=5)
    chosen = PopularSettings(window_hours=window_hours)
    source = PopularSource(chosen)
    with SMALL_BLOCKS:
        fed_in_parts(source, events, parts)
    for time_s, score in zip(times_s, source.score(asked_at(*times_s)), strict=True):
        start_s = -1 if chosen.window_s is None else time_s - chosen.window_s
        np.testing.assert_array_equal(score, window_sums(events, start_s, time_s))


@settings(max_examples=25, deadline=None)
@given(
    rows=EVENTS,
    times_s=st.lists(st.integers(0, 31_000), min_size=1, max_size=5),
    parts=st.lists(st.integers(0, 60), max_size=4),
)
def test_decayed_sums_agree_with_every_event_looked_at(rows, times_s, parts):
    events = watched(rows, n_users=3, n_items=5)
    source = PopularSource(PopularSettings(half_life_days=0.02))
    with SMALL_BLOCKS:
        fed_in_parts(source, events, parts)
    for time_s, score in zip(times_s, source.score(asked_at(*times_s)), strict=True):
        expected = decayed_sums(events, time_s, 0.02 * 86_400)
        np.testing.assert_allclose(score, expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(
    "chosen", [PopularSettings(window_hours=2), PopularSettings(half_life_days=0.1)], ids=str
)
def test_a_catalogue_that_grows_step_by_step_ends_like_one_built_at_once(chosen):
    rng = np.random.default_rng(3)
    events = watched(
        list(zip(range(0, 9000, 10), [0] * 900, np.sort(rng.integers(0, 40, 900)), strict=True))
    )
    source, at_once = PopularSource(chosen), PopularSource(chosen)
    at_once.fit(events, 10_000)
    with SMALL_BLOCKS:
        source.fit(watched([], n_items=1), 0)
        for start in range(0, 900, 30):
            part = events.take(slice(start, start + 30))
            known = int(part.item_row.max()) + 1
            source.absorb(
                Interactions(part.time_s, part.user_row, part.item_row, part.weight, 1, known)
            )
    queries = asked_at(0, 4000, 9000, 20_000)
    np.testing.assert_allclose(source.score(queries), at_once.score(queries), rtol=1e-6)


def test_two_kinds_of_fading_are_refused():
    with pytest.raises(ValidationError, match="window_days and half_life_days are both given"):
        PopularSettings(window_days=1, half_life_days=1)


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        (PopularSettings(), "popular"),
        (PopularSettings(window_days=7), "popular_7d"),
        (PopularSettings(window_hours=1.5), "popular_1.5h"),
        (PopularSettings(half_life_days=30), "popular_half_life_30d"),
    ],
)
def test_the_name_tells_the_kind(chosen, name):
    assert PopularSource(chosen).name == name


def test_a_window_in_days_is_as_long_as_it_says():
    assert PopularSettings(window_days=7).window_s == 7 * 86_400
    assert PopularSettings(window_hours=1e-9).window_s == 1
