import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.retrieval.history_weights import HistorySettings
from graphrec.retrieval.item_knn import ItemKNNSettings, ItemKNNSource
from graphrec.stages import Eligibility, Queries
from tests.reference.item_models import (
    bm25,
    cosine_weights,
    history_vector,
    keep_largest_per_column,
    tfidf,
)
from tests.retrieval.drawn_matrix import CUT_S, LOGS, N_ITEMS, everybody, full_matrix, past_of
from tests.worlds import watched

#        item 0  1  2  3
# user 0      x  x
# user 1      x  x  x
# user 2         x  x
# user 3               x
DRAWN = [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1), (5, 1, 2), (6, 2, 1), (7, 2, 2), (8, 3, 3)]


def test_cosine_by_hand_with_its_reason():
    source = ItemKNNSource()
    source.fit(watched(DRAWN), 10)
    session = Queries.of_sessions([np.array([0, 1], np.int32)], 10)
    found = source.retrieve(session, 3, Eligibility())
    # Item 2 shares 1 of √(2·2) with item 0 and 2 of √(3·2) with item 1.
    from_0, from_1 = 1 / 2, 2 / np.sqrt(6)
    assert found.item_row.tolist() == [[2, -1, -1]]
    assert found.score[0, 0] == pytest.approx(from_0 + from_1)
    assert found.reason_item.tolist() == [[1, -1, -1]]
    assert found.reason_share[0, 0] == pytest.approx(from_1 / (from_0 + from_1))


@settings(max_examples=25, deadline=None)
@given(
    events=LOGS,
    n_kept=st.integers(1, 8),
    shrinkage=st.sampled_from([0.0, 2.0]),
    past_share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    kind=st.sampled_from(["cosine", "tfidf"]),
)
def test_neighbours_agree_with_the_full_matrix(events, n_kept, shrinkage, past_share, kind):
    chosen = ItemKNNSettings(
        weighting=kind, n_neighbors=n_kept, shrinkage=shrinkage, past_share=past_share
    )
    source = ItemKNNSource(chosen)
    source.fit(events, CUT_S)
    used = full_matrix(events)
    weight = cosine_weights(used if kind == "cosine" else tfidf(used), 99, shrinkage, past_share)
    check_against(source, events, weight, n_kept)


@settings(max_examples=25, deadline=None)
@given(events=LOGS, n_kept=st.integers(1, 8), once=st.booleans())
def test_bm25_agrees_with_the_full_matrix(events, n_kept, once):
    source = ItemKNNSource(
        ItemKNNSettings(
            weighting="bm25",
            n_neighbors=n_kept,
            values="once" if once else "summed",
            bm25_saturation=0.7,
            bm25_length=0.4,
        )
    )
    source.fit(events, CUT_S)
    used = full_matrix(events, once=once)
    weighted = bm25(used, 0.7, 0.4) if len(events) else used
    weight = weighted.T @ weighted
    np.fill_diagonal(weight, 0)
    check_against(source, events, weight, n_kept, once=once)


def check_against(source, events, weight, n_kept, *, once=True):
    # Sums in another order may break a tie at the last neighbour differently: skip those columns.
    ordered = -np.sort(-weight, axis=0)
    clear = np.ones(N_ITEMS, bool)
    if n_kept < N_ITEMS:
        clear = ~np.isclose(ordered[n_kept - 1], ordered[n_kept], rtol=1e-9) | (
            ordered[n_kept] == 0
        )
    kept = keep_largest_per_column(weight, n_kept)
    queries = everybody(events)
    for query, score in enumerate(source.score(queries)):
        vector = history_vector(past_of(queries, query), N_ITEMS, once, None, N_ITEMS)
        np.testing.assert_allclose(score[clear], (vector @ kept)[clear], rtol=1e-5, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    events=LOGS,
    once=st.booleans(),
    half_life=st.sampled_from([None, 1.0, 2.5]),
    most=st.integers(1, 8),
)
def test_histories_fade_and_end_as_they_are_told_to(events, once, half_life, most):
    source = ItemKNNSource(
        ItemKNNSettings(
            values="once" if once else "summed",
            history=HistorySettings(max_items=most, half_life_items=half_life),
        )
    )
    source.fit(events, CUT_S)
    weight = cosine_weights(full_matrix(events, once=once), 99, 0, 0.5)
    queries = everybody(events)
    for query, score in enumerate(source.score(queries)):
        vector = history_vector(past_of(queries, query), N_ITEMS, once, half_life, most)
        np.testing.assert_allclose(score, vector @ weight, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("every", [None, 1, 3, 5])
def test_a_refit_comes_after_so_many_events_and_equals_a_fit_on_all(every):
    events, later = watched(DRAWN, n_items=6), watched([(11, 3, 0), (12, 3, 5), (13, 0, 5)])
    source, before, after = (
        ItemKNNSource(ItemKNNSettings(refit_every_events=every)) for _ in range(3)
    )
    source.fit(events, 10)
    before.fit(events, 10)
    after.fit(watched([*DRAWN, (11, 3, 0), (12, 3, 5), (13, 0, 5)]), 20)
    session = Queries.of_sessions([np.array([0, 3], np.int32)], 20)
    for at in range(3):
        source.absorb(later.take(slice(at, at + 1)))
    expected = after if every in (1, 3) else before
    np.testing.assert_array_equal(source.score(session), expected.score(session))
    assert source.absorbs == (every is not None)


def test_events_absorbed_since_a_refit_wait_for_the_next():
    source, twin = (ItemKNNSource(ItemKNNSettings(refit_every_events=2)) for _ in range(2))
    source.fit(watched(DRAWN), 10)
    later = watched([(11, 3, 0), (12, 3, 1), (13, 3, 2)], n_users=4, n_items=4)
    source.absorb(later)
    session = Queries.of_sessions([np.array([3], np.int32)], 20)
    refitted = source.score(session)
    source.absorb(watched([(14, 2, 3)], n_users=4, n_items=4))
    np.testing.assert_array_equal(source.score(session), refitted)
    source.absorb(watched([(15, 0, 3)], n_users=4, n_items=4))
    twin.fit(watched([*DRAWN, (11, 3, 0), (12, 3, 1), (13, 3, 2), (14, 2, 3), (15, 0, 3)]), 20)
    np.testing.assert_array_equal(source.score(session), twin.score(session))


def test_a_live_history_counts_at_once():
    source = ItemKNNSource()
    source.fit(watched(DRAWN), 10)
    one, two = (
        source.score(Queries.of_sessions([np.array(items, np.int32)], 10))[0]
        for items in ([0], [3, 0])
    )
    np.testing.assert_array_equal(one, two)
    assert source.score(Queries.of_sessions([np.array([2, 0], np.int32)], 10))[0, 1] > one[1]


def test_an_item_row_beyond_the_catalogue_is_refused():
    source = ItemKNNSource()
    source.fit(watched(DRAWN), 10)
    with pytest.raises(DataError, match="item row -2 — it knows rows 0 to 3"):
        source.score(Queries.of_sessions([np.array([1, -2], np.int32)], 10))
