"""The time split: one cut for all, every later item of a user counts, or the next one."""

import numpy as np
import pytest

from graphrec.errors import SettingsError
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.results import SLICES
from graphrec.evaluation.time_split import TimeSplitSettings, evaluate_time_split
from tests.evaluation.sources import CountingSource, LastAgain
from tests.worlds import watched

# Cut at 10, test from 20. User 2 is new after 20; item 4 is new after 20.
LOG = watched(
    [
        (1, 0, 0),
        (2, 1, 1),
        (3, 1, 2),
        (12, 0, 1),
        (20, 0, 3),
        (21, 0, 1),
        (22, 2, 4),
        (23, 0, 2),
        (24, 0, 3),
        (25, 1, 1),
    ],
    n_items=5,
)
CUTS = Cuts(10, 20)


def test_all_unseen_items_after_the_cut_count() -> None:
    source = CountingSource()
    [result] = evaluate_time_split([source], LOG, CUTS, TimeSplitSettings(top_k=2))
    asked = result.questions
    # User 1 only repeats, so there is nothing to ask; user 0 has had 0 and 1.
    assert asked.user_row.tolist() == [0, 2]
    assert asked.time_s.tolist() == [20, 20]
    assert asked.relevant_ptr.tolist() == [0, 2, 3]
    assert asked.relevant_item.tolist() == [2, 3, 4]
    # Counts 1 2 1 0 0; user 0 chooses among 2 3 4, user 2 among all.
    assert result.rank.tolist() == [1.0, 2.5, 4.5]
    assert result.n_candidates.tolist() == [3, 5]
    assert result.top_item.tolist() == [[2, -1], [1, 0]]
    assert source.calls == [("fit", 4), ("score", 2)]
    assert asked.label == "time_split, all items, unseen"


def test_slices_of_the_time_split() -> None:
    [result] = evaluate_time_split([CountingSource()], LOG, CUTS, TimeSplitSettings(seen="allow"))
    asked = result.questions
    assert asked.user_row.tolist() == [0, 1, 2]
    assert asked.relevant_item.tolist() == [1, 2, 3, 1, 4]
    named = {name: asked.slices[at].astype(int).tolist() for at, name in enumerate(SLICES)}
    assert named["repeat"] == [1, 0, 0, 1, 0]
    assert named["new_item"] == [0, 0, 1, 0, 1]
    assert named["new_user"] == [0, 0, 0, 0, 1]
    assert named["other"] == [0, 1, 0, 0, 0]
    assert result.of_slice("repeat").questions.user_row.tolist() == [0, 1]
    np.testing.assert_allclose(asked.history_popularity, [1.5, 1.5, np.nan])


def test_the_next_item_is_the_first_one_not_seen() -> None:
    next_unseen = TimeSplitSettings(target="next", split="validation")
    [result] = evaluate_time_split([CountingSource()], LOG, CUTS, next_unseen)
    assert result.questions.relevant_item.tolist() == [1]
    assert result.questions.time_s.tolist() == [10]
    assert result.questions.split.tolist() == [0]
    [result] = evaluate_time_split(
        [CountingSource()], LOG, CUTS, TimeSplitSettings(target="next", seen="allow")
    )
    assert result.questions.relevant_item.tolist() == [3, 1, 4]
    assert result.questions.regime == "next item"


def test_histories_end_at_the_cut() -> None:
    [result] = evaluate_time_split([LastAgain()], LOG, CUTS, TimeSplitSettings(seen="allow"))
    # Of what user 0 had before 20, item 1 came last: it is on top, then item 0, then the rest tied.
    assert result.rank.tolist()[:3] == [1.0, 3.5, 4.5]
    assert result.rank.tolist()[3] == 2.0


def test_nothing_to_predict_is_refused() -> None:
    with pytest.raises(SettingsError, match="no user has anything to predict"):
        evaluate_time_split([CountingSource()], LOG, Cuts(10, 25), TimeSplitSettings())


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate_time_split(
        [CountingSource()],
        LOG,
        CUTS,
        TimeSplitSettings(),
        progress=lambda *told_now: told.append(told_now),
    )
    assert told == [("popular", 2, 2)]
