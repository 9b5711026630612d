import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.errors import DataError, LeakageError
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval import propagate as module
from graphrec.retrieval.budgets import mean_length, step_shares
from graphrec.retrieval.propagate import (
    PropagateSource,
    expected_visits,
    propagate,
    step_chances,
)
from graphrec.retrieval.seeds import SeedSets
from graphrec.retrieval.walk_settings import AllSeeds, MedoidSeeds, WalkSettings
from graphrec.retrieval.walks import RandomWalkSource
from graphrec.stages import Eligibility
from tests.graph.walk_worlds import edges_of, random_rows
from tests.retrieval.walk_sources import WALK, queries_of_users, sessions, source_on
from tests.worlds import watched

EXACT = {"min_mass": 0.0, "seeds": AllSeeds()}


def test_expected_visits_of_a_drawn_graph_are_those_worked_by_hand():
    # strangers -> 0; 0 -> 1 (3/4) and 2 (1/4); 1 -> 2; 2 is a dead end
    chances = step_chances(edges_of([{0: 2}, {1: 3, 2: 1}, {2: 5}, {}]))
    walk = WalkSettings(restart=0.5, max_depth=3, min_mass=0)
    nodes = np.array([0, 1, 3], np.int32)
    # From the cold start: item 0 at depth 1; half of the walks go on to 1 and 2; half of those at 1
    # go on to 2.
    np.testing.assert_allclose(
        expected_visits(chances, nodes, walk).toarray(),
        [[1, 0.375, 0.125 + 0.1875], [0, 0.75, 0.25 + 0.375], [0, 0, 0]],
    )
    ends = walk.model_copy(update={"score_on": "ends"})
    # A walk that stands on item 2 ends there for sure.
    np.testing.assert_allclose(
        expected_visits(chances, nodes, ends).toarray(),
        [[0.5, 0.1875, 0.125 + 0.1875], [0, 0.375, 0.25 + 0.375], [0, 0, 0]],
    )


def test_boost_shares_and_scores_are_those_worked_by_hand():
    # items 0 and 1 both lead to 2; 0 leads to 3 as well
    chances = step_chances(edges_of([{0: 1}, {2: 1, 3: 1}, {2: 1}, {}, {}]))
    seeds = SeedSets(np.array([0, 2]), np.array([1, 2], np.int32), np.ones(2))
    share = np.array([0.8, 0.2])
    walk = WalkSettings(multi_hit_boost=False, min_mass=0)
    plain = propagate(chances, seeds, share, walk)
    np.testing.assert_allclose(plain.scores.toarray(), [[0, 0, 0.6, 0.4]])
    np.testing.assert_allclose(plain.parts.toarray(), [[0, 0, 0.4, 0.4], [0, 0, 0.2, 0]])
    boosted = propagate(chances, seeds, share, WalkSettings(multi_hit_boost=True, min_mass=0))
    np.testing.assert_allclose(boosted.scores.toarray(), [[0, 0, (0.4**0.5 + 0.2**0.5) ** 2, 0.4]])


