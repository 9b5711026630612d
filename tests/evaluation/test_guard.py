"""The guard refuses the future, wherever it comes from."""

import numpy as np
import pytest

from graphrec.errors import LeakageError
from graphrec.evaluation.guard import (
    GuardedSource,
    check_blind_to,
    check_histories,
    plant_future_event,
)
from graphrec.events.history import HistoryIndex
from graphrec.stages import Candidates, CandidateSource, Eligibility, Queries
from tests.evaluation.sources import CountingSource
from tests.worlds import watched

LOG = watched([(1, 0, 0), (5, 0, 1), (5, 1, 1), (9, 1, 0)], event_id=[0, 1, 7, 2])


def queries_at(time_s: int) -> Queries:
    return HistoryIndex(LOG).queries(np.array([0], np.int32), np.array([time_s]))


def fitted(*, ties_known: bool = False) -> GuardedSource:
    guarded = GuardedSource(CountingSource(), ties_known=ties_known)
    guarded.fit(LOG.take(slice(0, 1)), 2)
    return guarded


def test_fitting_on_an_event_at_the_cut_is_refused() -> None:
    source = CountingSource()
    with pytest.raises(LeakageError, match="learn from an event at 5 s with the cut at 5 s"):
        GuardedSource(source).fit(LOG.take(slice(0, 3)), 5)
    assert source.calls == []


def test_scoring_as_of_a_time_already_learnt_is_refused() -> None:
    guarded = fitted()
    assert guarded.score(queries_at(5)).shape == (1, 2)
    guarded.absorb(LOG.take(slice(1, 3)))
    with pytest.raises(LeakageError, match="popular learnt an event at 5 s and was asked as of 5"):
        guarded.score(queries_at(5))
    with pytest.raises(LeakageError, match="learnt an event at 5 s"):
        guarded.retrieve(queries_at(4), 3, Eligibility())
    guarded.score(queries_at(6))


def test_a_batch_may_begin_within_a_second() -> None:
    guarded = fitted(ties_known=True)
    guarded.absorb(LOG.take(slice(1, 2)))
    assert guarded.score(queries_at(5)).shape == (1, 2)
    with pytest.raises(LeakageError):
        guarded.score(queries_at(4))


def test_fitting_again_forgets_what_was_learnt() -> None:
    guarded = fitted()
    guarded.absorb(LOG)
    guarded.fit(LOG.take(slice(0, 1)), 2)
    assert guarded.score(queries_at(2)).shape == (1, 2)


def test_a_history_that_reaches_its_cut_is_refused() -> None:
    queries = HistoryIndex(LOG).queries(
        np.array([1, 0], np.int32), np.array([9, 5]), np.array([2, 2])
    )
    with pytest.raises(LeakageError, match=r"history of query 1 \(user 0\) holds an event at 5 s"):
        check_histories(queries)
    check_histories(queries, ties_known=True)
    with pytest.raises(LeakageError, match="history of query 1"):
        fitted().score(queries)


def test_no_queries_and_no_events_are_harmless() -> None:
    guarded = fitted()
    guarded.absorb(LOG.take(slice(0, 0)))
    nobody = np.empty(0, np.int32)
    queries = HistoryIndex(LOG).queries(nobody, np.empty(0, np.int64))
    assert guarded.score(queries).shape[0] == 0


def test_the_guard_is_a_source_and_passes_on_what_it_wraps() -> None:
    class Retriever(CountingSource):
        absorbs = False

        def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
            empty = np.empty((1, 0), np.int32)
            scores = np.empty((1, 0), np.float32)
            return Candidates(empty, scores, np.empty((1, 0), np.int8), ("x",), empty, scores)

    guarded = GuardedSource(Retriever("inside"))
    assert isinstance(guarded, CandidateSource)
    assert guarded.name == "inside"
    assert not guarded.absorbs
    assert GuardedSource(CountingSource()).absorbs
    assert guarded.retrieve(queries_at(5), 1, Eligibility()).source_names == ("x",)


def test_a_planted_event_lies_behind_its_second_with_an_id_of_its_own() -> None:
    planted = plant_future_event(LOG, 5, 1, 0)
    assert planted.time_s.tolist() == [1, 5, 5, 5, 9]
    assert planted.user_row.tolist() == [0, 0, 1, 1, 1]
    assert planted.item_row.tolist() == [0, 1, 1, 0, 0]
    assert planted.event_id is not None
    assert planted.event_id.tolist() == [0, 1, 7, 3, 2]
    assert plant_future_event(watched([(1, 0, 0)]), 4, 0, 0).event_id is None


def test_an_event_planted_before_every_query_has_nothing_to_compare() -> None:
    from graphrec.evaluation.cuts import Cuts
    from graphrec.evaluation.stream import StreamSettings, evaluate_stream

    [result] = evaluate_stream([CountingSource()], LOG, Cuts(5, 5), StreamSettings())
    check_blind_to(2, result, result)
