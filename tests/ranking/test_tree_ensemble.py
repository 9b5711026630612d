"""The kernel scores as LightGBM does, and as a row that walks down each tree."""

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.kernels.trees import FEW_WORDS
from graphrec.ranking.tree_ensemble import TreeEnsemble
from tests.reference.trees import score_of_row

lgb = pytest.importorskip("lightgbm", reason="needs the extra rank")

N_FEATURES = 6
CATEGORICAL = (4, 5)
SMALL = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_per_group": 3}
FLAVOURS = {
    "numbers": {},
    "missing values": {"missing": 0.2},
    "zero as missing": {"missing": 0.2, "zero_as_missing": True},
    "nothing is missing": {"use_missing": False},
    "categories": {"missing": 0.2, "categorical": True},
    "zero as missing, categories": {
        "missing": 0.2,
        "zero_as_missing": True,
        "categorical": True,
    },
    "many categories": {"missing": 0.2, "categorical": True, "step": 11},
    "64 leaves": {"missing": 0.1, "categorical": True, "num_leaves": 64},
    "2 leaves": {"missing": 0.1, "num_leaves": 2},
    "extremely random": {"missing": 0.1, "extra_trees": True},
}


def drawn_features(rng, n_rows, missing=0.0, step=1):
    features = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    features[:, 1] = rng.integers(-2, 3, n_rows)
    features[:, 2] *= rng.random(n_rows) < 0.5
    features[:, CATEGORICAL[0]] = rng.integers(0, 5, n_rows)
    features[:, CATEGORICAL[1]] = rng.integers(0, 90, n_rows) * step
    features[rng.random(features.shape) < missing] = np.nan
    return features


def trained(seed, missing=0.0, categorical=False, step=1, **parameters):
    rng = np.random.default_rng(seed)
    features = drawn_features(rng, 800, missing, step)
    known = np.nan_to_num(features)
    target = (
        known[:, 0] * known[:, 2] + np.isin(known[:, 4], [1, 3]) + (known[:, 5] // step % 7 < 3)
    )
    data = lgb.Dataset(
        features,
        target + 0.5 * np.isnan(features).sum(axis=1),
        categorical_feature=list(CATEGORICAL) if categorical else [],
    )
    return lgb.train({**SMALL, "num_leaves": 13, **parameters}, data, 20)


def odd_features(rng, step):
    """Rows of the training's kind, and values that no training has seen."""
    features = drawn_features(rng, 300, 0.3, step)
    odd = [0.0, -0.0, 1e-36, -1e-36, 1e-34, np.inf, -np.inf, -0.5, 1e9, -3.0, 2.7, 31.0, 32.0]
    strange = rng.random(features.shape) < 0.2
    features[strange] = rng.choice(np.array(odd, np.float32), strange.sum())
    return features


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_lightgbm_and_of_the_walk_down_each_tree(flavour, seed):
    booster = trained(seed, **FLAVOURS[flavour])
    ensemble = TreeEnsemble.of_text(booster.model_to_string())
    features = odd_features(np.random.default_rng(seed + 99), FLAVOURS[flavour].get("step", 1))
    score = ensemble.score(features)
    finite = np.where(np.isinf(features), np.sign(features) * np.float32(3e38), features)
    np.testing.assert_allclose(
        ensemble.score(finite), booster.predict(finite, raw_score=True), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(score, booster.predict(features, raw_score=True), rtol=0, atol=1e-12)
    model = booster.dump_model()
    slow = [score_of_row(model, row) for row in finite.astype(np.float64)[:60]]
    np.testing.assert_allclose(ensemble.score(finite)[:60], slow, rtol=0, atol=1e-9)


def test_each_flavour_has_the_splits_it_is_named_for():
    def seen(name):
        ensemble = TreeEnsemble.of_text(trained(0, **FLAVOURS[name]).model_to_string())
        return ensemble, {int(kind) & 12 for kind in ensemble.kind}

    assert 8 in seen("missing values")[1]
    assert 4 in seen("zero as missing")[1]
    assert seen("nothing is missing")[1] == {0}
    assert (seen("categories")[0].kind & 1).any()
    assert 2 < np.diff(seen("categories")[0].member_ptr).max() <= FEW_WORDS
    assert np.diff(seen("many categories")[0].member_ptr).max() > FEW_WORDS + 1
    assert seen("64 leaves")[0].kept.dtype == np.uint64
    assert seen("numbers")[0].kept.dtype == np.uint32


def test_a_threshold_between_two_32_bit_numbers_parts_them_as_in_64_bits():
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2.0))
    features = np.array([[low], [high]] * 30, np.float32)
    booster = lgb.train({**SMALL, "learning_rate": 1.0}, lgb.Dataset(features, features[:, 0]), 2)
    far_apart = lgb.train(
        {**SMALL, "learning_rate": 1.0},
        lgb.Dataset(features.astype(np.float64), np.tile([0.0, 1.0], 30)),
        1,
    )
    for one in (booster, far_apart):
        ensemble = TreeEnsemble.of_text(one.model_to_string())
        np.testing.assert_array_equal(
            ensemble.score(features), one.predict(features, raw_score=True)
        )
    assert len(set(TreeEnsemble.of_text(far_apart.model_to_string()).score(features))) == 2