@pytest.mark.parametrize("kept", [0, 1 << 25], ids=["nothing kept", "all kept"])
@pytest.mark.parametrize("boost", [False, True])
def test_queries_that_share_seeds_are_answered_as_each_alone(monkeypatch, kept, boost):
    monkeypatch.setattr(module, "_ENTRIES_KEPT", kept)
    monkeypatch.setattr(module, "_SEEDS_AT_ONCE", 7)
    rng = np.random.default_rng(8)
    rows = random_rows(rng, 30)
    histories = [rng.integers(0, 30, n).astype(np.int32) for n in (3, 0, 5, 9, 1, 4)]
    settings = EXACT | {"multi_hit_boost": boost}
    together = source_on(rows, PropagateSource, **settings).score(sessions(*histories))
    alone = [
        source_on(rows, PropagateSource, **settings).score(sessions(history))[0]
        for history in histories
    ]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_a_node_is_propagated_once_until_the_graph_changes(monkeypatch):
    asked = []

    def counted(chances, nodes, settings):
        asked.extend(nodes.tolist())
        return expected_visits(chances, nodes, settings)

    monkeypatch.setattr(module, "expected_visits", counted)
    monkeypatch.setattr(module, "_SEEDS_AT_ONCE", 2)
    source = PropagateSource(walk=WalkSettings(min_mass=0, seeds=AllSeeds()))
    events = watched([(0, 0, 0), (10, 0, 1), (20, 1, 1), (30, 1, 2)])
    source.fit(events, 100)
    histories = [np.array(items, np.int32) for items in ([0, 1], [1, 0], [1, 2])]
    before = source.score(sessions(*histories, time_s=100))
    source.score(sessions(*histories, time_s=100))
    # Item 2 is a dead end, so that no walk starts there.
    assert sorted(asked) == [1, 2]
    source.absorb(watched([(110, 0, 0), (120, 1, 0)]))
    assert not np.array_equal(source.score(sessions(*histories, time_s=200)), before)


@given(st.integers(0, 2**32), st.sampled_from(["visits", "ends"]))
@settings(max_examples=25, deadline=None)
def test_shares_sum_to_one_and_truncation_loses_little(seed, score_on):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 30)
    chances = step_chances(edges_of(rows))
    walk = WalkSettings(score_on=score_on, multi_hit_boost=False, min_mass=0, restart=0.3)
    seeds = SeedSets(np.array([0, 1]), np.array([0], np.int32), np.ones(1))
    exact = propagate(chances, seeds, np.ones(1), walk).scores.toarray()
    assert exact.sum() == pytest.approx(1)
    cut = walk.model_copy(update={"min_mass": 1e-3})
    rough = expected_visits(chances, seeds.node, cut).toarray()
    full = expected_visits(chances, seeds.node, walk).toarray()
    assert (rough <= full + 1e-12).all()
    # Each of 7 later depths may drop 30 entries of 1e-3, and what would have followed them.
    assert np.abs(full - rough).sum() <= 7 * 30 * 1e-3 * mean_length(walk)


def errors_at(rows, query, n_steps, **walk):
    """Distance of the walks' scores from the exact ones, averaged over seeds."""
    exact = source_on(rows, PropagateSource, **EXACT, **walk).score(query)[0]
    distances = [
        np.linalg.norm(
            source_on(rows, RandomWalkSource, **EXACT, **walk, n_steps=n_steps, seed=seed).score(
                query
            )[0]
            - exact
        )
        / np.linalg.norm(exact)
        for seed in range(12)
    ]
    return float(np.mean(distances))


@pytest.mark.parametrize(
    ("history", "walk"),
    [
        ([], {}),
        ([1, 4, 7, 4], {"multi_hit_boost": False, "degree_budgets": False}),
        ([1, 4, 7, 4, 11], {"multi_hit_boost": True, "half_life_events": 2.0}),
        ([2, 3, 5], {"score_on": "ends", "restart": 0.3, "max_depth": 12}),
        ([2, 3, 5], {"weight_power": 2.0, "restart": 0.3}),
    ],
    ids=["cold start", "plain", "budgets and boost", "ends", "sharpened"],
)
def test_walks_converge_to_propagation_as_one_over_the_root_of_their_number(history, walk):
    rows = random_rows(np.random.default_rng(8), 25, max_degree=8, dead=0.3)
    query = sessions(history)
    n_steps = [4_000, 16_000, 64_000, 128_000]
    error = [errors_at(rows, query, n, **walk) for n in n_steps]
    slope = np.polyfit(np.log(n_steps), np.log(error), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.12)
    assert error[-1] < 0.03


