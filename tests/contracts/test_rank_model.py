"""What every model that ranks promises."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.ranking.rank_model import RankModel
from tests.contracts.rank_models import MODELS, lists_with_a_category

pytest.importorskip("lightgbm", reason="needs the extra rank")


@pytest.fixture(scope="module", params=MODELS, ids=lambda case: case.label)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def model(case):
    return case.make()


@pytest.fixture
def features():
    return lists_with_a_category().features[:150].copy()


def test_it_keeps_the_protocol_and_tells_candidates_apart(model, features):
    assert isinstance(model, RankModel)
    assert model.feature_names == lists_with_a_category().feature_names
    score = model.score(features)
    assert score.shape == (150,)
    assert score.dtype == np.float32
    assert np.isfinite(score).all()
    assert len(np.unique(score)) > 30


def test_asked_twice_it_answers_the_same_and_leaves_the_question_as_it_was(model, features):
    before = features.copy()
    np.testing.assert_array_equal(model.score(features), model.score(features))
    np.testing.assert_array_equal(model.contributions(features), model.contributions(features))
    np.testing.assert_array_equal(features, before)


def test_neither_order_nor_company_changes_a_score(case, model, features):
    close = {"rtol": case.rounding, "atol": case.rounding}
    score = model.score(features)
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(model.score(features[order]), score[order], **close)
    for row in (0, 77, 149):
        np.testing.assert_allclose(model.score(features[row : row + 1])[0], score[row], **close)


def test_layout_in_memory_does_not_matter(case, model, features):
    close = {"rtol": case.rounding, "atol": case.rounding}
    score = model.score(features)
    np.testing.assert_allclose(model.score(np.asfortranarray(features)), score, **close)
    np.testing.assert_allclose(model.score(np.repeat(features, 2, axis=0)[::2]), score, **close)
    features.flags.writeable = False
    np.testing.assert_allclose(model.score(features), score, **close)


def test_missing_unknown_and_infinite_features_have_finite_scores(model, features):
    n_features = features.shape[1]
    rows = np.repeat(features[:1], 2 * n_features, axis=0)
    for column in range(n_features):
        rows[column, column] = np.nan
        rows[n_features + column, column] = 1e30
    extreme = np.array([[np.nan] * n_features, [np.inf] * n_features, [-np.inf] * n_features])
    for odd in (rows, extreme.astype(np.float32)):
        assert np.isfinite(model.score(odd)).all()
        assert np.isfinite(model.contributions(odd)).all()


def test_no_candidates_have_no_scores(model, features):
    assert model.score(features[:0]).shape == (0,)
    assert model.contributions(features[:0]).shape == (0, features.shape[1])


def test_another_number_of_columns_is_refused(model, features):
    with pytest.raises(DataError, match="4 columns of features"):
        model.score(features[:, :4])
    with pytest.raises(DataError, match="4 columns of features"):
        model.contributions(features[:, :4])


def test_contributions_add_up_to_the_distance_from_one_average(case, model, features):
    if not case.adds_up:
        pytest.skip("the fixed position's own share is left out of the contributions")
    rest = model.score(features) - model.contributions(features).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], rtol=0, atol=2e-5)


def test_features_that_drove_the_outcome_contribute_more_than_noise(model, features):
    contribution = np.abs(model.contributions(features)).mean(axis=0)
    assert contribution[:2].min() > 1.5 * contribution[2:4].max()


def test_it_comes_back_from_its_file(case, model, features, tmp_path):
    model.save(tmp_path / "model")
    back = case.load(tmp_path / "model")
    assert back.feature_names == model.feature_names
    np.testing.assert_array_equal(back.score(features), model.score(features))
