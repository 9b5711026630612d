"""Outcomes become grades by a stated rule, and only lists with an order are learned from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.ranking.grades import Grading, KnownRows
from graphrec.ranking.list_ndcg import ndcg_of_lists
from tests.ranking.ranking_sets import of_arrays


def graded(values, n_grades=5):
    outcome = np.array(values, np.float32)
    return Grading.of_outcome(outcome, n_grades).grades(outcome).tolist()


def test_whole_numbers_that_span_few_grades_keep_their_distances():
    assert graded([1, 2, 5, 5]) == [0, 1, 4, 4]
    assert graded([0, 1, 1]) == [0, 1, 1]
    assert graded([-1, 1]) == [0, 2]


def test_few_different_values_become_a_grade_each():
    assert graded([0.0, 0.25, 10.0, 0.25]) == [0, 1, 2, 1]


def test_many_values_become_the_lowest_and_groups_of_equally_many_rows():
    assert graded([0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 9.0], n_grades=4) == [
        *(0, 0, 0, 0),
        *(1, 1, 2, 2, 3, 3),
    ]


def test_grades_are_worth_their_gains():
    grading = Grading((0.5, 1.5, 2.5))
    assert grading.gains("exponential").tolist() == [0, 1, 3, 7]
    assert grading.gains("linear").tolist() == [0, 1, 2, 3]


def test_nothing_known_is_refused():
    with pytest.raises(DataError, match="no outcome is known"):
        Grading.of_outcome(np.full(3, np.nan, np.float32), 5)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    st.integers(2, 31),
)
def test_grades_never_reverse_outcomes_and_never_number_more_than_asked(values, n_grades):
    outcome = np.array(values, np.float32)
    grading = Grading.of_outcome(outcome, n_grades)
    grades = grading.grades(outcome)
    assert grading.n_grades <= n_grades
    assert grades.min() == 0
    assert grades.max() < grading.n_grades
    assert (np.diff(grades[np.argsort(outcome)]) >= 0).all()
    if len(set(values)) > 1:
        assert grades.max() > 0


def test_unknown_rows_unweighted_rows_and_lists_without_an_order_are_left_out():
    nan = np.nan
    lists = of_arrays(
        np.zeros((11, 1)),
        [3, 3, 0, 2, 3],
        [1, nan, 0, 1, 1, nan, 1, 0, 0, 1, 0],
        weight=[1, 1, 1, 1, 1, 1, 1, 0, 1, 2, 1],
    )
    ordered = KnownRows.of_outcome(lists, lists.column("engagement"), differing=True)
    assert ordered.row.tolist() == [0, 2, 8, 9, 10]
    assert ordered.list_ptr.tolist() == [0, 2, 5]
    known = KnownRows.of_outcome(lists, lists.column("engagement"), differing=False)
    assert known.row.tolist() == [0, 2, 3, 4, 6, 8, 9, 10]
    assert known.lengths.tolist() == [2, 2, 1, 3]


def test_ndcg_by_hand():
    # List 0: by score the gains are 0, 3, 1: (3 / log2(3) + 1 / 2) / (3 + 1 / log2(3)).
    # List 1: all scores tie, so the one gain has the mean discount of three places.
    # List 2: nothing to gain.
    score = np.array([0.5, 0.9, 0.1, 7, 7, 7, 1, 2], np.float32)
    gain = np.array([3.0, 0, 1, 0, 1, 0, 0, 0])
    ptr = np.array([0, 3, 6, 8])
    log3 = np.log2(3)
    np.testing.assert_allclose(
        ndcg_of_lists(score, gain, ptr, 10),
        [(3 / log3 + 0.5) / (3 + 1 / log3), (1 + 1 / log3 + 0.5) / 3, np.nan],
    )
    np.testing.assert_allclose(ndcg_of_lists(score, gain, ptr, 1), [0.0, 1 / 3, np.nan])
