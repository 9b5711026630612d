"""A request's filters hold for what an arranger adds, too."""

import numpy as np

from graphrec.experiment.method_settings import PopularMethod
from graphrec.experiment.opening import fit_pipeline
from graphrec.experiment.slates import NamedSlate
from graphrec.pipeline import Request
from graphrec.pipeline.refusing import without_refused
from graphrec.retrieval.filters import ItemFilters
from graphrec.stages import Candidates, Evidence, Slate
from tests.worlds import small_dataset

ROWS = [(1, "ann", "a"), (2, "bob", "b"), (3, "cid", "c"), (4, "dan", "d"), (5, "eve", "d")]


def a_slate() -> Slate:
    item = np.array([[3, 1, 0, -1], [2, 0, 5, 1]], np.int32)
    score = np.where(item < 0, -np.inf, 10 - item).astype(np.float32)
    place = np.arange(8, dtype=np.int32).reshape(2, 4, 1)
    return Slate(
        Candidates(
            item,
            score,
            np.where(item < 0, -1, 0).astype(np.int8),
            ("one",),
            item.copy(),
            np.ones(item.shape, np.float32),
            Evidence(place.astype(np.float32), place),
        ),
        propensity=np.where(item < 0, 0, (item + 1) / 10).astype(np.float32),
    )


def test_the_refused_leave_with_all_their_columns_and_the_others_move_up() -> None:
    left = without_refused(a_slate(), np.array([True, False, True, True]))
    assert left.shown.item_row.tolist() == [[3, 0, -1, -1], [2, 0, -1, -1]]
    assert left.shown.score.tolist()[0] == [7, 10, -np.inf, -np.inf]
    assert left.shown.reason_item.tolist()[1] == [2, 0, -1, -1]
    assert left.shown.source.tolist()[0] == [0, 0, -1, -1]
    assert left.shown.evidence.place[..., 0].tolist() == [[0, 2, -1, -1], [4, 5, -1, -1]]
    np.testing.assert_allclose(left.propensity[0], [0.4, 0.1, 0, 0])
    assert [(line.query, line.item_row) for line in left.decisions] == [(0, 1), (1, 5), (1, 1)]
    assert "3 item(s)" in left.notes[0]


def test_a_slate_that_is_allowed_is_left_as_it_is() -> None:
    slate = a_slate()
    assert without_refused(slate, np.ones(6, bool)) is slate


def test_a_pin_does_not_outweigh_what_a_request_denies() -> None:
    slate = NamedSlate.model_validate({"rules": {"pins": [{"item": "a", "place": 1}]}})
    pipeline = fit_pipeline(small_dataset(ROWS), PopularMethod(), slate=slate)
    queries = pipeline.queries_of_keys(["bob"])
    pinned = pipeline.recommend(queries, Request(3))
    assert pinned.shown.item_row[0, 0] == 0
    denied = pipeline.recommend(queries, Request(3, filters=ItemFilters(deny=("a",))))
    assert denied.shown.item_row[0].tolist() == [3, 2, -1]
    assert any("filters removed 1 item" in note for note in denied.notes)
    assert denied.decisions[-1].rule == "filter"
