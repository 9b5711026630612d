"""Features and a model as a ranker: order, what is missing, and why."""

from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.ranking.averaged import AveragedModel
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.ranking.learned import LearnedRanker, one_query, ordered_by
from graphrec.stages import Candidates, Evidence, Queries, Ranker
from tests.ranking.ranking_sets import drawn_lists
from tests.worlds import watched

EVENTS = watched([(at, at % 3, at % 5) for at in range(60)])


class Weighted:
    """Scores by a weighted sum of the features it names; missing ones count 0."""

    def __init__(self, **weights: float) -> None:
        self.feature_names = tuple(name.replace("__", ".") for name in weights)
        self._weights = np.array(list(weights.values()), np.float32)
        self.asked: list[np.ndarray] = []

    def score(self, features):
        self.asked.append(features)
        return (np.nan_to_num(features) @ self._weights).astype(np.float32)

    def contributions(self, features):
        return (np.nan_to_num(features) * self._weights).astype(np.float32)


def the_builder(*names: str) -> FeatureBuilder:
    builder = FeatureBuilder(FeatureInputs(names or ("one", "two")))
    builder.fit(EVENTS, 60)
    return builder


def found(names: tuple[str, ...] = ("one", "two")) -> tuple[Queries, Candidates]:
    """Two queries: four candidates, and two with padding; the second source brought every other."""
    item = np.array([[4, 1, 0, 2], [3, 2, -1, -1]], np.int32)
    real = item >= 0
    place = np.stack([np.where(real, [0, 1, 2, 3], -1), np.where(item % 2 == 0, 1, -1)], axis=2)
    queries = Queries(
        np.array([0, 1], np.int32),
        np.array([60, 60], np.int64),
        np.array([0, 2, 3], np.int64),
        np.array([2, 1, 0], np.int32),
        np.array([59, 50, 58], np.int64),
        np.ones(3, np.float32),
    )
    return queries, Candidates(
        item,
        np.where(real, [4, 3, 2, 1], -np.inf).astype(np.float32),
        np.where(real, 0, -1).astype(np.int8),
        names,
        np.full(item.shape, -1, np.int32),
        np.zeros(item.shape, np.float32),
        Evidence(np.where(place >= 0, 9.0 - place, np.nan).astype(np.float32), place.astype("i4")),
    )


def test_a_learned_ranker_keeps_to_the_ranker_protocol() -> None:
    queries, candidates = found()
    ranker = LearnedRanker(the_builder(), Weighted(one__place=1.0))
    assert isinstance(ranker, Ranker)
    ranked = ranker.rank(queries, candidates)
    for query in range(2):
        assert sorted(ranked.item_row[query]) == sorted(candidates.item_row[query])
        real = ranked.item_row[query] >= 0
        assert (np.diff(real.astype(int)) <= 0).all()
        assert np.isfinite(ranked.score[query][real]).all()
        assert (np.diff(ranked.score[query][real]) <= 0).all()
        assert (ranked.score[query][~real] == -np.inf).all()
    again = ranker.rank(queries, candidates)
    np.testing.assert_array_equal(again.item_row, ranked.item_row)
    assert ranked.item_row.tolist() == [[2, 0, 1, 4], [2, 3, -1, -1]]


def test_every_column_moves_with_its_candidate() -> None:
    queries, candidates = found()
    ranked = LearnedRanker(the_builder(), Weighted(one__place=1.0)).rank(queries, candidates)
    assert ranked.evidence is not None
    assert ranked.evidence.place[0, :, 0].tolist() == [3, 2, 1, 0]
    assert ranked.evidence.place[0, :, 1].tolist() == [1, 1, -1, 1]
    assert ranked.source[1].tolist() == [0, 0, -1, -1]


def test_equal_scores_go_to_the_lower_item_row() -> None:
    _, candidates = found()
    same = np.where(candidates.item_row >= 0, 1, -np.inf).astype(np.float32)
    assert ordered_by(candidates, same).item_row.tolist() == [[0, 1, 2, 4], [2, 3, -1, -1]]


def test_one_query_alone_is_ranked_as_among_others() -> None:
    queries, candidates = found()
    ranker = LearnedRanker(the_builder(), Weighted(one__place=1.0, two__score=-0.1))
    together = ranker.rank(queries, candidates)
    for query in range(2):
        alone = ranker.rank(one_query(queries, query), candidates.of_query(query))
        np.testing.assert_array_equal(alone.item_row[0], together.item_row[query])
        np.testing.assert_array_equal(alone.score[0], together.score[query])


