import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.events.history import HistoryIndex
from graphrec.retrieval.last_items import LastItemsSettings, LastItemsSource
from graphrec.stages import Eligibility, Interactions, Queries
from tests.reference.last_items import activation, recency
from tests.reference.popularity import decayed_sums
from tests.worlds import watched

ROWS = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(0, 3), st.integers(0, 5)), max_size=50
).map(sorted)
DAY_S = 86_400


def fitted(rows, chosen: LastItemsSettings, time_s: int) -> tuple[LastItemsSource, Queries]:
    events = watched(rows, n_users=4, n_items=6)
    source = LastItemsSource(chosen)
    source.fit(events, 10_000)
    users = np.arange(4, dtype=np.int32)
    return source, HistoryIndex(events).queries(users, np.full(4, time_s))


def past_of(queries: Queries, query: int) -> list[tuple[int, int]]:
    own = queries.history(query)
    return list(
        zip(queries.history_item[own].tolist(), queries.history_time_s[own].tolist(), strict=True)
    )


def test_edgebank_remembers_exactly_the_pairs_there_were():
    source, queries = fitted(
        [(1, 0, 0), (2, 0, 3), (3, 1, 3)], LastItemsSettings(mode="edgebank"), 50
    )
    expected = np.zeros((4, 6))
    expected[[0, 0, 1], [0, 3, 3]] = 1
    np.testing.assert_array_equal(source.score(queries), expected)


def test_edgebanks_window_keeps_its_length_and_ends_with_the_newest_event_known():
    chosen = LastItemsSettings(mode="edgebank", window_share=0.5)
    rows = [(0, 0, 0), (50, 0, 1), (100, 1, 2)]
    source, queries = fitted(rows, chosen, 1000)
    assert source.score(queries)[0].tolist() == [0, 1, 0, 0, 0, 0]
    later = watched([(101, 2, 3)], n_users=4, n_items=6)
    source.absorb(later)
    assert source.score(queries)[0].tolist() == [0, 0, 0, 0, 0, 0]
    early = Queries(
        queries.user_row,
        np.full(4, 101),
        queries.history_ptr,
        queries.history_item,
        queries.history_time_s,
        queries.history_weight,
    )
    assert source.score(early)[0].tolist() == [0, 1, 0, 0, 0, 0]


def test_recency_puts_the_last_used_first_and_the_popular_behind():
    rows = [(1, 0, 0), (2, 0, 1), (3, 0, 0), (4, 1, 2), (5, 2, 2), (6, 3, 3)]
    source, queries = fitted(rows, LastItemsSettings(mode="recency"), 10)
    found = source.retrieve(queries, 5, Eligibility("allow"))
    assert found.item_row[0].tolist() == [0, 1, 2, 3, -1]
    assert found.reason_item[0].tolist() == [0, 1, -1, -1, -1]
    assert found.reason_share[0].tolist() == [1, 1, 0, 0, 0]


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, time_s=st.integers(0, 9500))
def test_recency_agrees_with_its_slow_twin(rows, time_s):
    chosen = LastItemsSettings(mode="recency", popularity_half_life_hours=0.5)
    source, queries = fitted(rows, chosen, time_s)
    popularity = decayed_sums(watched(rows, n_items=6), time_s, 1800)
    for query, score in enumerate(source.score(queries)):
        np.testing.assert_allclose(score, recency(past_of(queries, query), popularity), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, time_s=st.integers(0, 9500), habit=st.sampled_from([0.0, 0.4, 3.0]))
