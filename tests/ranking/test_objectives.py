"""Weights of objectives blend to the value that their formula says."""

import numpy as np
import pytest
from pydantic import ValidationError

from graphrec.errors import DataError
from graphrec.ranking.objectives import ObjectiveWeights, blend_value

NAMES = ("engagement", "satisfaction", "regret")
HEADS = np.array([[0.5, 0.2, 0.1], [0.1, 0.9, 0.4]], np.float32)


def test_weights_may_be_negative_and_unnamed_objectives_count_nothing():
    weights = ObjectiveWeights(weights={"satisfaction": 2.0, "regret": -3.0})
    np.testing.assert_allclose(blend_value(HEADS, NAMES, weights), [0.1, 0.6], rtol=1e-6)


def test_what_comes_after_counts_as_far_as_the_item_is_taken_up():
    weights = ObjectiveWeights(after_weight=1.0)
    after = np.array([3.0, np.nan], np.float32)
    value = blend_value(HEADS, NAMES, weights, after)
    np.testing.assert_allclose(value, [0.5 * (1 + 3.0), 0.1], rtol=1e-6)
    without = blend_value(HEADS, NAMES, ObjectiveWeights(), after)
    np.testing.assert_array_equal(without, HEADS[:, 0])


def test_another_objective_can_be_the_one_that_opens_what_comes_after():
    weights = ObjectiveWeights(
        weights={"regret": 1.0}, after_weight=0.5, after_objective="satisfaction"
    )
    value = blend_value(HEADS, NAMES, weights, np.ones(2, np.float32))
    np.testing.assert_allclose(value, [0.1 + 0.1, 0.4 + 0.45], rtol=1e-6)


def test_unknown_objectives_and_infinite_weights_are_refused():
    with pytest.raises(DataError, match="no objective 'joy'"):
        blend_value(HEADS, NAMES, ObjectiveWeights(weights={"joy": 1.0}))
    with pytest.raises(DataError, match="no objective 'joy'"):
        blend_value(HEADS, NAMES, ObjectiveWeights(after_weight=1.0, after_objective="joy"))
    with pytest.raises(ValidationError, match="finite"):
        ObjectiveWeights(weights={"engagement": float("inf")})
    with pytest.raises(ValidationError):
        ObjectiveWeights(weights={})


def test_an_objective_given_another_counts_as_far_as_that_comes_true():
    weights = ObjectiveWeights(
        weights={"engagement": -0.5, "satisfaction": 2.0},
        given={"satisfaction": "engagement"},
        after_weight=1.0,
        after_objective="satisfaction",
    )
    value = blend_value(HEADS, NAMES, weights, np.array([3.0, 0.0], np.float32))
    expected = [-0.25 + 2 * 0.5 * 0.2 + 0.5 * 0.2 * 3.0, -0.05 + 2 * 0.1 * 0.9]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    with pytest.raises(DataError, match="no objective 'joy'"):
        blend_value(HEADS, NAMES, ObjectiveWeights(given={"regret": "joy"}))
