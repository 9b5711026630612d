import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import SettingsError
from graphrec.retrieval.ease import EASESettings, EASESource
from graphrec.stages import Eligibility, Queries
from tests.reference.item_models import ease_weights, history_vector
from tests.retrieval.drawn_matrix import CUT_S, LOGS, N_ITEMS, everybody, full_matrix, past_of
from tests.worlds import watched


@settings(max_examples=30, deadline=None)
@given(events=LOGS, once=st.booleans(), l2=st.sampled_from([0.1, 1.0, 50.0]))
def test_weights_agree_with_the_textbook_inverse(events, once, l2):
    source = EASESource(EASESettings(l2=l2, values="once" if once else "summed"))
    source.fit(events, CUT_S)
    weight = ease_weights(full_matrix(events, once=once), l2)
    queries = everybody(events)
    for query, score in enumerate(source.score(queries)):
        vector = history_vector(past_of(queries, query), N_ITEMS, once, None, N_ITEMS)
        np.testing.assert_allclose(score, vector @ weight, rtol=1e-4, atol=1e-5)


def test_two_items_always_used_together_speak_for_each_other_by_hand():
    # G = [[2 + 1, 2], [2, 2 + 1]], P = [[3, -2], [-2, 3]] / 5, so the weight is 2 / 3.
    source = EASESource(EASESettings(l2=1))
    source.fit(watched([(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1)]), 10)
    session = Queries.of_sessions([np.array([0], np.int32)], 10)
    np.testing.assert_allclose(source.score(session), [[0, 2 / 3]], rtol=1e-6)
    found = source.retrieve(session, 1, Eligibility())
    assert found.reason_item.tolist() == [[0]]
    assert found.reason_share.tolist() == [[1]]


def test_what_lowers_a_score_is_no_reason_and_takes_no_share():
    # 2 goes with 0 and never with 1.
    rows = [
        (u, u, i) for u, items in enumerate([(0, 2), (0, 2), (0, 1), (1,), (1,)]) for i in items
    ]
    source = EASESource(EASESettings(l2=1))
    source.fit(watched(rows), 10)
    found = source.retrieve(Queries.of_sessions([np.array([1, 0], np.int32)], 10), 1, Eligibility())
    assert found.item_row.tolist() == [[2]]
    assert found.reason_item.tolist() == [[0]]
    assert found.reason_share.tolist() == [[1]]


def test_items_without_events_score_nothing():
    source = EASESource(EASESettings(l2=1))
    source.fit(watched([(1, 0, 0), (2, 0, 1)], n_items=4), 10)
    session = Queries.of_sessions([np.array([0, 3], np.int32)], 10)
    np.testing.assert_array_equal(source.score(session)[0, 2:], [0, 0])


def test_too_large_a_catalogue_is_refused():
    source = EASESource(EASESettings(max_items=3))
    with pytest.raises(SettingsError, match="ease on 4 items — it takes at most max_items = 3"):
        source.fit(watched([(1, 0, 0)], n_items=4), 10)


def test_scores_do_not_depend_on_where_a_tile_of_the_matrix_ends():
    rng = np.random.default_rng(5)
    rows = sorted(
        zip(
            range(6000),
            rng.integers(0, 80, 6000).tolist(),
            (rng.random(6000) ** 2 * 1100).astype(int).tolist(),
            strict=True,
        )
    )
    events = watched(rows, n_users=80, n_items=1100)
    source = EASESource(EASESettings(l2=20))
    source.fit(events, 10_000)
    weight = ease_weights_fast(full_matrix(events), 20)
    session = np.unique(rng.integers(0, 1100, 30)).astype(np.int32)
    score = source.score(Queries.of_sessions([session], 10_000))[0]
    np.testing.assert_allclose(score, weight[session].sum(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_ml_1m_table_is_that_of_the_textbook_inverse(real_data):
    from tests.retrieval.ml_1m import figures, last_out

    split = last_out(real_data)
    source = EASESource(EASESettings(l2=500))
    source.fit(split.train, split.cut_s)
    weight = ease_weights_fast(full_matrix(split.train), 500)
    ours = figures(source.score(split.queries), split)
    theirs = figures(full_matrix(split.known) @ weight, split)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert ours[1] > 0.04


def ease_weights_fast(used: np.ndarray, l2: float) -> np.ndarray:
    inverse = np.linalg.inv(used.T @ used + l2 * np.eye(used.shape[1]))
    weight = inverse / -np.diag(inverse)
    np.fill_diagonal(weight, 0)
    return weight
