import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.retrieval.user_knn import UserKNNSettings, UserKNNSource
from graphrec.stages import Eligibility, Queries
from tests.reference.item_models import history_vector, user_knn_scores
from tests.retrieval.drawn_matrix import CUT_S, LOGS, N_ITEMS, everybody, full_matrix, past_of
from tests.worlds import watched

#        item 0  1  2  3
# user 0      x  x
# user 1      x  x  x
# user 2      x        x
DRAWN = [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1), (5, 1, 2), (6, 2, 0), (7, 2, 3)]


def test_the_nearest_users_speak_by_their_likeness():
    source = UserKNNSource()
    source.fit(watched(DRAWN), 10)
    queries = everybody(watched(DRAWN))
    # User 0: shares 2 of √(2·3) with user 1, 1 of √(2·2) with user 2.
    near, far = 2 / np.sqrt(6), 1 / 2
    np.testing.assert_allclose(source.score(queries)[0], [near + far, near, near, far], rtol=1e-6)
    found = source.retrieve(queries, 2, Eligibility())
    assert found.item_row[0].tolist() == [2, 3]
    assert (found.reason_item == -1).all()


def test_an_anonymous_twin_of_a_user_is_answered_by_that_user_too():
    source = UserKNNSource(UserKNNSettings(n_neighbors=1))
    source.fit(watched(DRAWN), 10)
    session = Queries.of_sessions([np.array([3, 0], np.int32)], 10)
    np.testing.assert_allclose(source.score(session), [[1, 0, 0, 1]], rtol=1e-6)


def test_users_equally_alike_count_from_the_lowest_row_up():
    rows = [(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 2), (5, 2, 0), (6, 2, 3)]
    source = UserKNNSource(UserKNNSettings(n_neighbors=2))
    source.fit(watched(rows), 10)
    session = Queries.of_sessions([np.array([0], np.int32)], 10)
    assert (source.score(session)[0] > 0).tolist() == [True, True, True, False]


def test_a_length_power_of_zero_leaves_the_overlap():
    source = UserKNNSource(UserKNNSettings(length_power=0))
    source.fit(watched(DRAWN), 10)
    session = Queries.of_sessions([np.array([0, 1], np.int32)], 10)
    np.testing.assert_allclose(
        source.score(session) * np.sqrt(2), [[2 + 2 + 1, 4, 2, 1]], rtol=1e-6
    )


@settings(max_examples=30, deadline=None)
@given(
    events=LOGS,
    once=st.booleans(),
    n_kept=st.integers(1, 7),
    shrinkage=st.sampled_from([0.0, 1.5]),
)
def test_scores_agree_with_comparing_all_users(events, once, n_kept, shrinkage):
    source = UserKNNSource(
        UserKNNSettings(
            n_neighbors=n_kept, shrinkage=shrinkage, values="once" if once else "summed"
        )
    )
    source.fit(events, CUT_S)
    used = full_matrix(events, once=once)
    queries = everybody(events)
    for query, score in enumerate(source.score(queries)):
        vector = history_vector(past_of(queries, query), N_ITEMS, once, None, N_ITEMS)
        expected = user_knn_scores(used, vector, query, n_kept, shrinkage)
        np.testing.assert_allclose(score, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("every", [None, 2])
def test_a_refit_learns_of_new_users(every):
    source = UserKNNSource(UserKNNSettings(refit_every_events=every))
    source.fit(watched(DRAWN, n_items=5), 10)
    source.absorb(watched([(11, 3, 3), (12, 3, 4)]))
    session = Queries.of_sessions([np.array([3], np.int32)], 20)
    assert (source.score(session)[0, 4] > 0) == (every is not None)
    assert source.absorbs == (every is not None)