def test_retrieval_agrees_with_scores_and_names_the_strongest_seed():
    rows = random_rows(np.random.default_rng(3), 40, max_degree=6)
    source = source_on(rows, PropagateSource, **EXACT)
    queries = queries_of_users([[1, 2, 3], [], [5, 9, 9]])
    scores = source.score(queries)
    found = source.retrieve(queries, 8, Eligibility("allow"))
    table = WalkTable.build(edges_of(rows))
    for query, history in enumerate(([1, 2, 3], [], [5, 9])):
        best = np.argsort(-scores[query], kind="stable")[:8]
        best = best[scores[query][best] > 0]
        assert found.item_row[query, : len(best)].tolist() == best.tolist()
        assert found.score[query, : len(best)].tolist() == scores[query][best].tolist()
        live = [item for item in history if rows[item + 1]]
        if not live:
            assert (found.reason_item[query] == -1).all()
            assert (found.reason_share[query] == 0).all()
            continue
        seeds = SeedSets(
            np.array([0, len(live)]),
            np.array(live, np.int32) + 1,
            np.array([float(2 if item == 9 else 1) for item in live]),
        )
        walk = WalkSettings(**WALK, min_mass=0)
        share = step_shares(seeds, table, walk)
        parts = propagate(step_chances(edges_of(rows)), seeds, share, walk).parts.toarray()
        for place, item in enumerate(best):
            assert found.reason_item[query, place] == live[parts[:, item].argmax()]
            assert found.reason_share[query, place] == pytest.approx(
                parts[:, item].max() / parts[:, item].sum()
            )


def test_a_power_of_the_weights_is_that_worked_by_hand():
    # 0 -> 1 with weight 3, 0 -> 2 with weight 1, both dead ends: 3:1, 9:1, and 3^.5:1
    rows = [{0: 1}, {1: 3, 2: 1}, {}, {}]
    for power, share in ((1.0, 0.75), (2.0, 0.9), (0.5, 3**0.5 / (1 + 3**0.5))):
        walk = {"weight_power": power, "multi_hit_boost": False}
        score = source_on(rows, PropagateSource, **EXACT, **walk).score(sessions([0]))
        np.testing.assert_allclose(score, [[0, share, 1 - share]], rtol=1e-6)


def test_many_queries_are_propagated_a_few_at_a_time_with_the_same_answer():
    rows = random_rows(np.random.default_rng(4), 30, max_degree=6)
    source = source_on(rows, PropagateSource, **EXACT)
    histories = [list(range(user % 28, 30)) for user in range(150)]
    together = source.score(queries_of_users(histories))
    for user in (0, 30, 77, 149):
        alone = source.score(sessions(histories[user]))
        np.testing.assert_allclose(together[user], alone[0], rtol=1e-6)


def test_propagation_learns_absorbs_and_refuses_the_future():
    events = watched([(10, 0, 0), (20, 0, 1), (30, 1, 0), (40, 1, 2)], n_items=4)
    source = PropagateSource(CoWatchSettings(), WalkSettings(max_depth=1))
    assert source.name == "propagate"
    with pytest.raises(LeakageError):
        source.fit(events, 40)
    source.fit(events, 41)
    np.testing.assert_allclose(source.score(sessions([0], time_s=50)), [[0, 0.5, 0.5, 0]])
    source.absorb(watched([(45, 1, 3)], n_users=2, n_items=4))
    np.testing.assert_allclose(source.score(sessions([2], time_s=50)), [[0, 0, 0, 1]], atol=1e-6)
    with pytest.raises(DataError, match="item row 4"):
        source.score(sessions([4]))


def test_medoid_seeds_serve_propagation_too():
    rows = random_rows(np.random.default_rng(5), 30, max_degree=6, dead=0)
    source = source_on(rows, PropagateSource, seeds=MedoidSeeds(n_medoids=2, max_distance=0.5))
    found = source.retrieve(queries_of_users([[1, 2, 3, 4]]), 30, Eligibility())
    reasons = set(found.reason_item[found.item_row >= 0].tolist())
    assert len(reasons) <= 2
    assert reasons <= {1, 2, 3, 4}
