"""Each place of a slate tells who found it, what of the past speaks for it, and what moved it."""

import numpy as np
import pytest

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.pipeline import Pipeline, Request
from graphrec.pipeline.explaining import PastNames, Reason
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.learned import LearnedRanker
from graphrec.recommend import moved_by, why
from graphrec.retrieval.blend import BlendedSource
from graphrec.retrieval.own_items import OwnItemsSource
from graphrec.retrieval.popular import PopularSource
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.facts import ItemFacts
from graphrec.slate.settings import SlateSettings
from tests.worlds import small_dataset


class ByPlace:
    """Scores by the place in the popular list, the last one first."""

    feature_names = ("popular.place", "sources.count")

    def score(self, features):
        return np.nan_to_num(features[:, 0]).astype(np.float32)

    def contributions(self, features):
        return np.nan_to_num(features * np.array([1, 0], np.float32))


@pytest.fixture
def dataset() -> Dataset:
    """Ann had a and b of zed, and c of amy; d is of zed, e of amy and nobody had f."""
    rows = [(1, "ann", "a"), (2, "ann", "b"), (3, "ann", "c"), (4, "bob", "d"), (5, "cal", "d")]
    rows += [(6, "bob", "e")]
    return small_dataset(
        rows,
        {
            "item_id": ["a", "b", "c", "d", "e", "f"],
            "title": ["Alpha", "Beta", "Gamma", "Delta", "Eps", "Phi"],
            "publisher": [["zed"], ["zed"], ["amy"], ["zed"], ["amy"], None],
            "keywords": [["x"], ["x", "y"], ["y"], ["y", "x"], ["q"], []],
        },
    )


def blended(dataset: Dataset, **parts: object) -> Pipeline:
    source = BlendedSource([PopularSource(), OwnItemsSource()])
    source.fit(dataset.log.interactions(), 7)
    return Pipeline(dataset, source, **parts)


def test_names_that_the_past_shares_are_told_with_the_share_that_bears_them(dataset) -> None:
    pipeline = blended(dataset)
    past = PastNames(pipeline.catalogue, pipeline.queries_of_keys(["ann"]), 0)
    assert past.reasons(3) == [
        Reason("publisher", "zed", "zed", 2 / 3),
        # x and y are borne by two past items each; the earlier name is told.
        Reason("keyword", "x", "x", 2 / 3),
    ]
    assert past.reasons(4) == [Reason("publisher", "amy", "amy", 1 / 3)]
    assert past.reasons(5) == []
    nobody = PastNames(pipeline.catalogue, pipeline.queries_of_session([]), 0)
    assert nobody.reasons(3) == []


def test_every_source_that_brought_an_item_is_told_with_its_place(dataset) -> None:
    pipeline = blended(dataset)
    queries = pipeline.queries_of_keys(["ann"])
    slate = pipeline.recommend(queries, Request(6, "allow"))
    by_id = {place.item_id: place for place in pipeline.describe(slate, 0, queries)}
    assert {one.name: one.place for one in by_id["d"].found_by} == {"popular": 1}
    assert {one.name: one.place for one in by_id["c"].found_by} == {"popular": 4, "own_items": 1}
    assert [one.name for one in by_id["c"].found_by] == ["own_items", "popular"]
    assert by_id["c"].reasons[0].words == f"because you watched Gamma ({1:.0%})"
    assert why(by_id["d"]) == "because of the publisher zed (67% of what you watched)"


def test_what_moved_an_item_is_that_of_the_whole_ranked_list(dataset) -> None:
    builder = FeatureBuilder(FeatureInputs(("popular", "own_items")))
    builder.fit(dataset.log.interactions(), 7)
    pipeline = blended(dataset, ranker=LearnedRanker(builder, ByPlace()))
    queries = pipeline.queries_of_keys(["ann"])
    slate = pipeline.recommend(queries, Request(2, "allow"))
    first, second = pipeline.describe(slate, 0, queries)
    assert second.effects[0].effect == pytest.approx(np.log(4), rel=1e-6)
    (effect,) = first.effects
    assert effect.feature.name == "popular.place"
    assert effect.effect == pytest.approx(np.log(5), rel=1e-6)
    assert moved_by(first).endswith("log(1 + place in popular's list) 1.61 (+1.61)")
    assert pipeline.describe(slate, 0)[0].effects == ()


def test_chances_of_drawn_places_are_told(dataset) -> None:
    settings = SlateSettings(exploration=ExplorationSettings(method="epsilon", epsilon=0.5))
    drawn = blended(dataset, arranger=SlateArranger(ItemFacts(6), settings))
    queries = drawn.queries_of_keys(["ann"])
    places = drawn.describe(drawn.recommend(queries, Request(3)), 0, queries)
    assert all(0 < place.propensity <= 1 for place in places)
    plain = blended(dataset)
    assert plain.describe(plain.recommend(queries, Request(3)), 0)[0].propensity is None


def test_a_whole_pipeline_and_a_method_exclude_each_other(capsys, tmp_path) -> None:
    from graphrec.recommend import recommend

    with pytest.raises(SettingsError, match="drop --method"):
        recommend(tmp_path, user="ann", method="walk", pipeline_file=tmp_path / "p.yaml")
