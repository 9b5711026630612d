import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.stages import Eligibility, Queries
from graphrec.top_k import best_rows, eligible_items, top_candidates, with_reasons

SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=12)


@settings(deadline=None)
@given(scores=SCORES, k=st.integers(1, 15), data=st.data())
def test_the_best_rows_are_those_a_full_sort_puts_first(scores, k, data):
    eligible = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    rows = [row for row in range(len(scores)) if eligible[row] and scores[row] > 0]
    expected = sorted(rows, key=lambda row: (-scores[row], row))[:k]
    found = best_rows(np.array(scores, np.float32), np.array(eligible), k)
    assert found.tolist() == expected


@settings(deadline=None)
@given(
    scores=st.lists(SCORES.filter(lambda row: len(row) > 7), min_size=1, max_size=3),
    past=st.lists(st.lists(st.integers(0, 7), max_size=6), min_size=3, max_size=3),
    k=st.integers(1, 9),
    seen=st.sampled_from(["hide", "allow", "only_again"]),
    allowed=st.none() | st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_candidates_are_the_best_rows_of_what_is_eligible(scores, past, k, seen, allowed):
    table = np.array([row[:8] for row in scores], np.float32)
    sessions = [np.array(items, np.int32) for items in past[: len(table)]]
    queries = Queries.of_sessions(sessions, 10)
    eligibility = Eligibility(seen, None if allowed is None else np.array(allowed))
    found = top_candidates(table, queries, k, eligibility, "drawn")
    for query, row in enumerate(table):
        expected = best_rows(row, eligible_items(queries, query, eligibility, 8), k)
        n = len(expected)
        assert found.item_row[query, :n].tolist() == expected.tolist()
        assert found.score[query, :n].tolist() == row[expected].tolist()
        assert (found.item_row[query, n:] == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_many_come_in_order_whatever_order_they_lie_in(seed):
    rng = np.random.default_rng(seed)
    table = np.sort(rng.integers(-5, 400, (3, 3000)).astype(np.float32), axis=1)
    table[1] = table[1, ::-1]
    table[2] = rng.permutation(table[2])
    queries = Queries.of_sessions([rng.integers(0, 3000, 900).astype(np.int32)] * 3, 10)
    for seen in ("hide", "allow", "only_again"):
        found = top_candidates(table, queries, 200, Eligibility(seen), "drawn")
        for query in range(3):
            eligible = eligible_items(queries, query, Eligibility(seen), 3000)
            expected = best_rows(table[query], eligible, 200)
            assert found.item_row[query].tolist() == expected.tolist()


def test_hidden_only_again_and_allowed_items_are_what_they_say():
    queries = Queries.of_sessions([np.array([1, 3], np.int32)], 10)
    allowed = np.array([True, True, False, False, True])
    hidden = Eligibility("hide")
    assert np.flatnonzero(eligible_items(queries, 0, hidden, 5)).tolist() == [0, 2, 4]
    hidden = Eligibility("hide", allowed)
    assert np.flatnonzero(eligible_items(queries, 0, hidden, 5)).tolist() == [0, 4]
    again = Eligibility("only_again")
    assert np.flatnonzero(eligible_items(queries, 0, again, 5)).tolist() == [1, 3]
    again = Eligibility("only_again", allowed)
    assert np.flatnonzero(eligible_items(queries, 0, again, 5)).tolist() == [1]
    everything = Eligibility("allow", allowed)
    assert np.flatnonzero(eligible_items(queries, 0, everything, 5)).tolist() == [0, 1, 4]


def test_short_rows_are_padded():
    queries = Queries.of_sessions([np.array([0], np.int32), np.empty(0, np.int32)], 10)
    scores = np.array([[3, 2, 0], [0, 1, 4]], np.float32)
    found = top_candidates(scores, queries, 2, Eligibility(), "drawn")
    assert found.item_row.tolist() == [[1, -1], [2, 1]]
    assert found.score.tolist() == [[2, -np.inf], [4, 1]]
    assert found.source.tolist() == [[0, -1], [0, 0]]
    assert found.source_names == ("drawn",)


def test_reasons_are_added_without_touching_the_rest():
    queries = Queries.of_sessions([np.array([0], np.int32)], 10)
    found = top_candidates(np.array([[1, 2]], np.float32), queries, 1, Eligibility(), "drawn")
    told = with_reasons(found, np.array([[0]], np.int32), np.array([[0.5]], np.float32))
    assert told.reason_item.tolist() == [[0]]
    assert found.reason_item.tolist() == [[-1]]
    assert told.item_row is found.item_row
