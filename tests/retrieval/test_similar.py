import pytest

from graphrec.errors import DataError
from graphrec.retrieval.propagate import PropagateSource
from graphrec.retrieval.similar import similar_items
from graphrec.retrieval.walks import RandomWalkSource
from tests.retrieval.walk_sources import source_on

# strangers -> 3; 0 -> 1 (9 of 10) and 2; 1 -> 0; 2 and 3 are dead ends
ROWS = [{3: 1}, {1: 9, 2: 1}, {0: 1}, {}, {}]


@pytest.mark.parametrize("kind", [RandomWalkSource, PropagateSource])
def test_similar_items_are_those_walks_from_the_item_come_by_and_not_itself(kind):
    found = similar_items(source_on(ROWS, kind), 0, 5)
    assert found.item_row.tolist() == [[1, 2, -1, -1, -1]]
    assert found.reason_item.tolist() == [[0, 0, -1, -1, -1]]
    assert similar_items(source_on(ROWS, kind), 0, 1).item_row.tolist() == [[1]]


@pytest.mark.parametrize("kind", [RandomWalkSource, PropagateSource])
def test_an_item_that_leads_nowhere_has_no_similar_items(kind):
    found = similar_items(source_on(ROWS, kind), 2, 3)
    assert found.item_row.tolist() == [[-1, -1, -1]]
    assert found.score.tolist() == [[-float("inf")] * 3]
    assert found.source.tolist() == [[-1, -1, -1]]


def test_similar_items_of_no_row_are_refused():
    source = source_on(ROWS, RandomWalkSource)
    for row, k in ((-1, 3), (0, -1)):
        with pytest.raises(DataError, match="must not be negative"):
            similar_items(source, row, k)
    with pytest.raises(DataError, match="item row 4"):
        similar_items(source, 4, 3)