def test_activation_agrees_with_its_slow_twin(rows, time_s, habit):
    chosen = LastItemsSettings(habit=habit, popularity_half_life_hours=0.5)
    source, queries = fitted(rows, chosen, time_s)
    popularity = decayed_sums(watched(rows, n_items=6), time_s, 1800)
    for query, score in enumerate(source.score(queries)):
        expected = activation(past_of(queries, query), popularity, time_s, chosen)
        np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_activation_is_a_share_of_one(rows):
    source, queries = fitted(rows, LastItemsSettings(), 9500)
    total = source.score(queries).sum(axis=1)
    expected = 1.0 if rows else 0.0
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_a_habit_speaks_for_what_followed_the_last_item_before():
    # a b c a: after a came b once, never c.
    rows = [(1, 0, 0), (2, 0, 1), (3, 0, 2), (4, 0, 0)]
    strong = LastItemsSettings(event_power=0, time_power=0, habit=5, new_events=0)
    source, queries = fitted(rows, strong, 10)
    np.testing.assert_allclose(source.score(queries)[0, :3], [2 / 9, 6 / 9, 1 / 9], rtol=1e-6)


def test_the_reason_of_a_past_item_is_the_part_its_past_brings():
    rows = [(1, 0, 0), (2, 1, 0), (3, 1, 1)]
    source, queries = fitted(rows, LastItemsSettings(new_events=1), 10)
    found = source.retrieve(queries, 2, Eligibility("allow"))
    # User 0: 1/2 from its own past, 1/2 × 2/3 of popularity (all three are equally fresh).
    assert found.reason_item[0].tolist() == [0, -1]
    np.testing.assert_allclose(found.reason_share[0], [0.6, 0], rtol=1e-3)


def test_a_history_item_the_source_has_never_heard_of_is_refused():
    source, _ = fitted([(1, 0, 0)], LastItemsSettings(), 10)
    with pytest.raises(DataError, match="item row 6 — it knows rows 0 to 5"):
        source.score(Queries.of_sessions([np.array([6], np.int32)], 10))


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        (LastItemsSettings(mode="edgebank"), "edgebank"),
        (LastItemsSettings(mode="edgebank", window_share=0.15), "edgebank_window"),
        (LastItemsSettings(mode="recency"), "last_items_recency"),
        (LastItemsSettings(), "last_items"),
    ],
)
def test_the_name_tells_the_mode(chosen, name):
    assert LastItemsSource(chosen).name == name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window_share", "validation", "test"), [(None, 0.5267, 0.4947), (0.15, 0.5997, 0.5710)]
)
def test_edgebank_reproduces_its_published_figures(real_data, window_share, validation, test):
    log = pl.read_parquet(real_data / "tgbl-wiki" / "events.parquet")
    time_s = log["timestamp"].to_numpy().astype(np.int64)
    user_row, item_row = log["user_id"].to_numpy(), log["item_id"].to_numpy()
    events = Interactions(time_s, user_row, item_row, np.ones(len(time_s), np.float32), 8227, 1000)
    first, second = np.searchsorted(time_s, np.quantile(time_s, [0.70, 0.85]), side="right")
    source = LastItemsSource(LastItemsSettings(mode="edgebank", window_share=window_share))
    source.fit(events.take(slice(0, int(first))), int(time_s[first]))
    index = HistoryIndex(events)
    for start, stop, published in ((first, second, validation), (second, len(log), test)):
        ranks = [
            rank
            for batch in range(start, stop, 200)
            for rank in batch_ranks(source, events, index, batch, min(batch + 200, stop))
        ]
        assert np.mean(1 / np.array(ranks)) == pytest.approx(published, abs=0.0005)


def batch_ranks(source, events: Interactions, index: HistoryIndex, start: int, stop: int):
    batch = events.take(slice(start, stop))
    n = len(batch)
    queries = index.queries(batch.user_row, np.full(n, batch.time_s[0]), np.full(n, start))
    score = source.score(queries)
    for query in range(n):
        alike = (batch.user_row == batch.user_row[query]) & (batch.time_s == batch.time_s[query])
        others = np.ones(events.n_items, bool)
        others[batch.item_row[alike]] = False
        own = score[query, batch.item_row[query]]
        yield 1 + ((score[query, others] > own).sum() + (score[query, others] >= own).sum()) / 2
    source.absorb(batch)
