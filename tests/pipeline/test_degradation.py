"""Whatever stage fails, a slate comes back and says what it did without."""

import logging
from collections.abc import Callable

import numpy as np
import pytest

from graphrec.errors import DataError, LeakageError, UnknownIdError
from graphrec.events.dataset import Dataset
from graphrec.pipeline import Pipeline, Request
from graphrec.pipeline.top_up import topped_up
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.filters import ItemFilters
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSource
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.facts import ItemFacts
from graphrec.slate.rules import RuleSettings
from graphrec.slate.settings import SlateSettings
from graphrec.stages import Candidates, CandidateSource, Eligibility, Queries, Slate
from tests.worlds import small_dataset

ASK = Request(k=2, seen="allow")


class Backwards:
    """Ranks the highest row first."""

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        from graphrec.ranking.learned import ordered_by

        score = np.where(candidates.item_row < 0, -np.inf, candidates.item_row)
        return ordered_by(candidates, score.astype(np.float32))


class Fails:
    """Every stage at once, and none works."""

    name = "broken"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or ValueError("out of order")

    def fit(self, *_: object) -> None: ...

    def absorb(self, *_: object) -> None: ...

    def _fail(self, *_: object) -> None:
        raise self._error

    score = retrieve = rank = arrange = _fail


class NotANumber:
    """Ranks by nothing that can be compared."""

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        from graphrec.ranking.learned import ordered_by

        return ordered_by(candidates, np.full(candidates.score.shape, np.nan, np.float32))


@pytest.fixture
def dataset() -> Dataset:
    """Item a is had three times, b twice, c once; ann had b alone; d was never had."""
    rows = [(1, "bob", "a"), (2, "cal", "a"), (3, "bob", "b"), (4, "ann", "b")]
    rows += [(5, "dan", "a"), (6, "dan", "c")]
    return small_dataset(rows, {"item_id": ["a", "b", "c", "d"]})


@pytest.fixture
def popular(dataset: Dataset) -> CandidateSource:
    return fitted(PopularSource(), dataset)


def fitted(source: CandidateSource, dataset: Dataset) -> CandidateSource:
    source.fit(dataset.log.interactions(), 7)
    return source


def answer(pipeline: Pipeline, request: Request = ASK) -> tuple[list[object], tuple[str, ...]]:
    slate = pipeline.recommend(pipeline.queries_of_keys(["ann"]), request)
    return [place.item_id for place in pipeline.describe(slate, 0)], slate.notes


def test_stages_run_in_their_order(dataset, popular) -> None:
    facts = ItemFacts(4)
    deny_c = SlateSettings(rules=RuleSettings(deny_items=(2,)))
    assert answer(Pipeline(dataset, popular)) == (["a", "b"], ())
    assert answer(Pipeline(dataset, popular, Backwards())) == (["c", "b"], ())
    denied = Pipeline(dataset, popular, Backwards(), SlateArranger(facts, deny_c))
    assert answer(denied) == (["b", "a"], ())


