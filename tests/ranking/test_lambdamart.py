"""Boosted trees learn orders, see through positions, and come back from their text."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.ranking.boosted_trees import LambdaMARTModel
from graphrec.ranking.grades import Grading
from graphrec.ranking.importance import (
    PermutationSettings,
    gain_importance,
    permutation_importance,
)
from graphrec.ranking.lambdamart import LambdaMARTSettings, train_lambdamart
from graphrec.ranking.list_ndcg import ndcg_of_lists
from tests.ranking.ranking_sets import clicked_lists, drawn_lists, of_arrays

lgb = pytest.importorskip("lightgbm", reason="needs the extra rank")

FAST = LambdaMARTSettings(max_trees=40, n_leaves=7, learning_rate=0.1)


def mean_ndcg(model, lists, outcome="engagement"):
    values = lists.column(outcome)
    gain = Grading.of_outcome(values, 5).grades(values).astype(np.float64)
    return np.nanmean(ndcg_of_lists(model.score(lists.features), gain, lists.list_ptr, 10))


def with_settings(**changes):
    return FAST.model_copy(update=changes)


@pytest.mark.parametrize(
    "settings",
    [
        FAST,
        with_settings(objective="rank_xendcg"),
        with_settings(outcome="responsibility", gain="linear"),
        with_settings(pointwise_share=0.5),
        with_settings(pointwise_share=1.0),
        LambdaMARTSettings.for_few_ratings(max_trees=40),
    ],
    ids=lambda settings: f"{settings.objective} {settings.outcome} {settings.pointwise_share}",
)
def test_unseen_lists_are_ordered_better_than_at_random_and_alike_on_each_training(settings):
    train, later = drawn_lists(0).split_by_time(0.8)
    unseen = drawn_lists(1)
    model = train_lambdamart(train, later, settings)
    same = train_lambdamart(train, later, settings)
    assert model.to_text() == same.to_text()

    class AtRandom:
        @staticmethod
        def score(features):
            return np.random.default_rng(3).normal(size=len(features)).astype(np.float32)

    assert mean_ndcg(model, unseen, settings.outcome) > 0.1 + mean_ndcg(
        AtRandom, unseen, settings.outcome
    )


def test_training_stops_where_the_validation_gets_no_better():
    train, later = drawn_lists(0).split_by_time(0.8)
    patient = with_settings(max_trees=400, learning_rate=0.3, early_stopping=5)
    stopped = train_lambdamart(train, later, patient)
    whole = train_lambdamart(train, None, patient)
    assert stopped.parts[0].text.count("Tree=") < 100
    assert whole.parts[0].text.count("Tree=") == 400
    assert mean_ndcg(stopped, later) >= mean_ndcg(whole, later)


def test_threads_change_nothing():
    train = drawn_lists(0)
    one = train_lambdamart(train, None, FAST)
    two = train_lambdamart(train, None, with_settings(n_threads=2))
    np.testing.assert_array_equal(one.score(train.features), two.score(train.features))


def test_rows_without_an_outcome_or_a_weight_teach_nothing():
    train = drawn_lists(0)
    rng = np.random.default_rng(5)
    gone = rng.random(len(train)) < 0.3
    hidden = train.outcome.copy()
    hidden[gone] = np.nan
    unknown = replace(train, outcome=hidden)
    weightless = replace(train, weight=np.where(gone, 0, train.weight).astype(np.float32))
    one, two = (train_lambdamart(lists, None, FAST) for lists in (unknown, weightless))
    np.testing.assert_array_equal(one.score(train.features), two.score(train.features))
    assert one.to_text() != train_lambdamart(train, None, FAST).to_text()


def test_a_heavier_row_pulls_harder():
    # One feature value, x = 1, is as often better as worse than x = 0; the weight decides.
    features = np.tile([[0.0], [1.0]], (80, 1))
    outcome = np.concatenate([np.tile([0, 1], 40), np.tile([1, 0], 40)])
    settings = with_settings(min_rows_per_leaf=1, max_trees=5)
    for heavy, sign in ((slice(0, 80), 1), (slice(80, 160), -1)):
        weight = np.ones(160)
        weight[heavy] = 5
        model = train_lambdamart(
            of_arrays(features, [2] * 80, outcome, weight=weight), None, settings
        )
        low, high = model.score(np.array([[0.0], [1.0]], np.float32))
        assert sign * (high - low) > 0


def test_monotone_features_never_turn_round():
    train = drawn_lists(0)
    settings = with_settings(increasing=("f1",), decreasing=("f2",))
    model = train_lambdamart(train, None, settings)
    row = train.features[:50].copy()
    for column, sign in ((1, 1), (2, -1)):
        steps = []
        for value in np.linspace(-3, 3, 41):
            row[:, column] = value
            steps.append(model.score(row))
        assert (sign * np.diff(np.array(steps), axis=0) >= -1e-6).all()
        row = train.features[:50].copy()


def test_categories_are_told_apart_whatever_their_numbers():
    rng = np.random.default_rng(0)
    category = rng.integers(0, 40, 2000)
    is_good = (category * 7919) % 5 < 2
    lists = of_arrays(category[:, None], [10] * 200, is_good)
    model = train_lambdamart(lists, None, with_settings(categorical=("f0",), max_trees=10))
    assert (model.parts[0].ensemble.kind & 1).any()
    score = model.score(np.arange(40, dtype=np.float32)[:, None])
    good = (np.arange(40) * 7919) % 5 < 2
    assert score[good].min() > score[~good].max()


@pytest.mark.parametrize("debias", ["feature", "unbiased"])
def test_debiasing_recovers_the_order_that_positions_hid(debias):
    # The old ranker's score only says where an item was shown; clicks follow places.
    lists, _ = clicked_lists(0, 1500)
    unseen, good = clicked_lists(1, 300)
    truth = np.exp(good)

    def true_ndcg(how):
        model = train_lambdamart(lists, None, with_settings(debias=how, max_trees=60))
        score = model.score(unseen.features)
        return np.mean(ndcg_of_lists(score, truth, unseen.list_ptr, 10))

    assert true_ndcg(debias) > true_ndcg("none") + 0.03


def test_position_as_a_feature_is_fixed_when_serving():
    lists, _ = clicked_lists(0, 300)
    first, fifth = (
        train_lambdamart(lists, None, with_settings(debias="feature", serve_position=place))
        for place in (0, 4)
    )
    assert first.feature_names == lists.feature_names
    place = np.full((len(lists), 1), 4, np.float32)
    seen = np.concatenate([lists.features, place], axis=1)
    expected = first.parts[0].booster.predict(seen, raw_score=True)
    np.testing.assert_allclose(fifth.score(lists.features), expected, rtol=1e-6)
    assert not np.allclose(first.score(lists.features), expected)
    assert first.contributions(lists.features).shape == lists.features.shape


def test_an_unknown_position_is_not_the_first():
    lists, _ = clicked_lists(0, 300)
    half = np.arange(len(lists)) < len(lists) // 2
    texts = [
        train_lambdamart(
            replace(lists, position=np.where(half, place, lists.position).astype(np.int32)),
            None,
            with_settings(debias="feature"),
        ).to_text()
        for place in (-1, 0)
    ]
    assert texts[0] != texts[1]


def test_both_kinds_of_trees_count_by_their_share():
    train = drawn_lists(0)
    model = train_lambdamart(train, None, with_settings(pointwise_share=0.3))
    spreads = [part.score(train.features).std() for part in model.parts]
    assert spreads[0] > 2 * spreads[1]
    np.testing.assert_allclose(np.multiply(model.weights, spreads), [0.7, 0.3])


def test_gains_set_how_much_more_a_higher_grade_counts():
    train = drawn_lists(0)
    rated = replace(
        train, outcome=np.round(2 + 2 * train.outcome[:, [2]]), outcome_names=("rated",)
    )
    one, two = (
        train_lambdamart(rated, None, with_settings(outcome="rated", gain=gain))
        for gain in ("exponential", "linear")
    )
    assert not np.allclose(one.score(train.features), two.score(train.features))


@pytest.mark.parametrize("changes", [{}, {"pointwise_share": 0.3}, {"debias": "feature"}], ids=str)
def test_a_model_comes_back_from_its_text(tmp_path, changes):
    train = drawn_lists(0)
    model = train_lambdamart(train, None, with_settings(**changes))
    model.save(tmp_path / "trees.txt")
    back = LambdaMARTModel.load(tmp_path / "trees.txt")
    assert back.feature_names == model.feature_names
    np.testing.assert_array_equal(back.score(train.features), model.score(train.features))
    np.testing.assert_array_equal(
        back.contributions(train.features), model.contributions(train.features)
    )


def test_a_damaged_file_is_refused_by_name(tmp_path):
    model = train_lambdamart(drawn_lists(0), None, FAST)
    model.save(tmp_path / "trees.txt")
    whole = (tmp_path / "trees.txt").read_bytes()
    for damaged in (whole[:-40], b"", b"[]\n", whole.replace(b"trees 1", b"trees 9"), b"\xff\xfe"):
        (tmp_path / "trees.txt").write_bytes(damaged)
        with pytest.raises(SnapshotError, match=r"trees\.txt"):
            LambdaMARTModel.load(tmp_path / "trees.txt")


def test_trees_too_large_for_the_kernel_are_scored_by_lightgbm():
    train = drawn_lists(0, n_lists=300)
    model = train_lambdamart(
        train, None, with_settings(n_leaves=100, min_rows_per_leaf=1, max_trees=5)
    )
    assert model.parts[0].ensemble is None
    expected = model.parts[0].booster.predict(train.features, raw_score=True)
    np.testing.assert_allclose(model.score(train.features), expected, rtol=1e-6)
    assert model.score(train.features[:0]).shape == (0,)


def test_scoring_needs_no_lightgbm_but_training_says_what_to_install(monkeypatch):
    train = drawn_lists(0)
    text = train_lambdamart(train, None, FAST).to_text()
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert np.isfinite(LambdaMARTModel.of_text(text).score(train.features)).all()
    with pytest.raises(SettingsError, match=r"graphrec\[rank\]"):
        train_lambdamart(train, None, FAST)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"outcome": "joy"}, DataError, "no outcome 'joy'"),
        ({"categorical": ("f9",)}, DataError, "no feature 'f9'"),
        ({"increasing": ("f1",), "decreasing": ("f1",)}, SettingsError, "increasing and"),
        ({"debias": "unbiased", "objective": "rank_xendcg"}, SettingsError, "only lambdarank"),
        ({"debias": "unbiased"}, DataError, "position is -1 for 1200"),
        ({"debias": "feature"}, DataError, "no position is known"),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(changes, error, message):
    lists = replace(drawn_lists(0), position=np.full(1200, -1, np.int32))
    with pytest.raises(error, match=message):
        train_lambdamart(lists, None, with_settings(**changes))


def test_lists_that_tell_nothing_apart_are_refused():
    lists = of_arrays(np.zeros((20, 1)), [10, 10], [1] * 10 + [0] * 10)
    with pytest.raises(DataError, match="no list of 2 has two candidates"):
        train_lambdamart(lists, None, FAST)
    other = replace(drawn_lists(1), feature_names=("a", "b", "c", "d", "e"))
    with pytest.raises(DataError, match="validation's features"):
        train_lambdamart(drawn_lists(0), other, FAST)


def test_importance_names_the_features_that_matter():
    model = train_lambdamart(drawn_lists(0, n_lists=300), None, FAST)
    gain = gain_importance(model)
    assert gain.sum() == pytest.approx(1.0)
    assert set(np.argsort(-gain)[:2]) == {0, 1}
    unseen = drawn_lists(1, n_lists=200)
    before = unseen.features.copy()
    found = permutation_importance(model, unseen, PermutationSettings(n_repeats=3))
    assert set(np.argsort(-found.drop)[:2]) == {0, 1}
    assert found.drop[0] > 10 * abs(found.drop[2:]).max()
    assert found.ndcg == pytest.approx(mean_ndcg(model, unseen))
    np.testing.assert_array_equal(unseen.features, before)
