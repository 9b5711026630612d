import numpy as np
import pytest
from scipy import stats

from graphrec.errors import DataError
from graphrec.slate.exploration import (
    ArmCounts,
    Arms,
    ExplorationSettings,
    Explorer,
    chance_of_largest,
)
from tests.slate.catalogue import visits

N_VISITS = 1500
GROUP = np.array([4, 4, 2, -1, 2], np.int32)


def the_arms(level: str) -> Arms:
    of = np.arange(5, dtype=np.int32) if level == "item" else GROUP
    clicks = np.array([3.0, 3, 1, 0, 1]) if level != "item" else np.array([3.0, 0, 1, 2, 8])
    skips = np.full(5, 6.0)
    return Arms(of, np.array([1, 0.8, 0.75, 0.4, 0.0]), clicks, skips, level == "item")


def draw_pages(settings: ExplorationSettings, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries and propensities of k places for many visits, none barred."""
    queries, arms = visits(list(range(N_VISITS))), the_arms(settings.level)
    entries, chances = np.empty((N_VISITS, k), int), np.empty((N_VISITS, k))
    for query in range(N_VISITS):
        explorer = Explorer(settings, queries, query)
        left = list(range(5))
        for place in range(k):
            drawn = explorer.draw(place, arms, np.array(left, np.int64))
            left.remove(drawn.entry)
            entries[query, place], chances[query, place] = drawn.entry, drawn.propensity
    return entries, chances


@pytest.mark.parametrize("level", ["item", "topic"])
@pytest.mark.parametrize(
    "method",
    [
        {"method": "epsilon", "epsilon": 0.4},
        {"method": "softmax", "temperature": 0.5},
        {"method": "thompson", "prior_clicks": 1, "prior_skips": 2},
    ],
)
def test_logged_propensities_are_how_often_items_stand_at_their_places(method, level):
    settings = ExplorationSettings(level=level, seed=5, **method)
    entries, chances = draw_pages(settings, 2)
    assert (chances > 0).all()
    assert (chances <= 1).all()
    for above in [None, *np.unique(entries[:, 0]).tolist()]:
        rows = slice(None) if above is None else entries[:, 0] == above
        at = 0 if above is None else 1
        shown, chance = entries[rows, at], chances[rows, at]
        found, n = np.unique(shown, return_counts=True)
        logged = np.array([chance[shown == entry][0] for entry in found])
        for entry, one in zip(found, logged, strict=True):
            np.testing.assert_allclose(chance[shown == entry], one)
        if len(shown) > 200:
            # Nothing that could be drawn is missing, but for the rarest.
            assert logged.sum() == pytest.approx(1, abs=0.03)
            expected = logged / logged.sum() * len(shown)
            assert len(found) == 1 or stats.chisquare(n, expected).pvalue > 1e-4


def test_epsilon_spreads_evenly_over_all_that_is_open():
    settings = ExplorationSettings(method="epsilon", epsilon=0.4)
    entries, chances = draw_pages(settings, 1)
    assert chances[entries == 0] == pytest.approx(0.6 + 0.4 / 5)
    assert chances[entries == 3] == pytest.approx(0.4 / 5)


def test_a_group_stands_for_the_best_of_its_items_left():
    settings = ExplorationSettings(method="epsilon", epsilon=1.0, level="topic")
    entries, chances = draw_pages(settings, 1)
    assert set(entries[:, 0].tolist()) == {0, 2, 3}
    np.testing.assert_allclose(chances, 1 / 3)


def test_softmax_draws_by_exponentials_of_relevance():
    entries, chances = draw_pages(ExplorationSettings(method="softmax", temperature=0.5), 1)
    weight = np.exp(np.array([1, 0.8, 0.75, 0.4, 0.0]) / 0.5)
    np.testing.assert_allclose(chances[:, 0], (weight / weight.sum())[entries[:, 0]])


def test_the_chance_of_the_largest_is_worked_out_where_it_is_known():
    # Beta(a, 1) has distribution x^a: P(X1 > X2) = a1 / (a1 + a2).
    assert chance_of_largest(np.array([3.0, 1.0]), np.ones(2), 0) == pytest.approx(0.75)
    assert chance_of_largest(np.full(40, 2.0), np.full(40, 9.0), 7) == pytest.approx(1 / 40)
    assert chance_of_largest(np.array([2.0]), np.array([5.0]), 0) == pytest.approx(1)


def test_chances_of_being_the_largest_add_up_to_one():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(1, 30, 20), rng.uniform(1, 300, 20)
    total = sum(chance_of_largest(a, b, which) for which in range(20))
    assert total == pytest.approx(1, abs=1e-3)


def test_a_hopeless_arm_has_no_chance_of_zero():
    assert chance_of_largest(np.array([1.0, 5000.0]), np.array([5000.0, 1.0]), 0) == 1e-12


def test_draws_hang_on_seed_user_time_and_place():
    def first(seed: int, user: int, time_s: int, place: int) -> int:
        settings = ExplorationSettings(method="epsilon", epsilon=1.0, seed=seed)
        explorer = Explorer(settings, visits([user], time_s), 0)
        wide = Arms(*[np.zeros(9999, t) for t in (np.int32, float, float, float)], True)
        return explorer.draw(place, wide, np.arange(9999)).entry

    assert first(1, 2, 3, 4) == first(1, 2, 3, 4)
    assert len({first(*c) for c in ((1, 2, 3, 4), (2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4))}) == 4
    assert first(1, 2, 3, 5) != first(1, 2, 3, 4)


def test_counts_of_arms_grow_with_new_arms_and_refuse_more_than_one_click():
    counts = ArmCounts(0)
    assert counts.read(np.array([3], np.int32))[1].tolist() == [0]
    counts.absorb(np.array([2, 2, -1, 0], np.int32), np.array([1.0, 0, 1, 0]))
    clicks, skips = counts.read(np.array([0, 2, -1, 9], np.int32))
    assert clicks.tolist() == [0, 1, 0, 0]
    assert skips.tolist() == [1, 1, 0, 0]
    with pytest.raises(DataError, match="0 or 1"):
        counts.absorb(np.array([2], np.int32), np.array([2.0]))
