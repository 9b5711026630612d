"""What sources bring on a stream, against asking each question of sources fitted just before it."""

import numpy as np
import pytest

from graphrec.errors import LeakageError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.intervals import IntervalSettings
from graphrec.evaluation.stream import StreamSettings
from graphrec.evaluation.stream_retrieval import Reach, reach_of_stream, recalls_of
from graphrec.events.history import HistoryIndex
from graphrec.retrieval.blend import BlendedSource, Quota
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSource
from graphrec.stages import Eligibility, Interactions

K = 4


def a_log(n_events: int = 160, n_users: int = 9, n_items: int = 14) -> Interactions:
    rng = np.random.default_rng(7)
    return Interactions(
        np.sort(rng.integers(0, n_events // 2, n_events) * 30),
        rng.integers(0, n_users, n_events).astype(np.int32),
        (rng.random(n_events) ** 2 * n_items).astype(np.int32),
        np.ones(n_events, np.float32),
        n_users,
        n_items,
    )


def a_blend() -> BlendedSource:
    return BlendedSource([PopularSource(), OwnItemsSource()], [Quota(n=K), Quota(n=K)])


def of_each_source(log: Interactions, at: int, known: int) -> list[int]:
    """Where each source, fitted on the first `known` events alone, has the item of event `at`."""
    past = log.take(slice(0, known))
    now_s = log.time_s[known : known + 1]
    query = HistoryIndex(log).queries(log.user_row[at : at + 1], now_s, np.array([known]))
    places = []
    for source in (PopularSource(), OwnItemsSource()):
        source.fit(past, int(past.time_s[-1]) + 1)
        row = source.retrieve(query, K, Eligibility("allow")).item_row[0].tolist()
        places.append(row.index(log.item_row[at]) if log.item_row[at] in row else -1)
    return places


@pytest.mark.parametrize("regime", ["strict", "batch"])
def test_every_question_knows_what_lies_before_it_and_no_more(regime):
    log = a_log()
    cuts = Cuts.at_quantiles(log, 0.5, 0.75)
    settings = StreamSettings(regime=regime, batch_size=7)
    reach = reach_of_stream(a_blend(), log, cuts, settings, 2 * K)
    start, test, end = cuts.positions(log)
    assert len(reach.merged_place) == end - start
    for query in range(0, end - start, 3):
        at = start + query
        first = start if at < test else test
        known = at - (at - first) % 7
        if regime == "strict":
            known = int(np.searchsorted(log.time_s, log.time_s[at]))
        assert reach.place[query].tolist() == of_each_source(log, at, known)
    assert (reach.split == (np.arange(start, end) >= test)).all()


def test_the_merged_list_holds_what_a_source_brings_and_has_the_place_it_stands_at():
    log = a_log()
    cuts = Cuts.at_quantiles(log, 0.5, 0.75)
    reach = reach_of_stream(a_blend(), log, cuts, StreamSettings(), 2 * K)
    assert ((reach.merged_place >= 0) == (reach.place >= 0).any(axis=1)).all()
    assert ((reach.merged_place >= 0) & (reach.merged_place < K)).any()


def test_recall_by_hand():
    reach = Reach(
        ("walk", "own"),
        np.array([[0, 3], [-1, 1], [5, -1], [-1, -1]], np.int32),
        np.array([0, 1, 6, -1], np.int32),
        np.array([0, 1, 1, 1], np.int8),
        np.array([0, 0, 1, 2], np.int32),
    )
    rows = {(r.source, r.split): r for r in recalls_of(reach, 4, IntervalSettings(resamples=200))}
    assert rows["walk", "validation"].recall == 1
    assert rows["walk", "validation"].alone == 0
    assert rows["walk", "test"].recall == 0
    assert rows["own", "test"].recall == pytest.approx(1 / 3)
    assert rows["own", "test"].alone == pytest.approx(1 / 3)
    assert rows["any of them", "test"].recall == pytest.approx(1 / 3)
    assert rows["merged", "test"].recall == pytest.approx(1 / 3)
    assert rows["own", "test"].low <= 1 / 3 <= rows["own", "test"].high
    assert {split for _, split in rows} == {"validation", "test"}


def test_a_source_that_admits_the_future_is_refused():
    log = a_log()

    class Ahead(PopularSource):
        def absorb(self, events: Interactions) -> None:
            raise LeakageError("it has seen the future")

    cuts = Cuts.at_quantiles(log, 0.5, 0.75)
    with pytest.raises(LeakageError, match="future"):
        reach_of_stream(BlendedSource([Ahead()]), log, cuts, StreamSettings(), K)
