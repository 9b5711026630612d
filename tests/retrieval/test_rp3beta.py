import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.retrieval.rp3beta import RP3betaSettings, RP3betaSource
from graphrec.stages import Queries
from tests.reference.item_models import (
    history_vector,
    keep_largest_per_column,
    rp3beta_weights,
)
from tests.retrieval.drawn_matrix import CUT_S, LOGS, N_ITEMS, everybody, full_matrix, past_of
from tests.worlds import watched


def test_a_walk_by_hand():
    # 0 — u0 — 1, 0 — u1 — 2: from 0 half the walks reach either user, and half of those go on.
    source = RP3betaSource(RP3betaSettings(beta=0))
    source.fit(watched([(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 2), (5, 2, 2)]), 10)
    session = Queries.of_sessions([np.array([0], np.int32)], 10)
    np.testing.assert_allclose(source.score(session), [[0, 0.25, 0.25]])
    damped = RP3betaSource(RP3betaSettings(beta=1))
    damped.fit(watched([(1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 2), (5, 2, 2)]), 10)
    np.testing.assert_allclose(damped.score(session), [[0, 0.25, 0.125]])


@settings(max_examples=30, deadline=None)
@given(
    events=LOGS,
    once=st.booleans(),
    n_kept=st.integers(1, 8),
    alpha=st.sampled_from([0.0, 0.7, 1.0, 1.8]),
    beta=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_weights_agree_with_the_definition(events, once, n_kept, alpha, beta):
    source = RP3betaSource(
        RP3betaSettings(
            alpha=alpha, beta=beta, n_neighbors=n_kept, values="once" if once else "summed"
        )
    )
    source.fit(events, CUT_S)
    weight = rp3beta_weights(full_matrix(events, once=once), alpha, beta, N_ITEMS)
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


@pytest.mark.slow
def test_the_ml_1m_table_is_that_of_the_walk_written_as_matrix_products(real_data):
    from tests.retrieval.ml_1m import figures, last_out

    split = last_out(real_data)
    chosen = RP3betaSettings(alpha=0.8, beta=0.4, n_neighbors=99_999)
    source = RP3betaSource(chosen)
    source.fit(split.train, split.cut_s)
    used = full_matrix(split.train)
    of_item, of_user = used.sum(axis=0), used.sum(axis=1)
    to_user = (used / np.maximum(of_item, 1)).T ** 0.8
    to_item = (used / of_user[:, None]) ** 0.8
    weight = to_user @ to_item / np.maximum(of_item, 1) ** 0.4
    np.fill_diagonal(weight, 0)
    ours = figures(source.score(split.queries), split)
    theirs = figures(full_matrix(split.known) @ weight, split)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert ours[1] > 0.03
