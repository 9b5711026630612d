from itertools import permutations, product

import numpy as np
import pytest

from graphrec.errors import DataError
from graphrec.evaluation.click_through import click_through
from graphrec.evaluation.intervals import IntervalSettings
from graphrec.evaluation.logged_pages import LoggedPages, TargetPolicy
from graphrec.evaluation.off_policy import OffPolicySettings, RewardModel, estimate_value
from graphrec.slate.arranger import SlateArranger
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.facts import ItemFacts
from graphrec.slate.settings import SlateSettings
from tests.slate.catalogue import ranked, visits

ITEMS = OffPolicySettings()


def pages_of(propensity, reward, item=None, users=None) -> LoggedPages:
    chance = np.array(propensity, float)
    shape = chance.shape
    item = np.zeros(shape, np.int32) if item is None else np.array(item, np.int32)
    users = range(len(chance)) if users is None else users
    user, time_s = np.array(users, np.int32), np.zeros(len(chance), np.int64)
    return LoggedPages(item, chance, np.array(reward, float), user, time_s)


def target_of(*rows) -> TargetPolicy:
    return TargetPolicy(np.array(rows, float))


def test_three_pages_of_one_place_are_weighed_as_worked_out_by_hand():
    # Weights 2, 2 and 0; rewards 1, 0 and 1.
    pages = pages_of([[0.5], [0.25], [0.5]], [[1], [0], [1]])
    model = RewardModel(np.array([[0.5], [0.5], [1]]), np.array([[0.25], [0.5], [0]]))
    found = estimate_value(pages, target_of([1], [0.5], [0]), ITEMS, model)
    assert found.ips.value == pytest.approx(2 / 3)
    assert found.snips.value == pytest.approx(2 / 4)
    assert found.dr.value == pytest.approx((0.25 + 1 + 0.5 - 1 + 0 + 0) / 3)
    assert found.sndr.value == pytest.approx(0.75 / 3 + (1 - 1) / 4)
    assert found.logged.value == pytest.approx(2 / 3)
    assert found.effective_size == pytest.approx(2)
    assert found.mean_weight == pytest.approx(4 / 3)
    assert found.max_weight == 2


def test_two_places_are_weighed_by_each_view_as_worked_out_by_hand():
    # Ratios 2 and 3 on the first page, 1 and nothing on the second, which is short.
    pages = pages_of([[0.5, 0.25], [0.5, 0.9]], [[1, 1], [1, 9]], [[4, 5], [4, -1]])
    target = target_of([1, 0.75], [0.5, 0.3])

    def value(**settings) -> tuple[float, float]:
        found = estimate_value(pages, target, OffPolicySettings(**settings))
        return found.ips.value, found.snips.value

    assert value() == pytest.approx(((2 + 3 + 1) / 2, 3 / 3 + 0.5))
    assert value(view="cascade") == pytest.approx(((2 + 6 + 1) / 2, 3 / 3 + 0.5))
    assert value(view="page") == pytest.approx(((6 + 6 + 1) / 2, 7 / 7 + 0.5))
    assert value(reward="pages") == pytest.approx(((6 + 1) / 2, 1))
    assert value(clip=2.5)[0] == pytest.approx((2 + 2.5 + 1) / 2)

    # What stands above the second place weighs 2; it is predicted .5 × 2 and surprises by .5 × 6.
    model = RewardModel(np.array([[0.5, 0.5], [0.5, 9]]), np.array([[0.25, 0.5], [0.5, 9]]))
    cascade = OffPolicySettings(view="cascade")
    found = estimate_value(pages, target, cascade, model)
    assert found.dr.value == pytest.approx(((0.25 + 1 + 1) + (2 * 0.5 + 6 * 0.5)) / 2)
    assert found.sndr.value == pytest.approx((0.75 / 2 + 1.5 / 3) + 0.5 * (1 / 2 + 3 / 6))


# A tiny world of three items and two places, whose every log can be counted out.
LOGGING = np.array([0.5, 0.3, 0.2])
TARGET = np.array([0.1, 0.3, 0.6])
LURE = np.array([0.3, 0.6, 0.9])
PAGES = list(permutations(range(3), 2))


def chance_of(policy: np.ndarray, page: tuple[int, int]) -> np.ndarray:
    a, b = page
    return np.array([policy[a], policy[b] / (1 - policy[a])])


def click_chance(page: tuple[int, int], place: int) -> float:
    """The second place is clicked less below a tempting first."""
    return LURE[page[0]] if place == 0 else 0.5 * LURE[page[1]] * (1 - 0.5 * LURE[page[0]])


