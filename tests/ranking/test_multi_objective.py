"""One network estimates several objectives, and is served in NumPy alone."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from graphrec.errors import DataError, SnapshotError
from graphrec.ranking.calibration import PlattCalibration
from graphrec.ranking.feature_encoding import FeatureEncoding
from graphrec.ranking.features.builder import FeatureBuilder, FeatureInputs
from graphrec.ranking.learned import LearnedRanker
from graphrec.ranking.list_ndcg import ndcg_of_lists
from graphrec.ranking.multi_objective_model import MultiObjectiveModel
from graphrec.ranking.multi_objective_settings import MultiObjectiveSettings, Objective
from graphrec.ranking.objectives import ObjectiveWeights
from tests.ranking.ranking_sets import clicked_lists, drawn_lists
from tests.worlds import watched

torch = pytest.importorskip("torch", reason="needs the extra tgn")

from graphrec.ranking.multi_objective import (  # noqa: E402  # after the skip where torch is missing
    Batch,
    Network,
    train_multi_objective,
)

BOTH = (Objective(name="engagement"), Objective(name="satisfaction"))
AMOUNT = Objective(name="responsibility", kind="regression")
SMALL = MultiObjectiveSettings(
    objectives=(*BOTH, AMOUNT),
    hidden=(16, 8),
    head_width=8,
    learning_rate=0.01,
    batch_rows=256,
    max_epochs=15,
)
ENGAGED = ObjectiveWeights()


def with_settings(**changes):
    return SMALL.model_copy(update=changes)


def with_category(lists, seed=0):
    """A third feature that is a category, and moves the first outcome."""
    rng = np.random.default_rng(seed)
    features = lists.features.copy()
    features[:, 2] = rng.integers(0, 6, len(lists))
    outcome = lists.outcome.copy()
    is_good = np.isin(features[:, 2], [1, 4])
    outcome[:, 0] = rng.random(len(lists)) < np.where(is_good, 0.9, 0.1)
    features[rng.random(len(lists)) < 0.1, 2] = np.nan
    return replace(lists, features=features, outcome=outcome)


@pytest.mark.parametrize("experts", [1, 3])
def test_numpy_says_what_torch_says(experts):
    lists = with_category(drawn_lists(0, 40))
    settings = with_settings(experts=experts, categorical=("f2",), max_epochs=1, position_bias=True)
    model = train_multi_objective(lists, None, settings, ENGAGED)
    network = Network(settings, model.encoding, seed=1)
    rng = np.random.default_rng(1)
    # Weights with nothing left of the start, so that every array takes part.
    arrays = {
        name: rng.normal(0, 0.5, value.shape).astype(np.float32)
        for name, value in network.parameters.items()
    }
    network.parameters = {name: torch.from_numpy(value) for name, value in arrays.items()}
    features = np.concatenate([lists.features, np.full((3, 5), np.nan, np.float32)])
    n = len(features)
    batch = Batch(
        torch.from_numpy(model.encoding.numbers(features)),
        torch.from_numpy(model.encoding.codes(features)),
        torch.full((n,), -1),
        torch.zeros(n, 3),
        torch.ones(n),
    )
    expected = network.outputs(batch).numpy()
    said = replace(model, arrays=arrays).outputs(features)
    assert expected.std(axis=0).min() > 0.1
    np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{}, {"experts": 3}, {"dropout": 0.2}, {"position_bias": True}],
    ids=str,
)
def test_each_head_learns_its_own_outcome_and_training_repeats(changes):
    train, later = drawn_lists(0, 300).split_by_time(0.8)
    unseen = drawn_lists(1)
    model = train_multi_objective(train, later, with_settings(**changes), ENGAGED)
    said = model.estimates(unseen.features)
    for head in range(3):
        outcome = unseen.outcome[:, head]
        by_mean = ((outcome - train.outcome[:, head].mean()) ** 2).mean()
        assert ((said[:, head] - outcome) ** 2).mean() < 0.9 * by_mean
    again = train_multi_objective(train, later, with_settings(**changes), ENGAGED)
    np.testing.assert_array_equal(again.estimates(unseen.features), said)


def test_amounts_are_estimated_in_their_own_unit():
    train = drawn_lists(0, 60)
    settings = with_settings(objectives=(AMOUNT,), max_epochs=5)
    weights = ObjectiveWeights(weights={"responsibility": 1.0})
    before = train_multi_objective(train, None, settings, weights)
    larger = replace(train, outcome=100.0 + 20.0 * train.outcome)
    after = train_multi_objective(larger, None, settings, weights)
    np.testing.assert_allclose(
        after.score(train.features), 100.0 + 20.0 * before.score(train.features), atol=0.05
    )


def test_gates_that_are_sure_of_an_expert_stay_finite():
    train = drawn_lists(0, 20)
    model = train_multi_objective(train, None, with_settings(experts=3, max_epochs=1), ENGAGED)
    sure = {**model.arrays, "gate.weight": 1000 * model.arrays["gate.weight"]}
    assert np.isfinite(replace(model, arrays=sure).score(train.features)).all()


def test_categories_are_told_apart():
    lists = with_category(drawn_lists(0, 300))
    model = train_multi_objective(lists, None, with_settings(categorical=("f2",)), ENGAGED)
    rows = np.repeat(model.encoding.average_row[None], 6, axis=0)
    rows[:, 2] = np.arange(6)
    said = model.estimates(rows)[:, 0]
    assert said[[1, 4]].min() > 0.6
    assert said[[0, 2, 3, 5]].max() < 0.4


def test_the_loss_is_each_objectives_mean_over_what_is_known():
    settings = with_settings(
        objectives=(BOTH[0], Objective(**AMOUNT.model_dump() | {"loss_weight": 3.0}))
    )
    encoding = FeatureEncoding.of_training(np.zeros((4, 1), np.float32), ("f0",), ())
    network = Network(settings, encoding, seed=0)
    nan = float("nan")
    batch = Batch(
        torch.zeros(4, 2),
        torch.zeros(4, 0, dtype=torch.int64),
        torch.full((4,), -1),
        torch.tensor([[1.0, nan], [0.0, 2.0], [nan, nan], [nan, 1.0]]),
        torch.tensor([1.0, 3.0, 1.0, 1.0]),
    )
    # Untrained output layers are drawn, but inputs and biases of 0 say 0: log 2 for each
    # probability, half the square of each amount; amounts weigh 3 and 1.
    expected = np.log(2.0) + 3.0 * (3 * 0.5 * 4.0 + 1 * 0.5 * 1.0) / 4
    assert network.loss(batch).item() == pytest.approx(expected, rel=1e-6)


def test_rows_without_outcomes_or_weight_teach_nothing():
    train = drawn_lists(0, 60)
    gone = np.random.default_rng(5).random(len(train)) < 0.3
    hidden = train.outcome.copy()
    hidden[gone] = np.nan
    settings = with_settings(max_epochs=2)
    one = train_multi_objective(replace(train, outcome=hidden), None, settings, ENGAGED)
    two = train_multi_objective(
        replace(train, weight=np.where(gone, 0, 1).astype(np.float32)), None, settings, ENGAGED
    )
    np.testing.assert_array_equal(one.score(train.features), two.score(train.features))


def test_training_stops_at_the_best_epoch_of_the_validation():
    train, later = drawn_lists(0, 60).split_by_time(0.7)
    wild = with_settings(learning_rate=0.05, max_epochs=60, patience=4, objectives=BOTH)
    stopped = train_multi_objective(train, later, wild, ENGAGED)
    whole = train_multi_objective(train, None, wild, ENGAGED)

    def loss(model):
        said = np.clip(model.estimates(later.features), 1e-6, 1 - 1e-6)
        outcome = later.outcome[:, :2]
        return -(outcome * np.log(said) + (1 - outcome) * np.log(1 - said)).mean()

    assert loss(stopped) < loss(whole) - 0.05


def test_a_bias_of_positions_recovers_the_order_that_they_hid():
    lists, _ = clicked_lists(0, 1500)
    unseen, good = clicked_lists(1, 300)

    def true_ndcg(**changes):
        settings = with_settings(objectives=BOTH[:1], **changes)
        model = train_multi_objective(lists, None, settings, ENGAGED)
        score = model.score(unseen.features)
        return model, np.mean(ndcg_of_lists(score, np.exp(good), unseen.list_ptr, 10))

    model, debiased = true_ndcg(position_bias=True)
    assert debiased > true_ndcg()[1] + 0.03
    learned = model.arrays["position.bias"][:, 0]
    assert learned[0] > learned[2] > learned[4]


def test_weights_and_calibrations_change_the_value_but_not_the_network():
    train = drawn_lists(0, 60)
    model = train_multi_objective(train, None, with_settings(max_epochs=2), ENGAGED)
    said = model.estimates(train.features)
    weights = ObjectiveWeights(weights={"satisfaction": 2.0, "responsibility": -1.0})
    np.testing.assert_allclose(
        model.with_weights(weights).score(train.features),
        2 * said[:, 1] - said[:, 2],
        rtol=1e-5,
        atol=1e-6,
    )
    after = np.arange(len(train), dtype=np.float32)
    np.testing.assert_allclose(
        model.with_weights(ObjectiveWeights(after_weight=1.0)).value(train.features, after),
        said[:, 0] * (1 + after),
        rtol=1e-5,
    )
    curve = PlattCalibration(3.0, -1.0)
    calibrated = model.with_calibrations({"engagement": curve}).estimates(train.features)
    np.testing.assert_array_equal(calibrated[:, 0], curve.apply(said[:, 0]))
    np.testing.assert_array_equal(calibrated[:, 1:], said[:, 1:])
    with pytest.raises(DataError, match="'joy'"):
        model.with_weights(ObjectiveWeights(weights={"joy": 1.0}))
    with pytest.raises(DataError, match="'joy'"):
        model.with_calibrations({"joy": curve})


def test_a_model_comes_back_from_its_file_and_a_damaged_one_is_refused(tmp_path):
    lists = with_category(drawn_lists(0, 40))
    settings = with_settings(experts=2, categorical=("f2",), max_epochs=2, position_bias=True)
    model = train_multi_objective(lists, None, settings, ENGAGED)
    model = model.with_calibrations({"engagement": PlattCalibration(2.0, 0.5)})
    path = tmp_path / "heads.npz"
    model.save(path)
    back = MultiObjectiveModel.load(path)
    assert (back.settings, back.weights) == (model.settings, model.weights)
    np.testing.assert_array_equal(back.score(lists.features), model.score(lists.features))
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    for damaged in (whole[:-40], b"", b"junk", flipped):
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError, match=r"heads\.npz"):
            MultiObjectiveModel.load(path)


def test_serving_imports_no_torch():
    code = (
        "import sys, graphrec.ranking.multi_objective_model as model; "
        "sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_cannot_be_learned_is_refused():
    lists = drawn_lists(0, 10)
    probability = Objective(name="responsibility")
    with pytest.raises(DataError, match="logistic head wants"):
        train_multi_objective(lists, None, with_settings(objectives=(probability,)), ENGAGED)
    unknown = lists.outcome.copy()
    unknown[:, 1] = np.nan
    with pytest.raises(DataError, match="no outcome of satisfaction is known"):
        train_multi_objective(replace(lists, outcome=unknown), None, SMALL, ENGAGED)
    with pytest.raises(DataError, match="validation's features"):
        other = replace(lists, feature_names=("a", "b", "c", "d", "e"))
        train_multi_objective(lists, other, SMALL, ENGAGED)
    with pytest.raises(ValidationError, match="each name once"):
        MultiObjectiveSettings(objectives=(BOTH[0], BOTH[0]))


def test_a_ranker_of_several_objectives_is_weighed_by_question():
    train = drawn_lists(0, 60)
    model = train_multi_objective(train, None, with_settings(max_epochs=2), ENGAGED)
    builder = FeatureBuilder(FeatureInputs(("one", "two")))
    events = watched([(at, at % 3, at % 5) for at in range(60)])
    builder.fit(events, 60)
    ranker = LearnedRanker(builder, model)
    assert ranker.objectives == {"engagement": 1.0, "satisfaction": 0.0, "responsibility": 0.0}
    other = ranker.weighing({"satisfaction": 2.0})
    assert other.objectives == {"engagement": 1.0, "satisfaction": 2.0, "responsibility": 0.0}
    assert ranker.model is model and other.missing == ranker.missing
    said = model.estimates(train.features)
    np.testing.assert_allclose(
        other.model.score(train.features), said[:, 0] + 2 * said[:, 1], rtol=1e-5
    )
    with pytest.raises(DataError, match="'joy'"):
        ranker.weighing({"joy": 1.0})
