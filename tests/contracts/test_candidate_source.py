"""What every candidate source keeps to; `sources.py` lists them."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest

from graphrec.errors import DataError, LeakageError
from graphrec.stages import Candidates, CandidateSource, Eligibility, Interactions, Queries
from tests.contracts.sources import (
    END_S,
    N_ITEMS,
    N_USERS,
    SOURCES,
    SourceCase,
    a_log,
    all_queries,
    one_query,
)

ALLOWED = np.arange(N_ITEMS) % 3 != 1
ELIGIBILITIES = [
    Eligibility(seen, allowed)
    for seen in ("hide", "allow", "only_again")
    for allowed in (None, ALLOWED)
]


@pytest.fixture(params=SOURCES, ids=lambda case: case.label)
def case(request: pytest.FixtureRequest) -> SourceCase:
    return request.param


@pytest.fixture
def fitted(case: SourceCase) -> CandidateSource:
    source = case.make()
    source.fit(a_log(1), END_S)
    return source


def test_a_source_fulfils_the_protocol_and_has_a_name(case):
    source = case.make()
    assert isinstance(source, CandidateSource)
    assert source.name.strip()
    assert source.name == source.name.strip().lower()


@pytest.mark.parametrize("late_by_s", [0, 1])
def test_a_fit_on_events_at_or_after_the_cut_is_refused(case, late_by_s):
    log = a_log(1)
    with pytest.raises(LeakageError, match="cut"):
        case.make().fit(log, int(log.time_s[-1]) - late_by_s)


def test_a_cut_just_after_the_last_event_is_accepted(case):
    log = a_log(1)
    case.make().fit(log, int(log.time_s[-1]) + 1)


def test_scores_are_finite_float32_with_a_column_for_each_item(fitted):
    queries = all_queries(a_log(1))
    score = fitted.score(queries)
    assert score.shape == (N_USERS + 1, N_ITEMS)
    assert score.dtype == np.float32
    assert np.isfinite(score).all()


def test_some_query_is_told_items_apart(fitted):
    score = fitted.score(all_queries(a_log(1)))
    assert (np.ptp(score, axis=1) > 0).any()


def test_equal_fits_give_equal_answers(case, fitted):
    other = case.make()
    other.fit(a_log(1), END_S)
    queries = all_queries(a_log(1))
    np.testing.assert_array_equal(fitted.score(queries), other.score(queries))
    same(
        fitted.retrieve(queries, 5, Eligibility()),
        other.retrieve(queries, 5, Eligibility()),
    )


def test_a_fit_forgets_everything_before(case, fitted):
    other = case.make()
    other.fit(a_log(2, n_users=20, n_items=N_ITEMS), END_S)
    other.absorb(a_log(3))
    other.fit(a_log(1), END_S)
    queries = all_queries(a_log(1))
    np.testing.assert_array_equal(fitted.score(queries), other.score(queries))


def test_asking_changes_nothing(case, fitted):
    asked = fitted
    silent = case.make()
    silent.fit(a_log(1), END_S)
    queries = all_queries(a_log(1))
    before = asked.score(queries)
    asked.score(all_queries(a_log(2), END_S // 3))
    asked.retrieve(all_queries(a_log(4), END_S // 2), 3, Eligibility())
    np.testing.assert_array_equal(asked.score(queries), before)
    later = later_events()
    asked.absorb(later)
    silent.absorb(later)
    np.testing.assert_array_equal(
        asked.score(late_queries(later)), silent.score(late_queries(later))
    )


def test_neither_events_nor_queries_are_written_to(case):
    log, later, queries = a_log(1), later_events(), all_queries(a_log(1))
    records = (log, later, queries)
    kept = [[copy.copy(getattr(one, field.name)) for field in fields(one)] for one in records]
    source = case.make()
    source.fit(log, END_S)
    source.absorb(later)
    source.score(queries)
    source.retrieve(queries, 4, Eligibility())
    for record, copied in zip(records, kept, strict=True):
        for field, before in zip(fields(record), copied, strict=True):
            np.testing.assert_array_equal(getattr(record, field.name), before)


def test_a_batch_of_queries_is_answered_like_each_query_alone(case, fitted):
    close = {"rtol": case.rounding, "atol": case.rounding}
    queries = all_queries(a_log(1))
    score = fitted.score(queries)
    found = fitted.retrieve(queries, 6, Eligibility())
    for query in range(len(queries)):
        alone = one_query(queries, query)
        np.testing.assert_allclose(fitted.score(alone)[0], score[query], **close)
        own = fitted.retrieve(alone, 6, Eligibility())
        for field in ("item_row", "source", "reason_item"):
            np.testing.assert_array_equal(getattr(own, field)[0], getattr(found, field)[query])
        for field in ("score", "reason_share"):
            np.testing.assert_allclose(
                getattr(own, field)[0], getattr(found, field)[query], **close
            )


@pytest.mark.parametrize("eligibility", ELIGIBILITIES, ids=str)
def test_retrieved_are_the_best_eligible_by_score_ties_to_the_lower_row(case, fitted, eligibility):
    if case.by_place and (eligibility.seen != "allow" or eligibility.allowed is not None):
        pytest.skip("scores hang on places among what is allowed")
    queries = all_queries(a_log(1))
    score = fitted.score(queries)
    found = fitted.retrieve(queries, 5, eligibility)
    check_form(found, (len(queries), 5), case)
    for query in range(len(queries)):
        expected = best(score[query], queries, query, 5, eligibility)
        n = len(expected)
        assert found.item_row[query, :n].tolist() == expected
        assert (found.item_row[query, n:] == -1).all()
        if not case.own_scale:
            np.testing.assert_array_equal(found.score[query, :n], score[query, expected])


def test_more_than_the_catalogue_gives_the_catalogue_and_padding(case, fitted):
    queries = all_queries(a_log(1))
    found = fitted.retrieve(queries, N_ITEMS + 9, Eligibility("allow"))
    check_form(found, (len(queries), N_ITEMS + 9), case)
    for query, score in enumerate(fitted.score(queries)):
        assert (found.item_row[query] >= 0).sum() == (score > 0).sum()


def test_no_queries_give_no_rows(case, fitted):
    nobody = Queries.of_sessions([], END_S)
    assert fitted.score(nobody).shape == (0, N_ITEMS)
    check_form(fitted.retrieve(nobody, 3, Eligibility()), (0, 3), case)


def test_an_anonymous_session_is_answered(fitted):
    session = np.array([3, 0, 3], np.int32)
    queries = Queries.of_sessions([session], END_S)
    assert np.isfinite(fitted.score(queries)).all()
    found = fitted.retrieve(queries, 4, Eligibility())
    assert not np.isin(found.item_row, session).any()


def test_an_empty_history_is_answered_and_has_nothing_to_repeat(fitted):
    queries = Queries.of_sessions([np.empty(0, np.int32)], END_S)
    assert np.isfinite(fitted.score(queries)).all()
    found = fitted.retrieve(queries, 4, Eligibility("only_again"))
    assert (found.item_row == -1).all()
    assert (fitted.retrieve(queries, 4, Eligibility()).reason_item == -1).all()


def test_a_source_fitted_on_nothing_still_answers(case):
    source = case.make()
    if case.needs_events:
        with pytest.raises(DataError, match="too few"):
            source.fit(a_log(1).take(slice(0, 0)), 0)
        return
    source.fit(a_log(1).take(slice(0, 0)), 0)
    queries = all_queries(a_log(1))
    assert np.isfinite(source.score(queries)).all()
    check_form(source.retrieve(queries, 3, Eligibility()), (len(queries), 3), case)


def test_absorbing_new_users_and_items_widens_the_scores(case, fitted):
    grown = later_events()
    fitted.absorb(grown)
    queries = late_queries(grown)
    assert grown.item_row.max() >= N_ITEMS
    assert grown.n_items - 1 in queries.history_item
    score = fitted.score(queries)
    assert score.shape == (grown.n_users + 1, grown.n_items)
    assert np.isfinite(score).all()
    check_form(fitted.retrieve(queries, 5, Eligibility()), (len(queries), 5), case)


def test_absorbing_nothing_changes_nothing(fitted):
    queries = all_queries(a_log(1))
    before = fitted.score(queries)
    fitted.absorb(a_log(1).take(slice(0, 0)))
    np.testing.assert_array_equal(fitted.score(queries), before)


def test_an_absorbed_event_at_or_after_the_query_changes_nothing(case, fitted):
    if not case.as_of:
        pytest.skip("answers as of what it absorbed: protocols absorb only what has happened")
    queries = all_queries(a_log(1))
    before = fitted.score(queries)
    fitted.absorb(
        replace(a_log(5), time_s=np.sort(a_log(5).time_s % 7) + END_S, weight=a_log(5).weight)
    )
    np.testing.assert_array_equal(fitted.score(queries), before)


def test_reasons_come_from_the_history_with_a_share_in_the_unit_interval(fitted):
    queries = all_queries(a_log(1))
    for policy in ("hide", "allow", "only_again"):
        found = fitted.retrieve(queries, 8, Eligibility(policy))
        named = found.reason_item >= 0
        assert (found.reason_share[named] > 0).all()
        assert (found.reason_share[named] <= 1).all()
        assert (found.reason_share[~named] == 0).all()
        assert (found.item_row[named] >= 0).all()
        for query in range(len(queries)):
            mine = queries.history_item[queries.history(query)]
            assert np.isin(found.reason_item[query][named[query]], mine).all()


def later_events() -> Interactions:
    log = a_log(6, 60, N_USERS + 3, N_ITEMS + 2)
    item_row = log.item_row.copy()
    item_row[::9] = N_ITEMS + 1
    return replace(log, time_s=log.time_s + END_S, item_row=item_row)


def late_queries(later: Interactions) -> Queries:
    return all_queries(later, 2 * END_S)


def best(
    score: np.ndarray, queries: Queries, query: int, k: int, eligibility: Eligibility
) -> list[int]:
    seen = set(queries.history_item[queries.history(query)].tolist())
    rows = [row for row in range(len(score)) if score[row] > 0]
    if eligibility.seen == "hide":
        rows = [row for row in rows if row not in seen]
    elif eligibility.seen == "only_again":
        rows = [row for row in rows if row in seen]
    if eligibility.allowed is not None:
        rows = [row for row in rows if eligibility.allowed[row]]
    return sorted(rows, key=lambda row: (-score[row], row))[:k]


def check_form(found: Candidates, shape: tuple[int, int], case: SourceCase) -> None:
    assert found.item_row.shape == shape
    padding = found.item_row == -1
    assert (found.score[padding] == -np.inf).all()
    assert (found.source[padding] == -1).all()
    assert (found.source[~padding] >= 0).all()
    assert (found.source < len(found.source_names)).all()
    assert (found.evidence is None) == (len(found.source_names) == 1)
    assert (found.reason_item[padding] == -1).all()
    assert (found.reason_share[padding] == 0).all()
    assert case.own_scale or (found.score[~padding] > 0).all()
    for items, score in zip(found.item_row, found.score, strict=True):
        real = items[items >= 0]
        assert len(set(real.tolist())) == len(real)
        assert (items[: len(real)] >= 0).all()
        assert (np.diff(score[: len(real)]) <= 0).all()


def same(one: Candidates, other: Candidates) -> None:
    if one.evidence is not None:
        np.testing.assert_array_equal(one.evidence.place, other.evidence.place)
        np.testing.assert_array_equal(one.evidence.score, other.evidence.score)
    for field in fields(Candidates):
        if field.name == "evidence":
            continue
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
