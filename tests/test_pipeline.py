"""The pipeline fills slates, tops them up, and gives each place its reason."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from jaxtyping import Float32

from graphrec.errors import DataError, UnknownIdError
from graphrec.events.dataset import Dataset
from graphrec.events.descriptions import ItemDescription
from graphrec.pipeline import Pipeline, Request
from graphrec.pipeline.writing import write_all
from graphrec.retrieval.filters import ItemFilters
from graphrec.stages import Candidates, Eligibility, Interactions, Queries
from graphrec.top_k import top_candidates
from tests.worlds import small_dataset


class FixedSource:
    """Gives every query the same scores."""

    def __init__(self, name: str, scores: list[float]) -> None:
        self._name = name
        self._scores = np.array(scores, np.float32)

    @property
    def name(self) -> str:
        return self._name

    def fit(self, events: Interactions, cut_s: int) -> None: ...

    def absorb(self, events: Interactions) -> None: ...

    def score(self, queries: Queries) -> Float32[np.ndarray, "users items"]:
        return np.tile(self._scores, (len(queries), 1))

    def retrieve(self, queries: Queries, k: int, eligibility: Eligibility) -> Candidates:
        return top_candidates(self.score(queries), queries, k, eligibility, self.name)


@pytest.fixture
def dataset() -> Dataset:
    return small_dataset(
        [(1, "ann", "a"), (2, "bob", "b"), (3, "ann", "c")],
        {"item_id": ["a", "b", "c", "d"], "title": ["Alpha", None, "Gamma", "Delta"]},
    )


def test_a_slate_holds_the_best_items_the_user_has_not_seen(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    slate = pipeline.recommend(pipeline.queries_of(np.array([0, 1], np.int32)), Request(k=2))
    assert [found.item_id for found in pipeline.describe(slate, 0)] == ["d", "b"]
    assert [found.item_id for found in pipeline.describe(slate, 1)] == ["a", "c"]
    assert [found.title for found in pipeline.describe(slate, 0)] == ["Delta", "b"]
    assert slate.notes == ()


def test_only_again_and_filters_reach_the_source(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    ann = pipeline.queries_of(np.array([0], np.int32))
    again = pipeline.recommend(ann, Request(k=4, seen="only_again"))
    assert [found.item_id for found in pipeline.describe(again, 0)] == ["a", "c"]
    denied = pipeline.recommend(ann, Request(k=4, filters=ItemFilters(deny=("d",))))
    assert [found.item_id for found in pipeline.describe(denied, 0)] == ["b"]


def test_open_places_are_topped_up_and_said(dataset: Dataset) -> None:
    pipeline = Pipeline(
        dataset, FixedSource("fixed", [0, 0, 0, 2]), fallback=FixedSource("popular", [4, 3, 2, 9])
    )
    slate = pipeline.recommend(pipeline.queries_of(np.array([1], np.int32)), Request(k=3))
    found = pipeline.describe(slate, 0)
    assert [(place.item_id, place.source) for place in found] == [
        ("d", "fixed"),
        ("a", "popular"),
        ("c", "popular"),
    ]
    assert slate.notes == ("1 slate(s) topped up from popular",)


def test_a_full_slate_is_left_alone(dataset: Dataset) -> None:
    pipeline = Pipeline(
        dataset, FixedSource("fixed", [4, 1, 3, 2]), fallback=FixedSource("popular", [9, 9, 9, 9])
    )
    slate = pipeline.recommend(pipeline.queries_of(np.array([0], np.int32)), Request(k=2))
    assert {place.source for place in pipeline.describe(slate, 0)} == {"fixed"}


def test_the_history_ends_at_the_cut(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]), cut_s=3)
    ann = pipeline.queries_of(np.array([0], np.int32))
    np.testing.assert_array_equal(ann.history_item, [0])


def test_ages_of_undated_items_do_not_come_from_events_behind_the_cut(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]), cut_s=3)
    young = Request(4, "allow", ItemFilters(max_age_days=1))
    ann = pipeline.queries_of(np.array([0], np.int32))
    # Of c, whose first event is the one at the cut, nothing tells that it is out.
    assert [one.item_id for one in pipeline.describe(pipeline.recommend(ann, young), 0)] == [
        "a",
        "b",
    ]
    log = dataset.log.interactions()
    pipeline.absorb(log.take(log.time_s >= 3))
    slate = pipeline.recommend(ann, young)
    assert [one.item_id for one in pipeline.describe(slate, 0)] == ["a", "c", "b"]


def test_deleted_items_are_in_no_slate_whoever_brings_them(dataset: Dataset) -> None:
    source, fallback = FixedSource("fixed", [4, 0, 0, 2]), FixedSource("other", [1, 3, 2, 4])
    pipeline = Pipeline(dataset, source, fallback=fallback)
    nobody = pipeline.queries_of_session([])
    pipeline.describe_items({}, [0, 2])
    slate = pipeline.recommend(nobody, Request(4))
    assert [one.item_id for one in pipeline.describe(slate, 0)] == ["d", "b"]
    slate = pipeline.recommend(nobody, Request(4, filters=ItemFilters(allow=("a", "b"))))
    assert [one.item_id for one in pipeline.describe(slate, 0)] == ["b"]
    pipeline.describe_items({0: ItemDescription("Again")})
    slate = pipeline.recommend(nobody, Request(4))
    assert [one.title for one in pipeline.describe(slate, 0)] == ["Again", "Delta", "b"]


def test_a_session_is_a_history_of_items(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    query = pipeline.queries_of_session(["d", "a"])
    np.testing.assert_array_equal(query.history_item, [3, 0])
    with pytest.raises(UnknownIdError, match="unknown item 'nope'"):
        pipeline.queries_of_session(["nope"])


def test_the_past_is_told_newest_first(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    ann = pipeline.queries_of_keys(["ann"])
    assert [entry.title for entry in pipeline.past(ann, 0, limit=5)] == ["Gamma", "Alpha"]
    assert [entry.item_id for entry in pipeline.past(ann, 0, limit=1)] == ["c"]


def test_everyone_is_written_to_one_file(dataset: Dataset, tmp_path: Path) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    path = tmp_path / "slates.parquet"
    assert write_all(pipeline, Request(k=2), path) == 4
    table = pl.read_parquet(path)
    assert table["user_id"].to_list() == ["ann", "ann", "bob", "bob"]
    assert table["item_id"].to_list() == ["d", "b", "a", "c"]
    assert table["rank"].to_list() == [1, 2, 1, 2]
    assert table["because_item_id"].null_count() == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["slates.parquet"]


@pytest.mark.parametrize("name", ["slates.csv", "missing/slates.parquet"])
def test_a_wrong_output_path_is_refused_before_any_work(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    with pytest.raises(DataError, match=r"must end in \.parquet"):
        write_all(pipeline, Request(), tmp_path / name)


def test_everyone_is_answered_once(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("fixed", [4, 1, 3, 2]))
    told: list[int] = []
    batches = list(pipeline.recommend_all(Request(k=1), told.append))
    assert [users.tolist() for users, _ in batches] == [[0, 1]]
    assert told == [2]


def test_a_stream_that_nothing_reads_is_refused(dataset: Dataset) -> None:
    pipeline = Pipeline(dataset, FixedSource("best", [1, 2, 3, 4]))
    with pytest.raises(DataError, match="stream 'likes' — without a learned ranker nothing reads"):
        pipeline.absorb_stream("likes", dataset.log.interactions())
