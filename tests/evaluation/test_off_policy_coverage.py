"""The truth that the coverage study holds intervals against, on numbers small enough to count."""

import numpy as np
import pytest

from experiments.off_policy_coverage import (
    any_of_two,
    follow_users,
    mean_given_above,
    read_pages,
    true_clicks,
)
from graphrec.events.world import WorldSettings, generate_world

CHANCE = np.array([[0.5, 0.3, 0.2]])
CLICK = np.array([[0.1, 0.6, 0.9]])


def test_the_mean_below_logged_items_leaves_them_out():
    item = np.array([[1, 0, 2]])
    found = mean_given_above(CHANCE, CLICK, item)[0]
    assert found[0] == pytest.approx(0.5 * 0.1 + 0.3 * 0.6 + 0.2 * 0.9)
    assert found[1] == pytest.approx((0.5 * 0.1 + 0.2 * 0.9) / 0.7)
    assert found[2] == pytest.approx(0.9)


def test_a_click_on_one_of_two_places_is_counted_out():
    expected = 0.0
    for a in range(3):
        for b in range(3):
            if a != b:
                drawn = CHANCE[0, a] * CHANCE[0, b] / (1 - CHANCE[0, a])
                expected += drawn * (1 - (1 - CLICK[0, a]) * (1 - 0.5 * CLICK[0, b]))
    assert any_of_two(CHANCE, CLICK, 0.5)[0] == pytest.approx(expected)


def test_users_followed_through_the_log_click_as_often_as_the_truth_expects():
    # Calibration by place and by state: the states rebuilt from the log are those of the world.
    world = generate_world(
        WorldSettings(seed=7, n_events=12_000, n_users=300, n_items=300, days=30), threads=1
    )
    pages = read_pages(world)
    pages = pages.take(pages.time_s < world.dataset.log.time_s[-1] - 86_400)
    state, states = follow_users(world, pages)
    click = true_clicks(world.truth, states)
    place = np.arange(pages.item.shape[1])
    expected = world.truth.examination(len(place)) * click[state, pages.item]
    spread = np.sqrt((expected * (1 - expected)).sum(axis=0))
    assert (np.abs((pages.reward - expected).sum(axis=0)) < 4 * spread).all()
    # Where something was watched before on the same page, the state is another one.
    after = np.cumsum(pages.reward, axis=1) - pages.reward > 0
    off = (pages.reward - expected)[after]
    assert abs(off.sum()) < 4 * np.sqrt((expected * (1 - expected))[after].sum())
