"""Intervals cover what they should, tests find what is there and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.evaluation.intervals import IntervalSettings, bootstrap_means, compare_with, holm

SETTINGS = IntervalSettings(resamples=400)


def test_mean_is_over_queries_and_the_interval_holds_it() -> None:
    value = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    found = bootstrap_means({"a": value}, np.array([0, 0, 0, 1, 2, 3], np.int32), SETTINGS)["a"]
    assert found.value == 0.5
    assert 0.0 <= found.low < 0.5 < found.high <= 1.0


def test_equal_values_have_no_width_and_one_user_has_none_either() -> None:
    users = np.array([0, 1, 2, 3], np.int32)
    flat = bootstrap_means({"a": np.full(4, 0.25)}, users, SETTINGS)["a"]
    assert (flat.low, flat.value, flat.high) == (0.25, 0.25, 0.25)
    alone = bootstrap_means({"a": np.array([0.0, 1.0])}, np.zeros(2, np.int32), SETTINGS)["a"]
    assert (alone.low, alone.high) == (0.5, 0.5)


def test_width_is_that_of_the_normal_law_for_many_users() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=4000)
    settings = IntervalSettings(resamples=2000)
    found = bootstrap_means({"a": value}, np.arange(4000, dtype=np.int32), settings)["a"]
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(4000), rel=0.1)


def test_repeating_every_query_of_a_user_does_not_narrow_the_interval() -> None:
    value = np.random.default_rng(1).normal(size=200)
    users = np.arange(200, dtype=np.int32)
    once = bootstrap_means({"a": value}, users, SETTINGS)["a"]
    often = bootstrap_means({"a": np.repeat(value, 50)}, np.repeat(users, 50), SETTINGS)["a"]
    assert often.high - often.low == pytest.approx(once.high - once.low)


def test_queries_without_a_value_are_left_out() -> None:
    value = np.array([1.0, np.nan, 1.0, np.nan])
    users = np.array([0, 0, 1, 2], np.int32)
    found = bootstrap_means({"a": value, "none": np.full(4, np.nan)}, users, SETTINGS)
    assert (found["a"].low, found["a"].value, found["a"].high) == (1.0, 1.0, 1.0)
    assert np.isnan([found["none"].low, found["none"].value, found["none"].high]).all()
    assert np.isnan(bootstrap_means({"a": np.empty(0)}, np.empty(0, np.int32), SETTINGS)["a"].value)


def test_equal_seeds_give_equal_intervals_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.random.default_rng(2).normal(size=50)
    users = np.arange(50, dtype=np.int32)
    alone = bootstrap_means({"a": value}, users, SETTINGS)["a"]
    company = bootstrap_means({"b": -value, "a": value}, users, SETTINGS)["a"]
    assert (alone.low, alone.high) == pytest.approx((company.low, company.high), rel=1e-12)
    assert alone != bootstrap_means({"a": value}, users, IntervalSettings(seed=1))["a"]
    monkeypatch.setattr("graphrec.evaluation.intervals._MAX_DRAWN", 120)
    parts = bootstrap_means({"a": value}, users, SETTINGS)["a"]
    assert parts.low == pytest.approx(alone.low)


def test_a_clear_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(300)
    users = np.arange(300, dtype=np.int32)
    others = {"worse": first - 0.2 + 0.1 * rng.random(300), "same": rng.permutation(first)}
    found = compare_with(first, others, users, SETTINGS)
    assert found["worse"].p_value == pytest.approx(1 / 401)
    assert found["worse"].p_holm == pytest.approx(2 / 401)
    assert found["worse"].difference.high < 0.0
    assert found["same"].p_value > 0.05
    assert found["same"].difference.low < 0.0 < found["same"].difference.high


def test_identical_sources_have_a_p_value_of_one() -> None:
    first = np.random.default_rng(4).random(20)
    users = np.arange(20, dtype=np.int32)
    assert compare_with(first, {"twin": first.copy()}, users, SETTINGS)["twin"].p_value == 1.0


def test_one_user_with_many_queries_proves_nothing() -> None:
    better = compare_with(
        np.zeros(500), {"better": np.ones(500)}, np.zeros(500, np.int32), SETTINGS
    )
    assert better["better"].p_value == 1.0


def test_holm_steps_down_and_never_below_an_earlier_one() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(after >= before for before, after in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
