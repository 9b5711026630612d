"""Scores become probabilities that come true as often as they say."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.ranking.calibration import (
    IsotonicCalibration,
    PlattCalibration,
    calibration_of_json,
    fit_calibration,
    reliability_table,
)

pytest.importorskip("sklearn", reason="needs the extra rank")


def drawn(seed, n=4000):
    rng = np.random.default_rng(seed)
    score = rng.normal(3.0, 2.0, n).astype(np.float32)
    true = 1 / (1 + np.exp(-(0.8 * score - 3.0)))
    return score, (rng.random(n) < true).astype(np.float32), true


def squashed(score):
    return (1 / (1 + np.exp(-score))).astype(np.float32)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_unseen_outcomes_come_true_as_often_as_said(method):
    score, outcome, _ = drawn(0)
    calibration = fit_calibration(score, outcome, method)
    unseen, later, true = drawn(1)
    said = calibration.apply(unseen)
    assert np.abs(said - true).mean() < 0.03
    assert reliability_table(said, later).expected_error < 0.03
    assert reliability_table(squashed(unseen), later).expected_error > 0.2


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_calibrating_never_turns_an_order_round_and_stays_in_the_unit_interval(method):
    score, outcome, _ = drawn(0, 300)
    calibration = fit_calibration(score, outcome, method)
    said = calibration.apply(np.linspace(-1e6, 1e6, 999, dtype=np.float32))
    assert (np.diff(said) >= 0).all()
    assert said.min() >= 0
    assert said.max() <= 1


def test_the_logistic_curve_is_found_again():
    score, outcome, _ = drawn(2, 60_000)
    found = fit_calibration(score, outcome, "platt")
    assert found.slope == pytest.approx(0.8, abs=0.03)
    assert found.intercept == pytest.approx(-3.0, abs=0.1)


def test_log_odds_of_what_is_right_already_are_left_alone_and_of_what_is_bent_straightened():
    rng = np.random.default_rng(4)
    true = rng.beta(1, 12, 60_000)
    outcome = (rng.random(len(true)) < true).astype(np.float32)
    kept = fit_calibration(true.astype(np.float32), outcome, "log_odds")
    assert (kept.slope, kept.intercept) == pytest.approx((1.0, 0.0), abs=0.1)
    odds = true / (1 - true)
    doubled = (odds**2 / (1 + odds**2)).astype(np.float32)
    found = fit_calibration(doubled, outcome, "log_odds")
    assert found.slope == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(found.apply(doubled), true, atol=0.02)
    again = calibration_of_json(json.loads(json.dumps(found.to_json())))
    np.testing.assert_array_equal(again.apply(doubled), found.apply(doubled))


def test_platts_targets_keep_a_clean_cut_from_becoming_certain():
    # Three of each, parted: targets are 4/5 and 1/5, so the curve has to pass through them.
    score = np.array([-1, -1, -1, 1, 1, 1], np.float32)
    found = fit_calibration(score, np.array([0, 0, 0, 1, 1, 1], np.float32), "platt")
    np.testing.assert_allclose(found.apply(score[[0, 5]]), [0.2, 0.8], atol=1e-4)


def test_isotonic_by_hand_pools_what_falls():
    # Outcomes 0, 1, 0, 1 at scores 1 to 4: the middle two pool to a half.
    score = np.array([1, 2, 3, 4], np.float32)
    found = fit_calibration(score, np.array([0, 1, 0, 1], np.float32), "isotonic")
    np.testing.assert_allclose(
        found.apply(np.array([0, 1, 1.5, 2, 3, 3.5, 9], np.float32)),
        [0, 0, 0.25, 0.5, 0.5, 0.75, 1],
    )


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_weight_counts_like_repeats_and_unknown_outcomes_not_at_all(method):
    score, outcome, _ = drawn(3, 400)
    weight = np.random.default_rng(0).integers(0, 4, 400)
    weighted = fit_calibration(score, outcome, method, weight.astype(np.float32))
    repeated = fit_calibration(np.repeat(score, weight), np.repeat(outcome, weight), method)
    np.testing.assert_allclose(weighted.apply(score), repeated.apply(score), atol=2e-3)
    hidden = np.where(weight == 0, np.nan, outcome).astype(np.float32)
    known = fit_calibration(score[weight > 0], outcome[weight > 0], method)
    np.testing.assert_array_equal(
        fit_calibration(score, hidden, method).apply(score), known.apply(score)
    )


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_calibration_comes_back_from_json_and_needs_no_scikit_learn(method, monkeypatch):
    score, outcome, _ = drawn(0, 500)
    calibration = fit_calibration(score, outcome, method)
    monkeypatch.setitem(sys.modules, "sklearn.isotonic", None)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    back = calibration_of_json(json.loads(json.dumps(calibration.to_json())))
    np.testing.assert_array_equal(back.apply(score), calibration.apply(score))
    with pytest.raises(SettingsError, match=r"graphrec\[rank\]"):
        fit_calibration(score, outcome, method)


def test_what_is_no_probability_is_refused():
    score = np.zeros(3, np.float32)
    with pytest.raises(DataError, match=r"outcome is 2\.0"):
        fit_calibration(score, np.array([0, 1, 2], np.float32), "platt")
    with pytest.raises(DataError, match="all alike"):
        fit_calibration(score, np.array([1, 1, np.nan], np.float32), "isotonic")
    for said in ({}, {"method": "oracle"}, {"method": "platt", "slope": 1}):
        with pytest.raises(SnapshotError):
            calibration_of_json(said)


def test_reliability_by_hand():
    probability = np.array([0.1, 0.3, 0.3, 0.9, 0.9, 0.5], np.float32)
    outcome = np.array([0, 1, 0, 1, 1, np.nan], np.float32)
    by_width = reliability_table(probability, outcome, 2, by="width")
    np.testing.assert_allclose(by_width.predicted, [0.7 / 3, 0.9], rtol=1e-6)
    np.testing.assert_allclose(by_width.observed, [1 / 3, 1.0])
    assert by_width.count.tolist() == [3, 2]
    assert by_width.expected_error == pytest.approx((3 * 0.1 + 2 * 0.1) / 5, rel=1e-5)
    assert reliability_table(probability, outcome, 5, by="width").count.tolist() == [1, 2, 2]
    assert reliability_table(probability, outcome, 1).count.tolist() == [5]


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1), st.integers(1, 9))
def test_bins_hold_every_outcome_once_and_rise(rows, n_bins):
    probability = np.array([row[0] for row in rows], np.float32)
    outcome = np.array([row[1] for row in rows], np.float32)
    for by in ("count", "width"):
        table = reliability_table(probability, outcome, n_bins, by=by)
        assert table.count.sum() == len(rows)
        assert (table.count > 0).all()
        assert (np.diff(table.predicted) > 0).all()
        assert (table.count * table.observed).sum() == pytest.approx(outcome.sum())
        assert 0 <= table.expected_error <= table.largest_error + 1e-12


def test_an_empty_reliability_is_refused():
    nothing = np.empty(0, np.float32)
    with pytest.raises(DataError, match="10 bins of 0"):
        reliability_table(nothing, nothing)
    with pytest.raises(DataError, match=r"in \[0, 1\]"):
        reliability_table(np.array([1.2], np.float32), np.array([1], np.float32))


def test_flat_knots_and_a_curve_apply_by_their_formula():
    knots = IsotonicCalibration(np.array([0.0, 2.0]), np.array([0.2, 0.6]))
    np.testing.assert_allclose(knots.apply(np.array([-1, 1, 5], np.float32)), [0.2, 0.4, 0.6])
    curve = PlattCalibration(2.0, -1.0)
    np.testing.assert_allclose(
        curve.apply(np.array([0.5, 1e30, -1e30], np.float32)), [0.5, 1.0, 0.0], atol=1e-7
    )
