"""Laws that every arranger obeys."""

import copy
from dataclasses import fields

import numpy as np
import pytest

from graphrec.stages import Arranger, Candidates, Evidence, Queries, Slate
from tests.contracts.arrangers import ARRANGERS, N_ITEMS, TIME_S, ArrangerCase
from tests.slate.catalogue import ranked, visits


@pytest.fixture(params=ARRANGERS, ids=lambda case: case.label)
def case(request: pytest.FixtureRequest) -> ArrangerCase:
    return request.param


def asked(n: int = 12) -> tuple[Queries, Candidates]:
    """Visits of known and anonymous users, with lists of every length down to none."""
    rng = np.random.default_rng(4)
    rows = [rng.permutation(N_ITEMS)[: min(3 * q, N_ITEMS)].tolist() for q in range(n)]
    scores = [np.sort(rng.normal(size=len(row)))[::-1].tolist() for row in rows]
    found = ranked(rows, scores)
    shape = (*found.item_row.shape, 1)
    evidence = Evidence(found.score.reshape(shape), np.zeros(shape, np.int32))
    found = Candidates(
        *(getattr(found, f.name) for f in fields(found)[:6]), evidence, ("a source failed",)
    )
    return visits([q % 6 - 1 for q in range(n)], TIME_S), found


def same(one: Slate, other: Slate) -> None:
    np.testing.assert_array_equal(one.shown.item_row, other.shown.item_row)
    np.testing.assert_array_equal(one.shown.score, other.shown.score)
    if one.propensity is not None:
        np.testing.assert_array_equal(one.propensity, other.propensity)


@pytest.mark.parametrize("k", [0, 1, 5, 10, 40])
def test_a_slate_holds_each_item_once_of_the_candidates_or_pins_padded_at_its_end(case, k):
    queries, found = asked()
    arranger = case.make()
    assert isinstance(arranger, Arranger)
    shown = arranger.arrange(queries, found, k).shown
    assert shown.item_row.shape == (len(queries), k)
    for query in range(len(queries)):
        items = shown.item_row[query]
        real = items[items >= 0].tolist()
        assert (items[: len(real)] >= 0).all()
        assert len(set(real)) == len(real)
        assert set(real) <= set(found.item_row[query].tolist()) | case.pinned
    padding = shown.item_row == -1
    assert (shown.score[padding] == -np.inf).all()
    assert (shown.source[padding] == -1).all()
    assert (shown.reason_item[padding] == -1).all()
    assert (shown.reason_share[padding] == 0).all()
    assert (shown.source[~padding] >= 0).all()
    assert shown.source.max(initial=-1) < len(shown.source_names)
    assert shown.evidence is not None
    assert shown.evidence.score.shape == (len(queries), k, len(shown.source_names))


def test_a_candidate_keeps_its_score(case):
    queries, found = asked()
    shown = case.make().arrange(queries, found, 10).shown
    for query in range(len(queries)):
        score = dict(zip(found.item_row[query], found.score[query], strict=True))
        for item, one in zip(shown.item_row[query], shown.score[query], strict=True):
            assert one == score.get(item, 0.0 if item >= 0 else -np.inf)


def test_propensities_lie_above_zero_where_something_is_shown_and_are_zero_in_padding(case):
    queries, found = asked()
    slate = case.make().arrange(queries, found, 10)
    if slate.propensity is None:
        return
    shown = slate.shown.item_row >= 0
    assert (slate.propensity[shown] > 0).all()
    assert (slate.propensity[shown] <= 1).all()
    assert (slate.propensity[~shown] == 0).all()


def test_the_same_question_has_the_same_answer_whatever_was_asked_between(case):
    queries, found = asked()
    arranger = case.make()
    first = arranger.arrange(queries, found, 7)
    arranger.arrange(visits([3] * 12, TIME_S + 9), found, 3)
    same(first, arranger.arrange(queries, found, 7))
    same(first, case.make().arrange(queries, found, 7))


def test_a_query_is_answered_in_a_batch_like_alone(case):
    queries, found = asked()
    arranger = case.make()
    whole = arranger.arrange(queries, found, 7)
    for query in (0, 5, 11):
        users = visits(queries.user_row[query : query + 1].tolist(), TIME_S)
        items = found.item_row[query]
        n = int((items >= 0).sum())
        one = ranked([items[:n].tolist()], [found.score[query, :n].tolist()])
        alone = arranger.arrange(users, one, 7).shown.item_row[0]
        np.testing.assert_array_equal(alone, whole.shown.item_row[query])


def test_neither_queries_nor_candidates_are_written_to(case):
    queries, found = asked()
    kept = copy.deepcopy((queries, found))
    case.make().arrange(queries, found, 7)
    for record, copied in zip((queries, found), kept, strict=True):
        for field in fields(record):
            one, other = getattr(record, field.name), getattr(copied, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, other)


def test_no_candidates_give_an_empty_slate_and_a_note(case):
    slate = case.make().arrange(visits([1]), ranked([[]]), 5)
    shown = set(slate.shown.item_row[0].tolist()) - {-1}
    assert shown <= case.pinned
    assert any("no candidates" in note for note in slate.notes)


def test_notes_of_the_candidates_are_handed_on(case):
    assert "a source failed" in case.make().arrange(*asked(), 5).notes


def test_no_queries_give_no_rows(case):
    slate = case.make().arrange(visits([]), ranked([]), 5)
    assert slate.shown.item_row.shape == (0, 5)