def all_logs():
    """Every page with every pattern of clicks, and its probability under the logging policy."""
    for page, clicks in product(PAGES, product((0.0, 1.0), repeat=2)):
        weight = chance_of(LOGGING, page).prod()
        for place in range(2):
            lure = click_chance(page, place)
            weight *= lure if clicks[place] else 1 - lure
        yield page, clicks, weight


def expected(settings: OffPolicySettings, name: str) -> float:
    """Mean of the estimate over all logs of one page."""
    rng = np.random.default_rng(0)
    columns = 1 if settings.reward == "pages" else 2
    total = 0.0
    guess = {page: rng.random(columns) for page in PAGES}
    # The second place's guess must be a function of the items at and above it: so it is, of pages;
    # the first place's of the first item only.
    for page in PAGES:
        if columns == 2:
            guess[page][0] = guess[next(p for p in PAGES if p[0] == page[0])][0]
    for page, clicks, weight in all_logs():
        a = page[0]
        if columns == 2:
            first = sum(TARGET[x] * next(guess[p][0] for p in PAGES if p[0] == x) for x in range(3))
            below = [p for p in PAGES if p[0] == a]
            second = sum(chance_of(TARGET, p)[1] * guess[p][1] for p in below)
            aimed = [first, second]
        else:
            aimed = [sum(chance_of(TARGET, p).prod() * guess[p][0] for p in PAGES)]
        pages = pages_of([chance_of(LOGGING, page)], [clicks], [page])
        model = RewardModel(guess[page][None], np.array([aimed]))
        found = estimate_value(pages, target_of(chance_of(TARGET, page)), settings, model)
        total += weight * getattr(found, name).value
    return total


@pytest.mark.parametrize("name", ["ips", "dr"])
def test_estimates_are_unbiased_on_a_world_counted_out(name):
    by_target = {page: chance_of(TARGET, page).prod() for page in PAGES}
    items = sum(p * (click_chance(g, 0) + click_chance(g, 1)) for g, p in by_target.items())
    none = {g: (1 - click_chance(g, 0)) * (1 - click_chance(g, 1)) for g in PAGES}
    whole = sum(p * (1 - none[g]) for g, p in by_target.items())
    swapped = sum(TARGET * LURE)
    for page in PAGES:
        above = LOGGING[page[0]]
        swapped += above * chance_of(TARGET, page)[1] * click_chance(page, 1)
    assert expected(OffPolicySettings(view="cascade"), name) == pytest.approx(items)
    assert expected(OffPolicySettings(view="page"), name) == pytest.approx(items)
    assert expected(OffPolicySettings(reward="pages"), name) == pytest.approx(whole)
    assert expected(OffPolicySettings(), name) == pytest.approx(swapped)
    assert abs(swapped - items) > 0.01


def a_log(n: int, seed: int = 0) -> tuple[LoggedPages, TargetPolicy]:
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.choice(3, 2, replace=False, p=LOGGING) for _ in range(n)])
    chance = np.array([chance_of(LOGGING, tuple(page)) for page in drawn])
    lure = np.array([[click_chance(tuple(page), place) for place in range(2)] for page in drawn])
    pages = pages_of(chance, rng.random((n, 2)) < lure, drawn, rng.integers(0, n // 3, n))
    return pages, TargetPolicy(np.array([chance_of(TARGET, tuple(page)) for page in drawn]))


def test_a_reward_model_that_is_right_narrows_the_interval():
    pages, target = a_log(900)
    lure = LURE[pages.item] * [1, 0.5]
    lure[:, 1] *= 1 - 0.5 * LURE[pages.item[:, 0]]
    aimed = np.full((900, 2), float(TARGET @ LURE))
    for page in range(900):
        a = int(pages.item[page, 0])
        aimed[page, 1] = sum(
            chance_of(TARGET, (a, b))[1] * click_chance((a, b), 1) for b in range(3) if b != a
        )
    found = estimate_value(pages, target, OffPolicySettings(), RewardModel(lure, aimed))
    widths = [one.high - one.low for one in (found.dr, found.ips)]
    assert widths[0] < 0.8 * widths[1]


def test_normal_and_bootstrap_intervals_agree_and_hang_on_users():
    pages, target = a_log(900)
    normal = estimate_value(pages, target, OffPolicySettings(view="cascade"))
    drawn = estimate_value(pages, target, OffPolicySettings(view="cascade", interval="bootstrap"))
    for name in ("ips", "snips", "logged"):
        one, other = getattr(normal, name), getattr(drawn, name)
        assert one.value == other.value
        width = one.high - one.low
        assert other.low == pytest.approx(one.low, abs=0.1 * width)
        assert other.high == pytest.approx(one.high, abs=0.1 * width)
    # Each page twice, by the same user: nothing more is known.
    twice = pages.take(np.repeat(np.arange(900), 2))
    again = TargetPolicy(np.repeat(target.probability, 2, axis=0))
    doubled = estimate_value(twice, again, OffPolicySettings(view="cascade"))
    assert doubled.ips.low == pytest.approx(normal.ips.low)


def test_the_target_that_logs_earns_what_was_logged():
    pages, _ = a_log(50)
    for view in ("independent", "cascade", "page"):
        found = estimate_value(pages, TargetPolicy(pages.propensity), OffPolicySettings(view=view))
        for one in (found.ips, found.snips):
            assert one.value == pytest.approx(found.logged.value)
        assert found.effective_size == pytest.approx(found.n_weighed)


def test_one_user_has_a_value_but_no_interval():
    found = estimate_value(pages_of([[0.5]], [[1]]), target_of([1]), ITEMS)
    assert found.ips.value == 2
    assert np.isnan(found.ips.low)


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5, np.nan])
def test_a_propensity_outside_its_range_is_refused_by_place(bad):
    pages = pages_of([[0.5, 0.5], [0.5, bad]], np.zeros((2, 2)))
    with pytest.raises(DataError, match="of page 1, place 1"):
        estimate_value(pages, target_of([1, 1], [1, 1]), ITEMS)
    padded = pages_of([[0.5, 0.5], [0.5, bad]], np.ones((2, 2)), [[1, 2], [1, -1]])
    assert estimate_value(padded, target_of([1, 1], [1, np.nan]), ITEMS).ips.value > 0


