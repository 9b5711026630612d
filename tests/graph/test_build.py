"""The batch build makes the drawn graph, and what its slow twin makes, on any number of threads."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graphrec.errors import DataError
from graphrec.graph import pair_plan
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.build import build_cowatch_graph
from graphrec.graph.settings import CoWatchSettings
from tests.graph.logs import START_S, assert_same_graph, cowatch_settings, logs, wide_log
from tests.reference.cowatch import as_dict, dated_edges, weights, weights_as_dict
from tests.worlds import watched

HOUR_S = 3600
PLAIN = CoWatchSettings(ageing=AgeingSettings(mode="none"))
COLD, A, B, C = 0, 1, 2, 3


def test_drawn_graph():
    # hours    0   1   2        26              window 24 h
    # user 0   A ─ B ─ C ·····  A               A→B A→C B→C; C→A lies 24 h apart and counts,
    # user 1       B ─ B ─ C                    B→A lies 25 h apart and does not
    #          B→C twice, B→B never; cold start → A, cold start → B
    a, b, c = 0, 1, 2
    events = watched(
        [
            (0, 0, a),
            (1 * HOUR_S, 0, b),
            (1 * HOUR_S, 1, b),
            (2 * HOUR_S, 0, c),
            (2 * HOUR_S, 1, b),
            (3 * HOUR_S, 1, c),
            (26 * HOUR_S, 0, a),
        ]
    )
    graph = build_cowatch_graph(events, PLAIN)
    assert weights_as_dict(graph.weighted_edges(0)) == {
        (COLD, a): 1.0,
        (COLD, b): 1.0,
        (A, b): 1.0,
        (A, c): 1.0,
        (B, c): 3.0,
        (C, a): 1.0,
    }
    assert (graph.n_items, graph.n_pairs) == (3, 8)


def test_self_pairs_take_up_successors():
    # user 0 watches A A B; with one successor A→A is the only pair of the first, and is skipped.
    events = watched([(0, 0, 0), (1, 0, 0), (2, 0, 1)])
    one = PLAIN.model_copy(update={"max_successors": 1})
    assert weights_as_dict(build_cowatch_graph(events, one).weighted_edges(0))[A, 1] == 1.0
    assert weights_as_dict(build_cowatch_graph(events, PLAIN).weighted_edges(0))[A, 1] == 2.0


def test_equal_times_keep_the_order_of_arrival():
    graph = build_cowatch_graph(watched([(5, 0, 1), (5, 0, 0), (1, 0, 2)]), PLAIN)
    assert set(weights_as_dict(graph.weighted_edges(0))) == {(COLD, 2), (C, 1), (C, 0), (B, 0)}


def test_weighted_pairs_are_worth_the_product():
    events = replace(watched([(0, 0, 0), (1, 0, 1)]), weight=np.array([0.5, 3.0], np.float32))
    graph = build_cowatch_graph(events, PLAIN.model_copy(update={"weighted": True}))
    assert weights_as_dict(graph.weighted_edges(0)) == {(COLD, 0): 0.5, (A, 1): 1.5}


def test_of_a_repeated_event_id_the_first_arrival_counts():
    events = watched([(9, 0, 1), (0, 0, 0), (4, 0, 2)], event_id=[7, 8, 7])
    assert set(weights_as_dict(build_cowatch_graph(events, PLAIN).weighted_edges(0))) == {
        (COLD, 0),
        (A, 1),
    }


def test_no_events_make_a_graph_without_edges():
    graph = build_cowatch_graph(watched([], n_users=2, n_items=3), CoWatchSettings())
    assert graph.ptr.tolist() == [0, 0, 0, 0, 0]
    assert build_cowatch_graph(watched([]), CoWatchSettings()).n_items == 0


@hypothesis_settings(deadline=None, max_examples=80)
@given(logs(), cowatch_settings())
def test_build_agrees_with_its_twin(events, settings):
    built = as_dict(build_cowatch_graph(events, settings))
    expected = dated_edges(events, settings)
    assert list(built) == sorted(expected)
    for key, (count, strength) in expected.items():
        assert built[key] == (count, pytest.approx(strength if settings.real else count, rel=1e-6))


@hypothesis_settings(deadline=None, max_examples=50)
@given(logs(), cowatch_settings(), st.integers(0, 40))
def test_weights_agree_with_the_twin_at_any_later_moment(events, settings, days):
    if settings.ageing.mode == "thinning":
        return
    at_s = START_S + (days + 3) * 86_400
    read = weights_as_dict(build_cowatch_graph(events, settings).weighted_edges(at_s))
    expected = {
        key: value for key, value in weights(events, settings, at_s).items() if np.float32(value)
    }
    assert list(read) == sorted(expected)
    assert read == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mode", ["none", "half_life", "expected", "thinning"])
def test_thread_count_changes_nothing(mode):
    events = wide_log(3000)
    settings = CoWatchSettings(weighted=True, ageing=AgeingSettings(mode=mode))
    one = build_cowatch_graph(events, settings, n_threads=1)
    for n_threads in (2, 5):
        other = build_cowatch_graph(events, settings, n_threads=n_threads)
        assert_same_graph(one, other)
        np.testing.assert_array_equal(one.strength, other.strength)


@pytest.mark.parametrize("mode", ["none", "half_life", "expected"])
@pytest.mark.parametrize("pairs_per_part", [1, 40, 2000])
def test_parts_and_rounds_change_nothing(monkeypatch, mode, pairs_per_part):
    events = wide_log(3000)
    settings = CoWatchSettings(weighted=True, ageing=AgeingSettings(mode=mode))
    whole = build_cowatch_graph(events, settings)
    monkeypatch.setattr(pair_plan, "_PAIRS_PER_PART", pairs_per_part)
    monkeypatch.setattr(pair_plan, "_SMALL", 0)
    for n_threads in (1, 3):
        parted = build_cowatch_graph(events, settings, n_threads=n_threads)
        assert_same_graph(whole, parted)
        np.testing.assert_array_equal(whole.strength, parted.strength)


def test_popular_items_and_long_timelines_agree_with_the_twin():
    # One user's events arrive shuffled, and are more than are sorted by insertion.
    rng = np.random.default_rng(4)
    n = 6000
    events = watched([(int(t), 0, int(i) % 2) for t, i in rng.integers(0, 9000, (n, 2))])
    settings = CoWatchSettings(window_hours=1, ageing=AgeingSettings(mode="none"))
    assert as_dict(build_cowatch_graph(events, settings)) == {
        key: (count, count) for key, (count, _) in dated_edges(events, settings).items()
    }


@hypothesis_settings(deadline=None, max_examples=30)
@given(logs(), cowatch_settings(), st.integers(0, 60))
def test_events_after_the_cut_change_nothing_built_before_it(events, settings, hour):
    cut_s = START_S + hour * HOUR_S
    # The ids of planted events must not be met before: the first arrival counts.
    events = replace(events, event_id=None)
    past = events.take(events.time_s < cut_s)
    planted = build_cowatch_graph(events, settings)
    alone = build_cowatch_graph(past, settings)
    found, known = as_dict(planted), as_dict(alone)
    for key, (count, _) in known.items():
        assert found[key][0] >= count
    cohort_s = settings.ageing.cohort_s
    if cohort_s:
        done = {key for key in found if (key[2] + 1) * cohort_s <= cut_s}
        assert {key: found[key] for key in done} == {
            key: value for key, value in known.items() if (key[2] + 1) * cohort_s <= cut_s
        }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_s": np.array([1 << 33, 0])}, "time_s 8589934592"),
        ({"user_row": np.array([-1, 0], np.int32)}, "user row -1"),
        ({"user_row": np.array([0, 1], np.int32)}, "user row 1"),
        ({"item_row": np.array([0, 2], np.int32)}, "item row 2"),
        ({"weight": np.array([1, np.nan], np.float32)}, "weight nan"),
        ({"weight": np.array([1, 0], np.float32)}, r"weight 0\.0"),
    ],
)
def test_events_that_break_a_rule_are_refused(change, message):
    events = replace(watched([(0, 0, 0), (1, 0, 1)]), **change)
    with pytest.raises(DataError, match=message):
        build_cowatch_graph(events, CoWatchSettings(weighted=True))


def test_columns_of_different_lengths_are_refused():
    events = watched([(0, 0, 0), (1, 0, 1)], event_id=[1, 2])
    # Outside of tests nothing checks the record's shapes.
    object.__setattr__(events, "item_row", np.zeros(1, np.int32))
    with pytest.raises(DataError, match=r"lengths \[2, 2, 1, 2, 2\]"):
        build_cowatch_graph(events, PLAIN)
