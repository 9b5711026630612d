"""What time takes away from an edge."""

import numpy as np
import pytest
from pydantic import ValidationError

from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.settings import CoWatchSettings
from tests.graph.logs import START_S, wide_log
from tests.reference.cowatch import weights_as_dict
from tests.worlds import watched

DAY_S = 86_400


def left_after(days, **settings):
    """Weight of one pair, dated at noon, that many days later."""
    events = watched([(DAY_S // 2 - 1, 0, 0), (DAY_S // 2, 0, 1)])
    graph = build_cowatch_graph(events, CoWatchSettings(ageing=AgeingSettings(**settings)))
    edges = graph.weighted_edges(DAY_S // 2 + round(days * DAY_S), np.array([1], np.int32))
    return edges.weight.tolist()


@pytest.mark.parametrize(
    ("days", "weight"), [(0, 1), (29.4, 1), (29.6, 0.9), (59, 0.9), (60, 0.81), (300, 0.9**10)]
)
def test_expected_loses_a_tenth_each_30_days(days, weight):
    assert left_after(days, mode="expected") == [pytest.approx(weight, rel=1e-6)]


@pytest.mark.parametrize("days", [0, 1, 10, 365])
def test_half_life_halves_from_the_second(days):
    assert left_after(days, mode="half_life", half_life_days=10) == [
        pytest.approx(2 ** (-days / 10), rel=1e-6)
    ]


def test_what_is_too_light_for_a_float_is_dropped():
    assert left_after(3000, mode="half_life", half_life_days=1) == []


def test_nothing_ages_in_mode_none():
    assert left_after(36_500, mode="none") == [1.0]


def test_edges_later_than_the_question_have_age_0():
    assert left_after(-400, mode="expected") == [1.0]
    assert left_after(-400, mode="thinning") == [1.0]


def thinned(events, seed, at_s, **ageing):
    settings = AgeingSettings(mode="thinning", seed=seed, **ageing)
    return build_cowatch_graph(events, CoWatchSettings(ageing=settings)).weighted_edges(at_s)


def test_mean_of_thinning_over_seeds_is_expected():
    events = wide_log(400)
    at_s = START_S + 200 * DAY_S
    aged = CoWatchSettings(ageing=AgeingSettings(mode="expected"))
    expected = weights_as_dict(build_cowatch_graph(events, aged).weighted_edges(at_s))
    plain = CoWatchSettings(ageing=AgeingSettings(mode="none"))
    full = weights_as_dict(build_cowatch_graph(events, plain).weighted_edges(at_s))
    n_seeds = 150
    total = dict.fromkeys(expected, 0.0)
    for seed in range(n_seeds):
        for edge, weight in weights_as_dict(thinned(events, seed, at_s)).items():
            total[edge] += weight
    for edge, mean in expected.items():
        deviation = (full[edge] / 4 / n_seeds) ** 0.5
        assert abs(total[edge] / n_seeds - mean) < 5 * deviation
    all_mean = sum(total.values()) / n_seeds
    deviation = (sum(full.values()) / 4 / n_seeds) ** 0.5
    assert abs(all_mean - sum(expected.values())) < 3 * deviation


def test_thinned_edges_never_come_back():
    events = wide_log(400)
    last = np.inf
    for days in range(90, 400, 30):
        weight = thinned(events, 5, START_S + days * DAY_S).weight.sum()
        assert weight <= last
        last = weight
    assert 0 < last < len(events)


def test_thinning_of_real_weights_keeps_their_share():
    events = wide_log(400)
    settings = CoWatchSettings(weighted=True, ageing=AgeingSettings(mode="thinning", survival=1))
    unaged = settings.model_copy(update={"ageing": AgeingSettings(mode="none")})
    at_s = START_S + 900 * DAY_S
    assert weights_as_dict(build_cowatch_graph(events, settings).weighted_edges(at_s)) == (
        pytest.approx(weights_as_dict(build_cowatch_graph(events, unaged).weighted_edges(at_s)))
    )


@pytest.mark.parametrize(
    "wrong", [{"survival": 0}, {"half_life_days": 0}, {"period_days": 0}, {"mode": "x"}, {"a": 1}]
)
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        AgeingSettings(**wrong)
