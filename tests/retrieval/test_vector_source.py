import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.retrieval.vector_source import VectorModel, VectorSource, VectorSourceSettings
from graphrec.stages import Eligibility, Queries
from tests.retrieval.drawn_vectors import DrawnVectors
from tests.worlds import watched


class ByTime(DrawnVectors):
    """Scores pairs by how near the row is to the query's time."""

    def score_pairs(self, queries: Queries, item_row: np.ndarray) -> np.ndarray:
        return -np.abs(item_row - queries.time_s[:, None]).astype(np.float32)


def asked(items: list[int], time_s: int) -> Queries:
    return Queries.of_sessions([np.array(items, np.int32)], time_s)


def fitted(model: DrawnVectors, **chosen) -> VectorSource:
    source = VectorSource(model, VectorSourceSettings(**chosen))
    source.fit(watched([(1, 0, 2)], n_items=40), 5)
    return source


def test_scores_are_inner_products_brought_above_zero_in_their_order():
    model = DrawnVectors()
    source = fitted(model)
    query = asked([2, 7], 9)
    dots = (model.user_vectors(query) @ model.vectors.T)[0]
    expected = [x + 1 if x >= 0 else 1 / (1 - x) for x in dots]
    np.testing.assert_allclose(source.score(query)[0], expected, rtol=1e-5)
    assert isinstance(model, VectorModel)
    assert source.name == "drawn_index"


def test_touched_and_new_items_are_found_by_their_new_vectors_at_once():
    model = DrawnVectors()
    source = fitted(model)
    source.absorb(watched([(6, 0, 3), (7, 0, 41)], n_items=43))
    query = asked([3], 9)
    np.testing.assert_allclose(source._fitted.vectors, model.vectors)
    dots = (model.user_vectors(query) @ model.vectors.T)[0]
    found = source.retrieve(query, 43, Eligibility("allow"))
    assert found.item_row[0].tolist() == np.argsort(-dots, kind="stable").tolist()


@pytest.mark.parametrize(
    ("chosen", "is_read_anew"),
    [
        ({}, False),
        ({"rebuild_every_events": 2}, True),
        ({"rebuild_every_events": 3}, False),
        ({"rebuild_every_s": 100}, True),
        ({"rebuild_every_s": 1000}, False),
    ],
)
def test_all_vectors_are_read_anew_when_that_is_due(chosen, is_read_anew):
    model = DrawnVectors()
    source = fitted(model, **chosen)
    source.absorb(watched([(6, 0, 3)], n_items=40))
    # The model has changed by itself, as one does whose items change with time.
    model.vectors = model.vectors + np.float32(1)
    source.absorb(watched([(105, 0, 3)], n_items=40))
    assert (source._fitted.vectors == model.vectors).all() == is_read_anew


def test_what_was_found_is_scored_anew_as_of_the_query_where_the_model_can():
    source = fitted(ByTime(), room=100)
    found = source.retrieve(asked([30], 30), 3, Eligibility())
    assert found.item_row[0].tolist() == [29, 31, 28]
    np.testing.assert_allclose(found.score[0], [1 / 2, 1 / 2, 1 / 3])


def test_asking_before_a_fit_is_refused():
    with pytest.raises(DataError, match="fit it first"):
        VectorSource(DrawnVectors()).retrieve(asked([], 1), 1, Eligibility())
