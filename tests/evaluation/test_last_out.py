"""Last out: the last item of each user is the test, the one before it validation."""

import numpy as np
import pytest

from graphrec.errors import SettingsError
from graphrec.evaluation.last_out import LastOutSettings, evaluate_last_out
from graphrec.evaluation.results import SLICES
from graphrec.stages import Interactions, Queries
from tests.evaluation.sources import CountingSource, LastAgain
from tests.worlds import watched

# Times tie on purpose: the order is the log's. User 2 has too few events.
LOG = watched(
    [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 0, 2), (2, 2, 3), (3, 1, 0), (3, 1, 4), (3, 1, 1)],
    n_items=5,
)


class Spy(LastAgain):
    def __init__(self) -> None:
        super().__init__("spy")
        self.asked: list[tuple[int, int, list[int]]] = []

    def fit(self, events: Interactions, cut_s: int) -> None:
        super().fit(events, cut_s)
        self.learnt = list(zip(events.user_row.tolist(), events.item_row.tolist(), strict=True))

    def score(self, queries: Queries) -> np.ndarray:
        for query in range(len(queries)):
            past = queries.history_item[queries.history(query)].tolist()
            self.asked.append((int(queries.user_row[query]), int(queries.time_s[query]), past))
        return super().score(queries)


def test_histories_hold_what_came_before_in_the_log() -> None:
    spy = Spy()
    [result] = evaluate_last_out([spy], LOG, LastOutSettings())
    assert spy.asked == [(0, 4, [0]), (1, 4, [0, 1]), (0, 4, [1, 0]), (1, 4, [4, 0, 1])]
    assert spy.learnt == [(0, 0), (1, 1), (2, 3), (1, 0)]
    assert result.questions.relevant_item.tolist() == [1, 4, 2, 1]
    assert result.questions.split.tolist() == [0, 0, 1, 1]
    assert result.questions.time_s.tolist() == [1, 3, 1, 3]
    assert result.questions.label == "last_out, last item"


def test_seen_items_are_no_candidates_unless_they_come_true() -> None:
    [result] = evaluate_last_out([CountingSource()], LOG, LastOutSettings(top_k=3))
    # Learnt counts 2 1 0 1 0. User 1's test item 1 repeats and so stays a candidate.
    assert result.n_candidates.tolist() == [4, 3, 3, 3]
    assert result.rank.tolist() == [1.5, 2.5, 2.5, 1.5]
    repeat = result.questions.slices[SLICES.index("repeat")]
    assert repeat.tolist() == [False, False, False, True]
    new_item = result.questions.slices[SLICES.index("new_item")]
    assert new_item.tolist() == [False, True, True, False]
    [allowed] = evaluate_last_out([CountingSource()], LOG, LastOutSettings(seen="allow"))
    assert allowed.n_candidates.tolist() == [5] * 4
    assert allowed.questions.regime == "last item, seen allowed"


def test_validation_can_be_learnt_before_the_test() -> None:
    source = CountingSource()
    [result] = evaluate_last_out([source], LOG, LastOutSettings(learn_validation=True))
    assert source.calls == [("fit", 4), ("score", 2), ("fit", 6), ("score", 2)]
    assert result.questions.regime == "last item, validation learnt"
    only_test = CountingSource()
    evaluate_last_out([only_test], LOG, LastOutSettings(splits=("test",), learn_validation=True))
    assert only_test.calls == [("fit", 6), ("score", 2)]


def test_one_split_alone_is_evaluated_alike() -> None:
    told: list[tuple[str, int, int]] = []
    [both] = evaluate_last_out([LastAgain()], LOG, LastOutSettings())
    [test] = evaluate_last_out(
        [LastAgain()],
        LOG,
        LastOutSettings(splits=("test",)),
        progress=lambda *told_now: told.append(told_now),
    )
    np.testing.assert_array_equal(both.of_split("test").rank, test.rank)
    assert told == [("last again", 2, 2)]


def test_too_few_events_are_refused() -> None:
    with pytest.raises(SettingsError, match="no user has 9 events"):
        evaluate_last_out([LastAgain()], LOG, LastOutSettings(min_events=9))
