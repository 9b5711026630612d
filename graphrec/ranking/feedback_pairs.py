"""What a click in a shown list says of the items around it."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from graphrec.errors import DataError
from graphrec.ranking.training_set import RankingSet

PairRule = Literal["skip_above", "last_click_skip_above", "skip_next"]
"""Which pairs a list gives, better first:

- `skip_above`: each click, and each item above it that was passed over;
- `last_click_skip_above`: the same for the lowest click alone, which was clicked last as a rule;
- `skip_next`: each click, and the item right below it where that was passed over.
"""


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """Pairs of candidates of one list of which the first was preferred.

    Attributes:
        better: Row of the preferred candidate in the `RankingSet`.
        worse: Row of the other one.
    """

    better: Int64[np.ndarray, " pairs"]
    worse: Int64[np.ndarray, " pairs"]

    def __len__(self) -> int:
        return len(self.better)


def examined_outcome(
    lists: RankingSet, outcome: str, *, n_below: int = 0
) -> Float32[np.ndarray, " pairs"]:
    """The outcome where it says something: for items at or above the lowest click.

    What stands below was perhaps never looked at, so its outcome becomes NaN; so does a whole list
    without a click, and a candidate whose place is unknown.

    Args:
        lists: Shown lists with positions.
        outcome: A column that is above 0 where an item was clicked, watched or liked.
        n_below: Items below the lowest click that count as looked at, >= 0.

    Raises:
        DataError: There is no such outcome, or `n_below` is negative.

    Source:
        Joachims 2002, doi:10.1145/775047.775067; `n_below` 1 as "click > no-click next" of
        Joachims et al. 2005, doi:10.1145/1076034.1076063.
    """
    if n_below < 0:
        raise DataError(f"{n_below} items below the lowest click — 0 or more")
    value = lists.column(outcome)
    list_of = _list_of(lists)
    clicked = (value > 0) & (lists.position >= 0)
    lowest = np.full(lists.n_lists, np.iinfo(np.int64).min, np.int64)
    np.maximum.at(lowest, list_of[clicked], lists.position[clicked])
    is_examined = (lists.position >= 0) & (lists.position - n_below <= lowest[list_of])
    return np.where(is_examined, value, np.float32(np.nan))


def with_examined_outcome(lists: RankingSet, outcome: str, *, n_below: int = 0) -> RankingSet:
    """The same lists, in which the outcome is NaN wherever `examined_outcome` says so.

    A model of order then also learns that an upper click beats an item passed over between it and
    the lowest click; `lists_of_pairs` keeps to the pairs of one rule.
    """
    value = examined_outcome(lists, outcome, n_below=n_below)
    changed = lists.outcome.copy()
    changed[:, lists.outcome_names.index(outcome)] = value
    return replace(lists, outcome=changed)


def preference_pairs(lists: RankingSet, outcome: str, rule: PairRule) -> PreferencePairs:
    """Pairs that clicks give, list after list, by the better one's place and then the worse one's.

    An item was clicked where its outcome is above 0, and passed over where it is 0 or below; one of
    unknown outcome or place is neither.

    Raises:
        DataError: There is no such outcome.

    Source:
        Joachims 2002; `last_click_skip_above` and `skip_next` as in Joachims et al. 2005.
    """
    value = lists.column(outcome)
    better, worse = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for begin, end in zip(lists.list_ptr[:-1], lists.list_ptr[1:], strict=True):
        row = begin + np.argsort(lists.position[begin:end], kind="stable")
        row = row[(lists.position[row] >= 0) & ~np.isnan(value[row])]
        first, second = _pairs_of_list(value[row] > 0, lists.position[row], rule)
        better.append(row[first])
        worse.append(row[second])
    return PreferencePairs(np.concatenate(better), np.concatenate(worse))


def lists_of_pairs(
    lists: RankingSet, pairs: PreferencePairs, name: str = "preference"
) -> RankingSet:
    """Lists of just these preferences: each preferred candidate, and all it was preferred to.

    Args:
        lists: The lists the pairs were read off.
        pairs: As `preference_pairs` gives them, equal `better` beside each other.
        name: What to call the only outcome: 1 for the preferred candidate, 0 for the others.

    Returns:
        As many lists as different preferred candidates; a candidate stands in several.
    """
    n_pairs = len(pairs)
    is_first = np.concatenate([[True], np.diff(pairs.better) != 0])[:n_pairs]
    starts = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    row = np.insert(pairs.worse, starts, pairs.better[starts])
    ends = np.append(starts, n_pairs)
    source = _list_of(lists)[pairs.better[starts]]
    is_better = np.zeros(len(row), np.float32)
    is_better[starts + group[starts]] = 1.0
    return replace(
        lists,
        features=lists.features[row],
        list_ptr=ends + np.arange(len(ends)),
        time_s=lists.time_s[source],
        user_row=lists.user_row[source],
        item_row=lists.item_row[row],
        position=lists.position[row],
        outcome_names=(name,),
        outcome=is_better[:, None],
        weight=lists.weight[row],
    )


def _pairs_of_list(
    clicked: Bool[np.ndarray, " known"], position: Int32[np.ndarray, " known"], rule: PairRule
) -> tuple[Int64[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
    clicks = np.flatnonzero(clicked)
    if rule == "last_click_skip_above":
        clicks = clicks[-1:]
    is_pair = ~clicked[None, :] & (
        (position[None, :] == position[clicks, None] + 1)
        if rule == "skip_next"
        else (position[None, :] < position[clicks, None])
    )
    which, second = np.nonzero(is_pair)
    return clicks[which], second


def _list_of(lists: RankingSet) -> Int64[np.ndarray, " pairs"]:
    return np.repeat(np.arange(lists.n_lists), np.diff(lists.list_ptr))
