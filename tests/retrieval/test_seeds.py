import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.graph.edges import COLD_START_NODE
from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval.budgets import mean_length, step_shares, walks_per_seed
from graphrec.retrieval.seeds import SeedSets, choose_seeds, query_keys
from graphrec.retrieval.walk_settings import AllSeeds, MedoidSeeds, RecentSeeds, WalkSettings
from tests.graph.walk_worlds import HandMadeGraph, edges_of
from tests.retrieval.walk_sources import queries_of_users, sessions, some_of

DAY_S = 86_400
# 0 -> 1, 2; 1 -> 0; 2 -> 0; 3 is a dead end; strangers start with 0
ROWS = [{0: 1}, {1: 1, 2: 1}, {0: 1}, {0: 1}, {}]

BUDGETS = WalkSettings(degree_budgets=True)


def seeds_of(rows, queries, **settings):
    graph = HandMadeGraph(rows)
    table = WalkTable.build(edges_of(rows))
    return choose_seeds(
        queries,
        WalkSettings(**{"half_life_events": None, **settings}),
        table,
        lambda nodes: graph.weighted_edges(0, nodes),
    )


def as_lists(seeds):
    """Per query the (item row, weight) of its seeds; the cold-start node is item -1."""
    return [
        [(int(n) - 1, float(w)) for n, w in zip(seeds.node[a:b], seeds.weight[a:b], strict=True)]
        for a, b in zip(seeds.ptr[:-1], seeds.ptr[1:], strict=True)
    ]


def test_repeats_add_up_and_the_newest_gives_the_place():
    seeds = seeds_of(ROWS, sessions([2, 0, 2, 2], [1]), seeds=AllSeeds())
    assert as_lists(seeds) == [[(2, 3.0), (0, 1.0)], [(1, 1.0)]]


def test_dead_ends_and_unknown_items_are_no_seeds_and_an_empty_history_starts_cold():
    seeds = seeds_of(ROWS, sessions([3], [], [3, 1], [9], []), seeds=AllSeeds())
    cold = [(COLD_START_NODE - 1, 1.0)]
    assert as_lists(seeds) == [cold, cold, [(1, 1.0)], cold, cold]


def test_recent_seeds_are_the_newest_distinct_items_with_edges():
    queries = sessions([3, 1, 1, 2, 0], [0])
    seeds = seeds_of(ROWS, queries, seeds=RecentSeeds(n=2))
    assert as_lists(seeds) == [[(1, 2.0), (2, 1.0)], [(0, 1.0)]]


def test_weights_halve_with_age_and_with_place():
    queries = queries_of_users([[0, 1, 2]])
    by_age = seeds_of(ROWS, queries, half_life_days=1 / 24)
    assert as_lists(by_age) == [[(0, 1.0), (1, 0.5), (2, 0.25)]]
    by_place = seeds_of(ROWS, queries, half_life_events=2)
    np.testing.assert_allclose(by_place.weight, [1, 2**-0.5, 0.5])
    both = seeds_of(ROWS, queries, half_life_days=1 / 24, half_life_events=1)
    np.testing.assert_allclose(both.weight, [1, 0.25, 1 / 16])


def test_seeds_depend_on_their_own_query_only():
    rng = np.random.default_rng(0)
    histories = [rng.integers(0, 4, rng.integers(0, 9)).tolist() for _ in range(30)]
    queries = queries_of_users(histories)
    for kind in (AllSeeds(), RecentSeeds(n=2), MedoidSeeds(n_medoids=2)):
        together = as_lists(seeds_of(ROWS, queries, seeds=kind, half_life_events=3))
        for query in range(30):
            alone = seeds_of(ROWS, some_of(queries, [query]), seeds=kind, half_life_events=3)
            assert as_lists(alone) == [together[query]]


def test_a_thousand_alike_items_contribute_one_seed():
    # items 0 to 999 all lead to each other's neighbours 1000, 1001, 1002; 1003 to 1005 stand apart
    crowd = [{1000: 1.0 + i % 3, 1001: 2.0, 1002: 1.0} for i in range(1000)]
    rows = [{0: 1}, *crowd, {0: 1}, {0: 1}, {0: 1}, {1006: 1}, {1007: 1}, {1008: 1}, {}, {}, {}]
    history = [*range(1000), 1003, 1004, 1005]
    settings = MedoidSeeds(n_medoids=10, max_items=2000)
    drawn = as_lists(seeds_of(rows, sessions(history), seeds=settings))[0]
    items = [item for item, _ in drawn]
    assert len([item for item in items if item < 1000]) == 1
    assert set(items[1:]) == {1003, 1004, 1005}
    assert [weight for _, weight in drawn] == [1.0] * 4
    everyone = seeds_of(rows, sessions(history), seeds=AllSeeds())
    assert len(everyone.node) == 1003


