from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.retrieval.trending import TrendingSettings, TrendingSource
from graphrec.stages import Eligibility, Queries
from tests.reference.popularity import decayed_sums
from tests.worlds import watched

HOUR_S = 3600
IN_AN_HOUR = TrendingSettings(half_life_days=1 / 24)


def asked(items: list[int], time_s: int) -> Queries:
    return Queries.of_sessions([np.array(items, np.int32)], time_s)


def test_an_event_counts_half_after_the_half_life():
    source = TrendingSource(IN_AN_HOUR)
    source.fit(watched([(0, 0, 0), (HOUR_S, 0, 1)], n_items=3), 2 * HOUR_S)
    np.testing.assert_allclose(source.score(asked([], 2 * HOUR_S)), [[0.25, 0.5, 0]])
    assert source.retrieve(asked([], 2 * HOUR_S), 3, Eligibility()).item_row.tolist() == [
        [1, 0, -1]
    ]


@pytest.mark.parametrize("most_half_lives", [256, 1])
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 90), st.just(0), st.integers(0, 11)), max_size=60),
    parts=st.lists(st.integers(0, 60), max_size=6),
    n_listed=st.integers(1, 5),
    past=st.lists(st.integers(0, 11), max_size=4),
    allowed=st.none() | st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_the_list_is_exact_whatever_is_listed_hidden_or_absorbed_when(
    most_half_lives, rows, parts, n_listed, past, allowed
):
    # Whole hours, so that counts are exact and ties are common.
    events = watched([(HOUR_S * hour, user, item) for hour, user, item in rows], n_items=12)
    source = TrendingSource(TrendingSettings(half_life_days=1 / 24, n_listed=n_listed))
    source.fit(watched([], n_items=1), 0)
    cuts = sorted({min(part, len(rows)) for part in parts})
    limit = mock.patch("graphrec.retrieval.trending._MOST_HALF_LIVES", most_half_lives)
    with limit:
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            source.absorb(events.take(slice(start, stop)))
    queries = asked(past, 91 * HOUR_S)
    score = source.score(queries)[0]
    exact = decayed_sums(events, 91 * HOUR_S, HOUR_S)
    np.testing.assert_allclose(score, exact, rtol=1e-6)
    mask = None if allowed is None else np.array(allowed)
    found = source.retrieve(queries, 4, Eligibility("hide", mask))
    fitting = [
        item
        for item in range(12)
        if score[item] > 0 and item not in past and (mask is None or mask[item])
    ]
    best = sorted(fitting, key=lambda item: (-exact[item], item))[:4]
    assert found.item_row[0].tolist() == best + [-1] * (4 - len(best))


def test_what_has_faded_to_nothing_is_not_found():
    source = TrendingSource(IN_AN_HOUR)
    source.fit(watched([(0, 0, 0)]), 1)
    assert source.retrieve(asked([], 1000 * HOUR_S), 1, Eligibility()).item_row.tolist() == [[-1]]