def test_what_cannot_be_reweighted_is_refused():
    pages = pages_of([[0.5], [0.5]], [[1], [0]])
    with pytest.raises(DataError, match=r"target probability 1\.2"):
        estimate_value(pages, target_of([1.2], [0]), ITEMS)
    with pytest.raises(DataError, match="all weights are 0"):
        estimate_value(pages, target_of([0], [0]), ITEMS)
    with pytest.raises(DataError, match="shape"):
        estimate_value(pages, target_of([1]), ITEMS)
    with pytest.raises(DataError, match="finite"):
        estimate_value(pages_of([[0.5]], [[np.inf]]), target_of([1]), ITEMS)
    with pytest.raises(DataError, match="no page"):
        estimate_value(pages.take(np.zeros(2, bool)), TargetPolicy(np.zeros((0, 1))), ITEMS)
    wide = RewardModel(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(DataError, match="predictions of logged"):
        estimate_value(pages, target_of([1], [1]), ITEMS, wide)


def test_mass_that_logging_could_not_show_is_reported_and_refused_above_a_share():
    pages = pages_of([[0.5], [0.5]], [[1], [0]])
    target = TargetPolicy(np.array([[0.5], [0.5]]), np.array([[0.1], [0.0]]))
    with pytest.raises(DataError, match=r"5\.00% of the target's mass"):
        estimate_value(pages, target, ITEMS)
    found = estimate_value(pages, target, OffPolicySettings(most_unsupported=0.1))
    assert found.unsupported == pytest.approx(0.05)


def test_an_explored_slate_is_a_log_that_tells_of_the_ranking():
    # ε = .5 over 4 items: the ranking stands at its places with .5 + .125, then .5 + .5 / 3.
    settings = SlateSettings(exploration=ExplorationSettings(method="epsilon", epsilon=0.5))
    queries = visits(list(range(1200)))
    slate = SlateArranger(ItemFacts(4), settings).arrange(queries, ranked([[0, 1, 2, 3]] * 1200), 2)
    lure = np.array([0.8, 0.2, 0.4, 0.0])[slate.shown.item_row]
    pages = LoggedPages.of_slate(slate, queries, lure)
    shown = np.tile(np.array([0, 1], np.int32), (1200, 1))
    target = TargetPolicy.of_slates(pages, shown)
    found = estimate_value(pages, target, OffPolicySettings(view="cascade"))
    assert found.ips.low < 1.0 < found.ips.high
    assert found.ips.high - found.ips.low < 0.15


def test_click_through_of_items_and_pages_is_worked_out_by_hand():
    reward = [[1, 0], [0, 0], [1, 7], [0, 1]]
    item = [[1, 2], [3, 4], [5, -1], [6, 7]]
    pages = pages_of(np.ones((4, 2)), reward, item, [0, 1, 2, 3])
    one, two = click_through(pages, ["b", "a", "b", "a"], IntervalSettings())
    assert (one.policy, two.policy) == ("a", "b")
    assert (one.items.value, one.pages.value, one.first.value) == (0.25, 0.5, 0)
    assert (two.items.value, two.pages.value, two.first.value) == (pytest.approx(2 / 3), 1, 1)
    assert two.n_pages == two.n_users == 2
    with pytest.raises(DataError, match="1 policies for 4 pages"):
        click_through(pages, ["a"], IntervalSettings())