def test_the_medoid_is_the_item_in_the_middle_of_its_cluster():
    # 0 leads to 5 and 6, 1 to 5, 6 and 7, 2 to 6 and 7: item 1 is between the others; 3 is far off
    rows = [{0: 1}, {5: 1, 6: 1}, {5: 1, 6: 1, 7: 1}, {6: 1, 7: 1}, {8: 1}, {}, {}, {}, {}, {}]
    settings = MedoidSeeds(n_medoids=5, max_distance=1.2)
    seeds = seeds_of(rows, sessions([0, 1, 2, 3]), seeds=settings)
    assert [item for item, _ in as_lists(seeds)[0]] == [1, 3]


def test_clusters_are_drawn_by_decayed_importance():
    # Two lone items; the older one's importance is a quarter, so it is drawn first in 1/5 of times.
    rows = [{0: 1}, {2: 1}, {3: 1}, {}, {}]
    settings = MedoidSeeds(n_medoids=1, half_life_days=1 / 48)
    n = 800
    queries = queries_of_users([[0, 1]] * n)
    seeds = seeds_of(rows, queries, seeds=settings)
    share = (seeds.node == 2).mean()
    assert share == pytest.approx(0.2, abs=0.06)


def test_a_single_seed_needs_no_clusters():
    seeds = seeds_of(ROWS, sessions([3, 1]), seeds=MedoidSeeds())
    assert as_lists(seeds) == [[(1, 1.0)]]


def test_query_keys_differ_by_user_time_and_seed():
    queries = queries_of_users([[0], [0]])
    later = queries_of_users([[0], [0]], time_s=1001)
    keys = [*query_keys(queries, 0), *query_keys(later, 0), *query_keys(queries, 1)]
    assert len(set(keys)) == 6


def budget_table(degrees):
    rows = [{0: 1.0}, *[dict.fromkeys(range(degree), 1.0) for degree in degrees]]
    return WalkTable.build(edges_of(rows))


def one_query(items, weights):
    return SeedSets(
        np.array([0, len(items)], np.int64),
        np.array(items, np.int32) + 1,
        np.array(weights, np.float64),
    )


def test_budgets_follow_the_published_formula():
    table = budget_table([1, 2, 4, 8, *[1] * 6])
    share = step_shares(one_query([0, 1, 2, 3], [1, 1, 2, 1]), table, BUDGETS)
    scaled = np.array([1 * np.log(8), 2 * np.log(4), 2 * 4 * np.log(2), 0])
    np.testing.assert_allclose(share, scaled / scaled.sum())
    plain = step_shares(one_query([0, 2], [1, 3]), table, WalkSettings(degree_budgets=False))
    np.testing.assert_allclose(plain, [0.25, 0.75])


@pytest.mark.parametrize("degrees", [[1, 1, 1], [3, 3, 3]])
def test_budgets_follow_weights_where_all_degrees_are_the_largest(degrees):
    share = step_shares(one_query([0, 1], [3, 1]), budget_table(degrees), BUDGETS)
    np.testing.assert_allclose(share, [0.75, 0.25])


def test_budgets_are_equal_where_nothing_is_left_of_the_weights():
    share = step_shares(one_query([0, 1], [0, 0]), budget_table([1, 2]), BUDGETS)
    np.testing.assert_allclose(share, [0.5, 0.5])


def test_every_seed_gets_a_walk_and_walks_take_their_steps():
    settings = WalkSettings(restart=0.5, max_depth=2)
    assert mean_length(settings) == 1.5
    walks = walks_per_seed(np.array([0.0, 0.001, 0.25, 0.749]), 3000, 1.5)
    assert walks.tolist() == [1, 2, 500, 1498]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=4), st.integers(1, 4)
)
def test_the_kernel_lists_what_a_plain_loop_lists(histories, n):
    plain = []
    for history in histories:
        seeds: dict[int, float] = {}
        for item in history:
            if item + 1 < len(ROWS) and ROWS[item + 1]:
                seeds[item] = seeds.get(item, 0.0) + 1.0
        plain.append(list(seeds.items()) or [(COLD_START_NODE - 1, 1.0)])
    queries = sessions(*histories)
    assert as_lists(seeds_of(ROWS, queries, seeds=AllSeeds())) == plain
    newest = [one[:n] for one in plain]
    assert as_lists(seeds_of(ROWS, queries, seeds=RecentSeeds(n=n))) == newest
