"""Lists in one array, some replaced: against lists of lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphrec.row_lists import spliced

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=6)


def flat(lists):
    ptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return ptr, np.array([value for own in lists for value in own], np.int32)


@given(LISTS, st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 9), max_size=3)))
def test_replaced_lists_stand_where_the_old_ones_stood(lists, changes):
    ptr, values = flat(lists)
    rows = sorted(changes)
    new_ptr, new = flat([changes[row] for row in rows])
    found_ptr, (found, halves) = spliced(
        ptr, [values, values / 2], np.array(rows, np.int32), new_ptr, [new, new / 2]
    )
    expected = lists + [[]] * (max([len(lists) - 1, *rows]) + 1 - len(lists))
    expected = [changes.get(row, own) for row, own in enumerate(expected)]
    for got, want in zip((found_ptr, found), flat(expected), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(halves, found / 2)
    assert found.dtype == np.int32
