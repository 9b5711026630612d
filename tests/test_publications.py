"""Items are dated by their table, else by the first event that was absorbed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import NEVER_S
from graphrec.publications import Publications
from graphrec.stages import Interactions

DATES = st.lists(st.sampled_from([3, 8, NEVER_S]), max_size=5)


def used(rows, n_items):
    """Events of `rows`, pairs of second and item."""
    time_s, item = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [])
    return Interactions(
        np.array(time_s, np.int64),
        np.zeros(len(rows), np.int32),
        np.array(item, np.int32),
        np.ones(len(rows), np.float32),
        1,
        n_items,
    )


@settings(max_examples=100, deadline=None)
@given(
    table=DATES,
    events=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11)), max_size=12),
    cut=st.integers(0, 12),
)
def test_dates_are_those_of_the_table_or_of_the_first_event(table, events, cut):
    dates = Publications(np.array(table, np.int64))
    dated, moved = [], []
    for part in (events[:cut], events[cut:]):
        new, earlier = dates.absorb(used(part, 12))
        dated += new.tolist()
        moved += earlier.tolist()
    given_s = table + [NEVER_S] * (12 - len(table))
    expected = [
        min((time for time, one in events if one == item), default=NEVER_S)
        if given_s[item] == NEVER_S
        else given_s[item]
        for item in range(12)
    ]
    assert dates.published_s.tolist() == expected
    assert sorted(dated) == [item for item in range(12) if given_s[item] != expected[item]]
    assert set(moved) <= set(dated)
    dates.reset()
    assert dates.published_s.tolist() == table


def test_an_item_described_after_it_was_used_takes_the_date_that_is_given():
    dates = Publications(np.array([5], np.int64))
    dates.absorb(used([(7, 1), (9, 2)], 3))
    dates.describe(np.array([6, NEVER_S], np.int64))
    assert dates.published_s.tolist() == [5, 6, 9]
    dates.reset()
    assert dates.published_s.tolist() == [5, 6, NEVER_S]