def test_a_ranker_that_fails_leaves_the_order_of_retrieval(dataset, popular, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        items, notes = answer(Pipeline(dataset, popular, Fails()))
    assert items == ["a", "b"]
    assert notes == (
        "ranking failed, candidates stand as they were retrieved: ValueError: out of order",
    )
    assert caplog.records[0].exc_info is not None


def test_a_ranker_that_returns_no_number_is_one_that_fails(dataset, popular) -> None:
    items, notes = answer(Pipeline(dataset, popular, NotANumber()))
    assert items == ["a", "b"]
    assert "not finite" in notes[0]


def test_an_arranger_that_fails_leaves_the_order_of_the_ranker(dataset, popular, caplog) -> None:
    items, notes = answer(Pipeline(dataset, popular, Backwards(), Fails()))
    assert items == ["c", "b"]
    assert notes == ("arranging failed, items stand as they were ranked: ValueError: out of order",)
    assert caplog.records


def test_retrieval_that_fails_is_answered_by_the_fallback(dataset, popular, caplog) -> None:
    items, notes = answer(Pipeline(dataset, Fails(), Backwards(), fallback=popular))
    assert items == ["a", "b"]
    assert notes == (
        "retrieval by broken failed, no candidates: ValueError: out of order",
        "no candidate was found for 1 of 1 queries",
        f"1 slate(s) topped up from {popular.name}",
    )
    assert caplog.records


def test_one_source_of_a_blend_that_fails_is_done_without(dataset, popular, caplog) -> None:
    items, notes = answer(Pipeline(dataset, BlendedSource([popular, Fails()])))
    assert items == ["a", "b"]
    assert notes == ("broken was left out: ValueError: out of order",)
    assert caplog.records


def test_nothing_found_and_no_fallback_is_an_empty_slate_that_says_so(dataset) -> None:
    own = fitted(OwnItemsSource(), dataset)
    items, notes = answer(Pipeline(dataset, own), Request(k=2, seen="hide"))
    assert items == []
    assert notes == (
        "no candidate was found for 1 of 1 queries",
        "1 slate(s) are empty: no eligible item was found",
    )


def test_a_fallback_that_fails_is_said_and_leaves_slates_short(dataset, caplog) -> None:
    own = fitted(OwnItemsSource(), dataset)
    items, notes = answer(Pipeline(dataset, own, fallback=Fails()))
    assert items == ["b"]
    assert notes == ("the fallback broken failed, 1 slate(s) stay short: ValueError: out of order",)


def test_a_fallback_stands_below_what_was_ranked_also_after_arranging(dataset, popular) -> None:
    own = fitted(OwnItemsSource(), dataset)
    arranger = SlateArranger(ItemFacts(4), SlateSettings())
    items, notes = answer(Pipeline(dataset, own, arranger=arranger, fallback=popular))
    assert items == ["b", "a"]
    assert notes == (f"1 slate(s) topped up from {popular.name}",)


def test_what_is_filled_in_is_scored_below_what_was_found(dataset, popular) -> None:
    own = fitted(OwnItemsSource(), dataset)
    queries = Pipeline(dataset, own).queries_of_keys(["ann"])
    found, extra = (one.retrieve(queries, 3, Eligibility("allow")) for one in (own, popular))
    for below in (True, False):
        filled = topped_up(found, extra, 3, below=below)
        assert filled.item_row.tolist() == [[1, 0, 2]]
        assert filled.source_names == ("own_items", popular.name)
        assert filled.source.tolist() == [[0, 1, 1]]
        assert (np.diff(filled.score[0]) < 0).all() == below
    assert found.item_row.tolist() == [[1, -1, -1]]


def test_rules_that_leave_nothing_give_an_empty_slate_that_says_so(dataset, popular) -> None:
    none = SlateSettings(rules=RuleSettings(allow_items=()))
    items, notes = answer(Pipeline(dataset, popular, arranger=SlateArranger(ItemFacts(4), none)))
    assert items == []
    assert notes[-1] == "1 slate(s) are empty: no eligible item was found"
    assert any("rules leave no candidate" in note for note in notes)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request(filters=ItemFilters(deny=("nope",))), UnknownIdError),
        (Request(filters=ItemFilters(publishers=("nobody",))), DataError),
        (Request(k=0), DataError),
    ],
)
def test_what_the_caller_got_wrong_raises(dataset, popular, request_, error) -> None:
    with pytest.raises(error):
        answer(Pipeline(dataset, popular, fallback=popular), request_)


@pytest.mark.parametrize(
    "build",
    [
        lambda dataset, popular, broken: Pipeline(dataset, broken, fallback=popular),
        Pipeline,
        lambda dataset, popular, broken: Pipeline(dataset, popular, arranger=broken),
    ],
)
def test_an_answer_from_the_future_is_never_hidden(
    dataset, popular, build: Callable[..., Pipeline]
) -> None:
    broken = Fails(LeakageError("saw tomorrow"))
    with pytest.raises(LeakageError, match="tomorrow"):
        answer(build(dataset, popular, broken))


def test_a_slate_keeps_what_it_was_arranged_from(dataset, popular) -> None:
    pipeline = Pipeline(dataset, popular, Backwards())
    slate: Slate = pipeline.recommend(pipeline.queries_of_keys(["ann"]), ASK)
    assert slate.ranked is not None
    assert slate.ranked.item_row[0, :3].tolist() == [2, 1, 0]
    assert popular.retrieve(pipeline.queries_of_keys(["ann"]), 9, Eligibility("allow")).item_row[
        0, :3
    ].tolist() == [0, 1, 2]
