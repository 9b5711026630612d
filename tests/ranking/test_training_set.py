"""Lists can be taken in any number."""

import numpy as np

from tests.ranking.ranking_sets import of_arrays


def test_lists_at_positions_keep_their_rows():
    lists = of_arrays(np.arange(6)[:, None], [1, 3, 2], np.arange(6) * 10)
    found = lists.lists_at(np.array([0, 2, 2]))
    assert found.features[:, 0].tolist() == [0, 4, 5, 4, 5]
    assert found.list_ptr.tolist() == [0, 1, 3, 5]
    assert found.column("engagement").tolist() == [0, 40, 50, 40, 50]
    assert found.time_s.tolist() == [0, 120, 120]
    assert found.item_row.tolist() == [0, 4, 5, 4, 5]