def test_no_candidates_are_ranked_to_none() -> None:
    queries, candidates = found()
    none = Candidates(
        candidates.item_row[:, :0],
        candidates.score[:, :0],
        candidates.source[:, :0],
        candidates.source_names,
        candidates.reason_item[:, :0],
        candidates.reason_share[:, :0],
    )
    ranked = LearnedRanker(the_builder(), Weighted(one__place=1.0)).rank(queries, none)
    assert ranked.item_row.shape == (2, 0)


def test_a_feature_nobody_builds_is_missing_and_said() -> None:
    queries, candidates = found()
    model = Weighted(one__place=1.0, moon__phase=7.0)
    ranker = LearnedRanker(the_builder(), model)
    assert ranker.missing == ("moon.phase",)
    ranked = ranker.rank(queries, candidates)
    assert np.isnan(model.asked[0][:, 1]).all()
    assert ranked.notes == ("not known to the ranker and taken as missing: moon.phase",)


def test_a_source_that_is_not_there_is_missing_and_said() -> None:
    queries, candidates = found(("one", "else"))
    model = Weighted(one__score=1.0, two__score=1.0)
    ranked = LearnedRanker(the_builder(), model).rank(queries, candidates)
    assert np.isnan(model.asked[0][:, 1]).all()
    assert ranked.notes == ("without the scores and places of two",)


def test_a_candidate_without_a_row_is_refused() -> None:
    queries, candidates = found()
    beyond = replace(candidates, item_row=np.where(candidates.item_row == 4, 99, 1).astype("i4"))
    with pytest.raises(DataError, match="99"):
        LearnedRanker(the_builder(), Weighted(one__place=1.0)).rank(queries, beyond)


def test_what_moved_a_candidate_is_told_furthest_first_by_its_meaning() -> None:
    queries, candidates = found()
    ranker = LearnedRanker(the_builder(), Weighted(one__place=0.1, two__score=-2.0, moon__phase=9))
    effects = ranker.explain(queries, candidates, 0, 3)
    assert [(one.feature.name, round(one.effect, 3)) for one in effects] == [
        ("two.score", -16.0),
        ("one.place", round(0.1 * float(np.log(4)), 3)),
    ]
    assert effects[0].feature.meaning == "score of two"
    assert effects[0].value == 8
    assert len(ranker.explain(queries, candidates, 0, 3, n=1)) == 1
    told = ranker.explain_places(queries, candidates, 0, np.array([0, 3]))
    assert told[1] == effects


def test_what_is_absorbed_is_known_to_the_next_features() -> None:
    queries, candidates = found()
    model = Weighted(**{"item__count_24h": 1.0})
    names = [name for name in the_builder().names if name.startswith("item.")]
    model.feature_names = (names[0],)
    ranker = LearnedRanker(the_builder(), model)
    ranker.rank(queries, candidates)
    ranker.absorb(watched([(60, 0, 4)] * 5, n_users=3, n_items=5))
    later = replace(queries, time_s=queries.time_s + 1)
    ranker.rank(later, candidates)
    assert not np.array_equal(model.asked[0], model.asked[1], equal_nan=True)


def test_an_average_is_the_mean_of_scores_and_of_contributions() -> None:
    one, two = Weighted(a=1.0, b=0.0), Weighted(a=0.0, b=4.0)
    both = AveragedModel([one, two])
    features = np.array([[2.0, 3.0], [1.0, -1.0]], np.float32)
    np.testing.assert_allclose(both.score(features), [7.0, -1.5])
    np.testing.assert_allclose(both.contributions(features), [[1, 6], [0.5, -2]])
    assert both.feature_names == ("a", "b")


def test_an_average_of_trees_lies_between_them() -> None:
    lists = drawn_lists(0, n_lists=60)
    models = [
        train_lambdamart(lists, None, LambdaMARTSettings(max_trees=8, n_leaves=4, seed=seed))
        for seed in (1, 2)
    ]
    score = AveragedModel(models).score(lists.features)
    parts = np.stack([model.score(lists.features) for model in models])
    assert ((score >= parts.min(axis=0) - 1e-5) & (score <= parts.max(axis=0) + 1e-5)).all()


@pytest.mark.parametrize("models", [[], [Weighted(a=1.0), Weighted(b=1.0)]])
def test_an_average_of_nothing_or_of_other_columns_is_refused(models) -> None:
    with pytest.raises(DataError):
        AveragedModel(models)
