import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.arrays import DAY_S
from graphrec.slate.demotion import DemotionSettings, ShownMemory, demote, times_shown
from tests.slate.catalogue import visits


def rows(*items: int) -> np.ndarray:
    return np.array(items, np.int32)


def test_a_show_counts_half_after_its_half_life_and_shows_add_up():
    memory = ShownMemory(half_life_days=1.0)
    memory.absorb(4, 0, rows(7, 8, -1))
    memory.absorb(4, DAY_S, rows(7))
    found = memory.read(4, rows(7, 8, 9), 2 * DAY_S)
    np.testing.assert_allclose(found, [0.75, 0.25, 0])
    assert memory.read(5, rows(7), 2 * DAY_S).tolist() == [0]


def test_a_watch_forgets_the_shows_before_it_and_none_after_it():
    memory = ShownMemory(half_life_days=1.0)
    memory.absorb(1, 10, rows(3))
    memory.absorb_watches(1, 20, rows(3))
    assert memory.read(1, rows(3), DAY_S).tolist() == [0]
    memory.absorb(1, DAY_S, rows(3))
    assert memory.read(1, rows(3), 2 * DAY_S).tolist() == [0.5]


def test_what_is_read_knows_nothing_of_that_second_or_later():
    memory = ShownMemory(half_life_days=1.0)
    memory.absorb(1, 0, rows(3))
    before = memory.read(1, rows(3), DAY_S)
    memory.absorb(1, DAY_S, rows(3))
    memory.absorb_watches(1, DAY_S, rows(3))
    np.testing.assert_array_equal(memory.read(1, rows(3), DAY_S), before)


def test_an_anonymous_visit_neither_leaves_nor_meets_a_trace():
    memory = ShownMemory()
    memory.absorb(-1, 0, rows(3))
    assert len(memory) == 0
    assert times_shown(memory, visits([-1]), 0, rows(3)).tolist() == [0]


def test_factors_and_places_move_items_as_worked_out_by_hand():
    relevance, times = np.array([1.0, 0.9, 0.5, 0.1]), np.array([2.0, 0, 0, 0])
    order, sunk = demote(relevance, times, DemotionSettings(keep=0.5))
    assert order.tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(sunk, [0.9, 0.5, 0.25, 0.1])
    order, same = demote(relevance, times, DemotionSettings(mode="places", places=1))
    assert order.tolist() == [1, 2, 0, 3]
    assert same is relevance


@settings(deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=8),
    st.data(),
    st.sampled_from(["multiply", "places"]),
)
def test_no_item_rises_above_one_that_was_shown_less(relevance, data, mode):
    value = np.sort(np.array(relevance))[::-1].copy()
    times = np.array([data.draw(st.sampled_from([0.0, 0.5, 3.0])) for _ in value])
    order, sunk = demote(value, times, DemotionSettings(mode=mode))
    assert (np.diff(sunk) <= 0).all()
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    for a in range(len(value)):
        for b in range(a + 1, len(value)):
            if times[a] <= times[b]:
                assert place[a] < place[b]


def test_a_setting_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="keep"):
        DemotionSettings(keep=0)
