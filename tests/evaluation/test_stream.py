"""The stream protocol: nothing is known that had not happened, everything is that had."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError, LeakageError, SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.guard import check_blind_to, plant_future_event
from graphrec.evaluation.metrics import Metric
from graphrec.evaluation.results import SLICES
from graphrec.evaluation.stream import StreamSettings, evaluate_stream, same_second_lists
from graphrec.stages import Interactions, Queries
from tests.evaluation.sources import CountingSource, FixedScores, LastAgain, PeekingSource
from tests.worlds import watched

# Training to 9; validation 10..19 with two events at 11; test from 20.
LOG = watched(
    [
        (1, 0, 0),
        (2, 1, 1),
        (3, 1, 1),
        (10, 0, 1),
        (11, 1, 0),
        (11, 0, 0),
        (20, 2, 1),
        (21, 2, 3),
        (22, 0, 1),
    ],
    n_items=4,
)
CUTS = Cuts(10, 20)


class HistorySpy(LastAgain):
    """Notes what it was asked."""

    def __init__(self, *, absorbs: bool = True) -> None:
        super().__init__("spy", absorbs=absorbs)
        self.asked: list[tuple[int, int, list[int]]] = []

    def score(self, queries: Queries) -> np.ndarray:
        for query in range(len(queries)):
            past = queries.history_item[queries.history(query)].tolist()
            self.asked.append((int(queries.user_row[query]), int(queries.time_s[query]), past))
        return super().score(queries)


def test_strict_knows_every_earlier_event_and_none_of_the_same_second() -> None:
    spy = HistorySpy()
    evaluate_stream([spy], LOG, CUTS, StreamSettings())
    assert spy.asked == [
        (0, 10, [0]),
        (1, 11, [1, 1]),
        (0, 11, [1, 0]),
        (2, 20, []),
        (2, 21, [1]),
        (0, 22, [0, 1, 0]),
    ]
    assert spy.calls == [
        ("fit", 3),
        *[("score", 1), ("absorb", 1)],
        *[("score", 2), ("absorb", 2)],
        *[("score", 1), ("absorb", 1)] * 3,
    ]


def test_batches_are_counted_from_each_split_and_dated_by_their_first_event() -> None:
    spy = HistorySpy()
    evaluate_stream([spy], LOG, CUTS, StreamSettings(regime="batch", batch_size=2))
    assert [(user, time_s) for user, time_s, _ in spy.asked] == [
        (0, 10),
        (1, 10),
        (0, 11),
        (2, 20),
        (2, 20),
        (0, 22),
    ]
    # The batch that begins at the second event of second 11 knows the first one.
    assert [past for *_, past in spy.asked] == [[0], [1, 1], [1, 0], [], [], [0, 1, 0]]
    assert spy.calls[1:] == [
        *[("score", 2), ("absorb", 2)],
        *[("score", 1), ("absorb", 1)],
        *[("score", 2), ("absorb", 2)],
        *[("score", 1), ("absorb", 1)],
    ]


def test_ranks_worked_out_by_hand() -> None:
    [result] = evaluate_stream([CountingSource()], LOG, CUTS, StreamSettings(top_k=2))
    # Counts of items 0..3 before each block: 1200 | 1300 twice | 3300 | 3400 | 3401
    assert result.rank.tolist() == [1.0, 2.0, 2.0, 1.5, 3.5, 1.0]
    assert result.n_candidates.tolist() == [4] * 6
    assert result.top_item.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1], [1, 0], [1, 0]]
    assert result.of_split("validation").rank.tolist() == [1.0, 2.0, 2.0]
    assert result.of_split("test").questions.time_s.tolist() == [20, 21, 22]


def test_slices_say_what_was_known() -> None:
    [result] = evaluate_stream([CountingSource()], LOG, CUTS, StreamSettings())
    assert {
        name: result.questions.slices[SLICES.index(name)].astype(int).tolist() for name in SLICES
    } == {
        "new_user": [0, 0, 0, 1, 0, 0],
        "new_item": [0, 0, 0, 0, 1, 0],
        "repeat": [0, 0, 1, 0, 0, 1],
        "other": [1, 1, 0, 0, 0, 0],
        "unseen_user": [0, 0, 0, 1, 1, 0],
        "unseen_item": [0, 0, 0, 0, 1, 0],
    }
    assert result.of_slice("repeat").rank.tolist() == [2.0, 1.0]
    np.testing.assert_allclose(
        result.questions.history_popularity, [1, 2, 1.5, np.nan, 2, (1 + 2 + 1) / 3]
    )


def test_other_items_of_the_same_second_are_no_candidates() -> None:
    log = watched([(1, 0, 0), (5, 0, 1), (5, 0, 2), (5, 1, 3)], n_items=4)
    source = FixedScores(np.array([0, 1, 2, 3], np.float32))
    [result] = evaluate_stream([source], log, Cuts(5, 5), StreamSettings())
    assert result.n_candidates.tolist() == [3, 3, 4]
    assert result.rank.tolist() == [2.0, 2.0, 1.0]
    [kept] = evaluate_stream([source], log, Cuts(5, 5), StreamSettings(same_second="keep"))
    assert kept.rank.tolist() == [3.0, 2.0, 1.0]


def test_a_group_of_one_second_shares_one_list() -> None:
    lists = same_second_lists(watched([(5, 0, 4), (5, 1, 5), (5, 0, 6), (6, 0, 7)]))
    assert [lists.item[a:b].tolist() for a, b in zip(lists.start, lists.stop, strict=True)] == [
        [4, 6],
        [],
        [4, 6],
        [],
    ]
    assert len(lists.item) == 4


def test_seen_items_can_be_hidden_together_with_those_of_the_second() -> None:
    log = watched([(1, 0, 0), (5, 0, 1), (5, 0, 2), (6, 0, 0)], n_items=4)
    source = FixedScores(np.array([3, 2, 1, 4], np.float32))
    [result] = evaluate_stream([source], log, Cuts(5, 5), StreamSettings(seen="hide"))
    assert result.n_candidates.tolist() == [2, 2, 2]
    assert result.questions.regime == "strict, unseen"


def test_items_not_yet_published_are_no_candidates() -> None:
    log = watched([(1, 0, 0), (5, 0, 1), (8, 0, 1)], n_items=3)
    source = FixedScores(np.array([0, 1, 2], np.float32))
    [result] = evaluate_stream(
        [source], log, Cuts(5, 5), StreamSettings(), available_from_s=np.array([0, 9, 7])
    )
    assert result.rank.tolist() == [1.0, 2.0]


def test_sources_of_one_run_share_their_questions() -> None:
    first, second = evaluate_stream(
        [CountingSource(), LastAgain()], LOG, CUTS, StreamSettings(regime="batch")
    )
    assert first.questions is second.questions
    assert first.questions.label == "stream, batch-200"


events = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 4)), min_size=3, max_size=30
)


def sorted_log(rows: list[tuple[int, int, int]]) -> Interactions:
    rows = [(0, 0, 0), *sorted(rows, key=lambda row: row[0]), (13, 0, 0)]
    return watched(rows, n_users=4, n_items=5)


@settings(max_examples=40)
@given(events, st.sampled_from(["strict", "batch"]), st.sampled_from(["allow", "hide"]))
def test_merging_blocks_changes_nothing_for_sources_that_do_not_absorb(rows, regime, seen) -> None:
    log = sorted_log(rows)
    how = StreamSettings(regime=regime, batch_size=3, seen=seen)
    merged, apart = (
        evaluate_stream([LastAgain(absorbs=absorbs)], log, Cuts(6, 9), how)[0]
        for absorbs in (False, True)
    )
    np.testing.assert_array_equal(merged.rank, apart.rank)
    np.testing.assert_array_equal(merged.top_item, apart.top_item)
    np.testing.assert_array_equal(merged.n_candidates, apart.n_candidates)


def test_chunks_of_a_block_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    how = StreamSettings(regime="batch")
    [whole] = evaluate_stream([CountingSource()], LOG, CUTS, how)
    monkeypatch.setattr("graphrec.evaluation.asking.MAX_SCORES", 4)
    source = CountingSource()
    [cut] = evaluate_stream([source], LOG, CUTS, how)
    assert ("score", 1) in source.calls
    assert ("absorb", 3) in source.calls
    np.testing.assert_array_equal(whole.rank, cut.rank)


@settings(max_examples=40)
@given(events, st.integers(6, 13), st.integers(0, 3), st.integers(0, 4))
def test_a_planted_future_event_changes_nothing_before_it(rows, time_s, user, item) -> None:
    log = sorted_log(rows)
    for source in (CountingSource(), LastAgain()):
        [without] = evaluate_stream([source], log, Cuts(6, 9), StreamSettings())
        planted_log = plant_future_event(log, time_s, user, item)
        [planted] = evaluate_stream([source], planted_log, Cuts(6, 9), StreamSettings())
        check_blind_to(time_s, without, planted)


def test_a_source_that_peeks_is_caught_by_the_planted_event() -> None:
    planted_log = plant_future_event(LOG, 22, 0, 2)
    without, planted = (
        evaluate_stream([PeekingSource(log)], log, CUTS, StreamSettings())[0]
        for log in (LOG, planted_log)
    )
    with pytest.raises(LeakageError, match="peeking answered query 0 at 10 s differently"):
        check_blind_to(22, without, planted)


def test_progress_reaches_the_end_for_every_source() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate_stream(
        [CountingSource(), LastAgain()],
        LOG,
        CUTS,
        StreamSettings(),
        progress=lambda name, done, total: told.append((name, done, total)),
    )
    assert ("popular", 6, 6) in told
    assert told[-1] == ("last again", 6, 6)
    assert all(done <= total for _, done, total in told)


def test_scores_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"fixed returned scores of shape \(1, 3\)"):
        evaluate_stream([FixedScores(np.zeros(3, np.float32))], LOG, CUTS, StreamSettings())


def test_cuts_come_in_order_and_leave_something_on_both_sides() -> None:
    with pytest.raises(SettingsError, match="come in this order"):
        Cuts(5, 4)
    with pytest.raises(SettingsError, match="come in this order"):
        Cuts(5, 6, 5)
    with pytest.raises(SettingsError, match="0 events lie before the cut at 1 s and 9 after it"):
        Cuts(1, 20).positions(LOG)
    with pytest.raises(SettingsError, match="both need at least one"):
        Cuts(10, 20, 10 + 10).positions(LOG.take(slice(0, 3)))
    assert Cuts(10, 20, 22).positions(LOG) == (3, 6, 8)


def test_quantile_cuts_put_the_quantile_itself_into_training() -> None:
    log = watched([(time_s, 0, 0) for time_s in range(11)])
    assert Cuts.at_quantiles(log, 0.7, 0.8) == Cuts(8, 9)
    with pytest.raises(SettingsError, match="0 < training <= validation < 1"):
        Cuts.at_quantiles(log, 0.8, 0.7)


class EdgeBank(CountingSource):
    """Published baseline: 1 for a pair seen before, or within the window, and 0 otherwise."""

    def __init__(self, window_share: float | None) -> None:
        super().__init__("edge bank")
        self.window_share = window_share

    def fit(self, events: Interactions, cut_s: int) -> None:
        self.last_s = np.full((events.n_users, events.n_items), -1, np.int64)
        first_s, self.now_s = int(events.time_s[0]), int(events.time_s[-1])
        self.window_s = (self.now_s - first_s) * (self.window_share or 0.0)
        self.absorb(events)

    def absorb(self, events: Interactions) -> None:
        self.now_s = max(self.now_s, int(events.time_s.max()))
        self.last_s[events.user_row, events.item_row] = events.time_s

    def score(self, queries: Queries) -> np.ndarray:
        since_s = 0 if self.window_share is None else self.now_s - self.window_s
        return (self.last_s[queries.user_row] >= since_s).astype(np.float32)


@pytest.mark.parametrize(
    ("window_share", "validation", "test"), [(None, 0.5267, 0.4947), (0.15, 0.5997, 0.5710)]
)
def test_published_edge_bank_figures_are_reproduced(
    real_data, window_share, validation, test
) -> None:
    table = pl.read_parquet(real_data / "tgbl-wiki" / "events.parquet")
    log = Interactions(
        table["timestamp"].to_numpy().astype(np.int64),
        table["user_id"].to_numpy().astype(np.int32),
        table["item_id"].to_numpy().astype(np.int32),
        np.ones(len(table), np.float32),
        8227,
        1000,
    )
    cuts = Cuts.at_quantiles(log)
    assert cuts.positions(log) == (110_232, 133_853, 157_474)
    [result] = evaluate_stream([EdgeBank(window_share)], log, cuts, StreamSettings(regime="batch"))
    mrr = Metric.of_name("mrr")
    for split, published in (("validation", validation), ("test", test)):
        part = result.of_split(split)
        found = mrr.values(part.rank, part.questions.relevant_ptr).mean()
        assert found == pytest.approx(published, abs=5e-5)
    # Two pairs of edits share user and second in the test, none in validation or the reverse.
    assert (result.n_candidates == 999).sum() == 4
    assert (result.n_candidates == 1000).sum() == 47_238
