"""Policies of a simulated world: what they show, and that batches and order do not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.events.world import WorldSettings
from graphrec.events.world.closed_loop import live_loop, open_world
from graphrec.events.world.policy import PageRequests, Policy
from graphrec.experiment.policies import RandomPolicy, build_policy, top_up
from graphrec.experiment.simulation_settings import (
    LoggingChoice,
    PopularChoice,
    RandomChoice,
    WalkChoice,
)
from graphrec.stages import Queries

CHOICES = [LoggingChoice(), RandomChoice(), PopularChoice(), WalkChoice()]
SETTINGS = WorldSettings(n_events=5_000, days=20, seed=9)


@pytest.fixture(scope="module")
def opening():
    return open_world(SETTINGS, 12)


class Watched:
    """A policy with everything it was asked and answered."""

    def __init__(self, policy):
        self.policy, self.asked = policy, []

    def fit(self, dataset, cut_s):
        self.policy.fit(dataset, cut_s)

    def absorb(self, events, pages):
        self.policy.absorb(events, pages)

    def recommend(self, requests):
        pages = self.policy.recommend(requests)
        self.asked.append((requests, pages))
        return pages


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.policy)
def test_every_policy_lives_in_a_world_and_hides_what_is_known_and_not_out(opening, choice):
    policy = build_policy(choice, SETTINGS.seed)
    assert isinstance(policy, Policy)
    policy.fit(opening.dataset, opening.cut_s)
    if isinstance(choice, LoggingChoice):
        assert len(live_loop(opening, policy, 2).trace.pages) > 50
        return
    watched = Watched(policy)
    life = live_loop(opening, watched, 3)
    assert len(life.trace.pages) > 100
    full = 0
    for requests, pages in watched.asked:
        assert requests.available[pages.item_row[pages.item_row >= 0]].all()
        for q in range(len(requests)):
            known = set(requests.queries.history_item[requests.queries.history(q)].tolist())
            assert not known & set(pages.item_row[q].tolist())
        full += int((pages.item_row[:, -1] >= 0).sum())
    assert full > 0.9 * len(life.trace.pages)


def request(rows, histories, available, time_s=1_000):
    queries = Queries.of_sessions([np.array(h, np.int32) for h in histories], time_s)
    queries = Queries(np.array(rows, np.int32), *(getattr(queries, n) for n in REST))
    return PageRequests(queries, np.arange(len(rows)), np.array(available), 3, time_s)


REST = ("time_s", "history_ptr", "history_item", "history_time_s", "history_weight")


def test_random_pages_are_the_same_alone_and_in_a_batch_and_tell_their_chances():
    policy = RandomPolicy(3)
    available = [True, True, True, False, True, True]
    both = policy.recommend(request([4, 7], [[0], []], available))
    alone = policy.recommend(request([7], [[]], available))
    assert both.item_row[1].tolist() == alone.item_row[0].tolist()
    assert 3 not in both.item_row and 0 not in both.item_row[0]
    assert both.propensity[0].tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2])
    assert both.propensity[1].tolist() == pytest.approx([1 / 5, 1 / 4, 1 / 3])


def test_random_pages_show_every_item_about_equally_often():
    policy, counts = RandomPolicy(3), np.zeros(8)
    for time_s in range(400):
        page = policy.recommend(request([1], [[2]], [True] * 8, time_s + 10))
        np.add.at(counts, page.item_row[0], 1)
    assert counts[2] == 0
    assert np.delete(counts, 2) == pytest.approx(400 * 3 / 7, rel=0.2)


def test_a_random_page_of_a_young_catalogue_comes_out_short():
    page = RandomPolicy(1).recommend(request([1], [[0]], [True, True, False, False]))
    assert page.item_row.tolist() == [[1, -1, -1]]
    assert page.propensity.tolist() == [[1.0, 0.0, 0.0]]


def test_short_pages_are_filled_by_what_they_lack_in_order():
    item = np.array([[5, 2, -1, -1], [1, 2, 3, 4], [-1, -1, -1, -1]], np.int32)
    more = np.array([[2, 7, 5, 8], [9, 9, 9, 9], [6, -1, -1, -1]], np.int32)
    assert top_up(item, more).tolist() == [[5, 2, 7, 8], [1, 2, 3, 4], [6, -1, -1, -1]]


ROWS = st.lists(st.integers(0, 9), max_size=4, unique=True)


@given(ROWS, ROWS)
def test_filled_pages_hold_the_first_of_both_without_repeats(first, second):
    def padded(rows):
        return np.array([[*rows, *[-1] * (4 - len(rows))]], np.int32)

    found = top_up(padded(first), padded(second))[0].tolist()
    expected = [*first, *(row for row in second if row not in first)][:4]
    assert [row for row in found if row >= 0] == expected
    assert found == sorted(found, key=lambda row: row < 0)