@pytest.mark.parametrize("n_words", [1, 2, FEW_WORDS, FEW_WORDS + 1, 40])
def test_a_split_by_category_sends_its_members_left_and_all_else_right(n_words):
    rng = np.random.default_rng(n_words)
    # The last word is full, so that what lies beyond it would be found in it by mistake.
    words = np.append(rng.integers(0, 2**32, n_words - 1), 2**32 - 1)
    text = (
        "tree\nnum_tree_per_iteration=1\nmax_feature_idx=0\n\nTree=0\nnum_leaves=2\nnum_cat=1\n"
        "split_feature=0\nthreshold=0\ndecision_type=1\nleft_child=-1\nright_child=-2\n"
        f"leaf_value=5 3\ncat_boundaries=0 {n_words}\n"
        f"cat_threshold={' '.join(map(str, words))}\nis_linear=0\n\nend of trees\n"
    )
    members = {32 * at + bit for at in range(n_words) for bit in range(32) if words[at] >> bit & 1}
    category = np.arange(-3, 32 * n_words + 70)
    score = TreeEnsemble.of_text(text).score(category[:, None].astype(np.float32))
    assert score.tolist() == [5.0 if one in members else 3.0 for one in category.tolist()]
    odd = np.array([[np.nan], [np.inf], [-np.inf], [3e9], [4294967295.0], [-1.0]], np.float32)
    assert TreeEnsemble.of_text(text).score(odd).tolist() == [3.0] * 6


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        ("split_feature=0 1", "split_feature=0 9"),
        ("split_feature=0 1", "split_feature=0 -1"),
        ("left_child=1 -1", "left_child=0 -1"),
        ("left_child=1 -1", "left_child=1 -2"),
        ("right_child=-2 -3", "right_child=-2 -9"),
        ("threshold=0 1", "threshold=0"),
        ("leaf_value=5 3 4", "leaf_value=5 3"),
    ],
)
def test_damaged_trees_never_reach_the_kernel(line, damage):
    text = (
        "tree\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\nTree=0\nnum_leaves=3\nnum_cat=0\n"
        "split_feature=0 1\nthreshold=0 1\ndecision_type=2 2\nleft_child=1 -1\n"
        "right_child=-2 -3\nleaf_value=5 3 4\nis_linear=0\n\nend of trees\n"
    )
    features = np.array([[0, 0], [1, 0], [0, 2]], np.float32)
    assert TreeEnsemble.of_text(text).score(features).tolist() == [5, 3, 4]
    assert line in text
    with pytest.raises(DataError, match="tree 0 is damaged"):
        TreeEnsemble.of_text(text.replace(line, damage))


def test_trees_that_learned_nothing_give_their_constant():
    booster = lgb.train(SMALL, lgb.Dataset(np.zeros((50, 2)), np.full(50, 3.0)), 4)
    ensemble = TreeEnsemble.of_text(booster.model_to_string())
    features = np.zeros((3, 2), np.float32)
    np.testing.assert_allclose(ensemble.score(features), booster.predict(features))


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_leaves": 65},
        {"linear_tree": True},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    ],
    ids=str,
)
def test_what_the_kernel_cannot_score_is_left_to_lightgbm(parameters):
    assert TreeEnsemble.of_text(trained(0, **parameters).model_to_string()) is None


def test_no_rows_have_no_scores_and_a_missing_column_is_refused():
    ensemble = TreeEnsemble.of_text(trained(0).model_to_string())
    assert ensemble.score(np.empty((0, N_FEATURES), np.float32)).shape == (0,)
    with pytest.raises(DataError, match="5 columns"):
        ensemble.score(np.zeros((2, 5), np.float32))
