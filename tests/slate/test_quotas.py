import numpy as np
import pytest

from graphrec.slate.quotas import QuotaCount, QuotaSettings


def fill(quotas, codes, k, pinned=None):
    """Take the first that is allowed, place after place; return entries and what was relaxed."""
    codes = {name: np.array(code, np.int32) for name, code in codes.items()}
    n = len(next(iter(codes.values())))
    pinned = pinned or {}
    count = QuotaCount(quotas, codes, pinned)
    left = np.ones(n, bool)
    left[list(pinned.values())] = False
    taken, relaxed = [], []
    for place in range(k):
        if place in pinned:
            entry = pinned[place]
        else:
            allowed, why = count.allowed(place, left)
            entry = int(np.argmax(allowed))
            relaxed.append(why)
        count.take(place, entry)
        left[entry] = False
        taken.append(entry)
    return taken, relaxed


def test_no_more_than_the_quota_stand_in_the_first_places_and_any_after_them():
    quota = QuotaSettings(group="publisher", at_most=2, places=4)
    taken, relaxed = fill([quota], {"publisher": [1, 1, 1, 1, 2, 3, 3]}, 7)
    assert taken == [0, 1, 4, 5, 2, 3, 6]
    assert relaxed == [None] * 7


def test_items_without_a_group_are_free():
    quota = QuotaSettings(group="publisher", at_most=1, places=9)
    assert fill([quota], {"publisher": [-1, -1, 0, 0, -1]}, 4)[0] == [0, 1, 2, 4]


def test_groups_are_kept_apart():
    quota = QuotaSettings(group="publisher", apart=True)
    taken, relaxed = fill([quota], {"publisher": [1, 1, 2, 1, 2]}, 5)
    assert taken == [0, 2, 1, 4, 3]
    assert relaxed == [None] * 5


def test_a_slate_that_could_not_be_filled_relaxes_what_stands_in_the_way():
    quotas = [
        QuotaSettings(group="publisher", at_most=2, apart=True),
        QuotaSettings(group="category", at_most=1),
    ]
    codes = {"publisher": [1, 1, 1], "category": [5, 6, 7]}
    taken, relaxed = fill(quotas, codes, 3)
    assert taken == [0, 1, 2]
    assert relaxed == [None, "publisher apart", "publisher, publisher apart"]


def test_a_pin_counts_from_the_start_and_is_kept_apart_from_what_stands_above_it():
    quota = QuotaSettings(group="publisher", at_most=1)
    assert fill([quota], {"publisher": [1, 2, 1]}, 2, {1: 2})[0] == [1, 2]
    apart = QuotaSettings(group="publisher", apart=True)
    assert fill([apart], {"publisher": [1, 2, 1]}, 2, {1: 2})[0] == [1, 2]


def test_what_bars_an_item_is_told_by_name():
    codes = {"publisher": np.array([1, 1], np.int32)}
    count = QuotaCount([QuotaSettings(group="publisher", at_most=1)], codes, {})
    assert count.reason(0, 1) is None
    count.take(0, 0)
    assert count.reason(1, 1) == "publisher quota"


def test_a_group_without_a_column_is_left_out():
    quota = QuotaSettings(group="series", at_most=1)
    assert QuotaCount([quota], {"publisher": np.zeros(2, np.int32)}, {}).is_free


def test_a_quota_of_nothing_is_refused():
    with pytest.raises(ValueError, match="give at_most, apart, or both"):
        QuotaSettings(group="publisher")
