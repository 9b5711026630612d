import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from graphrec.errors import DataError, LeakageError
from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.walk_table import WalkTable
from graphrec.retrieval import walk_plan
from graphrec.retrieval.walk_settings import (
    AllSeeds,
    EarlyStop,
    MedoidSeeds,
    RecentSeeds,
    WalkSettings,
)
from graphrec.retrieval.walks import RandomWalkSource, visit_shares
from graphrec.stages import CandidateSource, Eligibility
from tests.graph.logs import wide_log
from tests.graph.walk_worlds import edges_of, random_rows
from tests.reference import walks as twin
from tests.retrieval.walk_sources import queries_of_users, sessions, some_of, source_on
from tests.worlds import watched


def same(found, expected):
    for field in ("item_row", "score", "source", "reason_item", "reason_share"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


def random_histories(rng, n_users, n_items):
    return [rng.integers(0, n_items, rng.integers(0, 12)).tolist() for _ in range(n_users)]


def test_shares_on_a_drawn_graph_are_those_worked_by_hand():
    # 0 -> 1 (3/4) and 2 (1/4), both dead ends: every walk takes one step
    table = WalkTable.build(edges_of([{2: 1}, {1: 3, 2: 1}, {}, {}]))
    history = np.array([0, 0], np.int32)
    share = visit_shares(table, history, WalkSettings(n_steps=100_000), seed=1)
    np.testing.assert_allclose(share, [0, 0.75, 0.25], atol=0.01)
    cold = visit_shares(table, np.array([1], np.int32), WalkSettings(), seed=1)
    np.testing.assert_array_equal(cold, [0, 0, 1])


@given(st.integers(0, 2**32), st.sampled_from(["visits", "ends"]), st.integers(0, 2**63 - 1))
@settings(max_examples=30, deadline=None)
def test_visit_shares_sum_to_one_and_equal_seeds_give_equal_shares(seed, score_on, walk_seed):
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(1, 30))
    table = WalkTable.build(edges_of(random_rows(rng, n_items)))
    history = rng.integers(0, n_items, rng.integers(0, 6)).astype(np.int32)
    walk = WalkSettings(n_steps=300, score_on=score_on)
    share = visit_shares(table, history, walk, seed=walk_seed)
    assert share.sum() == pytest.approx(1)
    assert (share >= 0).all()
    np.testing.assert_array_equal(share, visit_shares(table, history, walk, seed=walk_seed))


def test_visit_shares_refuse_unknown_items_and_are_zero_on_an_empty_graph():
    table = WalkTable.build(edges_of([{}, {}]))
    assert visit_shares(table, np.array([0], np.int32), WalkSettings(), seed=0).tolist() == [0.0]
    with pytest.raises(DataError, match="item row 1"):
        visit_shares(table, np.array([1], np.int32), WalkSettings(), seed=0)


@given(
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(["visits", "ends"]),
    st.sampled_from([0.5, 1.0, 1.5, 3.0]),
)
@settings(max_examples=40, deadline=None)
def test_scores_and_reasons_equal_the_slow_twin(seed, boosted, score_on, power):
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(3, 30))
    rows = random_rows(rng, n_items)
    walk = {
        "n_steps": 400,
        "restart": 0.4,
        "max_depth": 6,
        "weight_power": power,
        "degree_budgets": False,
        "multi_hit_boost": boosted,
        "score_on": score_on,
        "seed": seed,
    }
    source = source_on(rows, RandomWalkSource, seeds=AllSeeds(), **walk)
    history = rng.integers(0, n_items, rng.integers(0, 7)).tolist()
    queries = sessions(history)
    scores = source.score(queries)[0]
    found = source.retrieve(queries, n_items, Eligibility("allow"))
    weight = {item: history.count(item) for item in dict.fromkeys(history) if rows[item + 1]}
    nodes = [item + 1 for item in weight] or [0]
    share = np.array(list(weight.values()) or [1]) / max(sum(weight.values()), 1)
    length = sum(0.6**depth for depth in range(6))
    n_walks = [max(1, int(s * 400 / length + 0.5)) for s in share]
    visits = twin.request_visits(
        twin.alias_rows(edges_of(rows), power),
        twin.query_key(seed, -1, 1000),
        nodes,
        n_walks,
        0.4,
        6,
        ends=score_on == "ends",
    )
    scored = twin.score_visits(visits, boosted=boosted)
    expected = np.zeros(n_items, np.float32)
    for item, (score, _, _) in scored.items():
        expected[item] = score
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    best = sorted(scored, key=lambda item: (-scores[item], item))
    assert found.item_row[0, : len(best)].tolist() == best
    for place, item in enumerate(best):
        _, reason, part = scored[item]
        assert found.reason_item[0, place] == nodes[reason] - 1
        assert found.reason_share[0, place] == pytest.approx(part if nodes[0] else 0, rel=1e-6)


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_a_query_is_answered_alike_alone_and_in_any_order_of_a_batch(seed):
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(3, 60))
    source = source_on(random_rows(rng, n_items), RandomWalkSource, n_steps=200)
    queries = queries_of_users(random_histories(rng, 40, n_items))
    scores = source.score(queries)
    found = source.retrieve(queries, 5, Eligibility())
    order = rng.permutation(40)[:25]
    shuffled = some_of(queries, order)
    np.testing.assert_array_equal(source.score(shuffled), scores[order])
    again = source.retrieve(shuffled, 5, Eligibility())
    for place, query in enumerate(order.tolist()):
        np.testing.assert_array_equal(again.item_row[place], found.item_row[query])
        np.testing.assert_array_equal(again.reason_share[place], found.reason_share[query])
    alone = source.retrieve(some_of(queries, [7]), 5, Eligibility())
    np.testing.assert_array_equal(alone.score[0], found.score[7])


def test_answers_do_not_depend_on_the_number_of_threads(monkeypatch):
    rng = np.random.default_rng(5)
    source = source_on(random_rows(rng, 200, max_degree=20), RandomWalkSource, n_steps=500)
    queries = queries_of_users(random_histories(rng, 300, 200))
    used = set()
    answer = walk_plan.run_blocks

    def watch(task, n_blocks, n_threads):
        def noted(block):
            used.add(threading.get_ident())
            return task(block)

        return answer(noted, n_blocks, n_threads)

    monkeypatch.setattr(walk_plan, "run_blocks", watch)
    answers = []
    for n_threads in (1, 2, 5):
        monkeypatch.setattr(walk_plan, "available_threads", lambda n=n_threads: n)
        used.clear()
        answers.append((source.score(queries), source.retrieve(queries, 10, Eligibility())))
        assert (len(used) == 1) == (n_threads == 1)
    for scores, found in answers[1:]:
        np.testing.assert_array_equal(scores, answers[0][0])
        same(found, answers[0][1])


@pytest.mark.parametrize("seen", ["hide", "allow", "only_again"])
@pytest.mark.parametrize("filtered", [False, True])
def test_retrieved_are_the_best_eligible_items_by_score(seen, filtered):
    rng = np.random.default_rng(6)
    n_items = 50
    source = source_on(random_rows(rng, n_items), RandomWalkSource, n_steps=300, overwalk=1)
    histories = random_histories(rng, 30, n_items)
    queries = queries_of_users(histories)
    allowed = rng.random(n_items) < 0.5 if filtered else None
    scores = source.score(queries)
    found = source.retrieve(queries, 12, Eligibility(seen, allowed))
    for query, history in enumerate(histories):
        may = np.ones(n_items, bool) if allowed is None else allowed.copy()
        if seen == "hide":
            may[history] = False
        elif seen == "only_again":
            may &= np.isin(np.arange(n_items), history)
        best = [item for item in np.argsort(-scores[query], kind="stable") if may[item]]
        best = [item for item in best if scores[query, item] > 0][:12]
        assert found.item_row[query, : len(best)].tolist() == best
        assert (found.item_row[query, len(best) :] == -1).all()
        assert found.score[query, : len(best)].tolist() == scores[query, best].tolist()
        assert (found.source[query] == np.where(found.item_row[query] >= 0, 0, -1)).all()


def test_filters_that_drop_much_make_walks_go_on():
    # item 0 leads to items 1 to 400 alike; two of them are allowed
    rows = [{0: 1}, dict.fromkeys(range(1, 401), 1), *[{} for _ in range(400)]]
    allowed = np.zeros(401, bool)
    allowed[[17, 333]] = True
    eligibility = Eligibility("hide", allowed)
    walk = {"n_steps": 100, "max_depth": 1}
    short = source_on(rows, RandomWalkSource, overwalk=1, **walk)
    long = source_on(rows, RandomWalkSource, overwalk=256, **walk)
    queries = queries_of_users([[0]] * 20)
    n_short = (short.retrieve(queries, 5, eligibility).item_row >= 0).sum(axis=1)
    found = long.retrieve(queries, 5, eligibility)
    assert n_short.min() < 2
    assert ((found.item_row >= 0).sum(axis=1) == 2).all()
    alone = long.retrieve(some_of(queries, [3]), 5, eligibility)
    np.testing.assert_array_equal(alone.score[0], found.score[3])


def test_walks_go_on_only_while_there_is_a_place_to_fill(monkeypatch):
    rows = [{0: 1}, {1: 1, 2: 1}, {0: 1}, {0: 1}]
    source = source_on(rows, RandomWalkSource, n_steps=50)
    answered = []
    answer = RandomWalkSource._answer
    monkeypatch.setattr(
        RandomWalkSource,
        "_answer",
        lambda self, *parts: (answered.append(len(parts[3])), answer(self, *parts))[1],
    )
    allowed = np.array([False, True, False])
    found = source.retrieve(sessions([0, 1], [0]), 3, Eligibility("only_again", allowed))
    assert found.item_row.tolist() == [[1, -1, -1], [-1, -1, -1]]
    assert answered == [2]


def test_reasons_name_the_seed_that_brought_an_item():
    # 0 -> 2; 1 -> 2 and 3: item 3 can only come from item 1
    rows = [{4: 1}, {2: 1}, {2: 1, 3: 1}, {}, {}, {}]
    walk = {"n_steps": 3000, "degree_budgets": False, "multi_hit_boost": False}
    found = source_on(rows, RandomWalkSource, **walk).retrieve(
        sessions([0, 1], []), 3, Eligibility()
    )
    assert found.item_row.tolist() == [[2, 3, -1], [4, -1, -1]]
    assert found.reason_item.tolist() == [[0, 1, -1], [-1, -1, -1]]
    # Item 2 has all visits from item 0 and half of those from item 1.
    np.testing.assert_allclose(found.reason_share[0], [2 / 3, 1, 0], atol=0.03)
    assert found.reason_share[1].tolist() == [0, 0, 0]
    boosted = source_on(rows, RandomWalkSource, **{**walk, "multi_hit_boost": True}).retrieve(
        sessions([0, 1]), 3, Eligibility()
    )
    np.testing.assert_allclose(boosted.reason_share[0, 0], 1 / (1 + 0.5**0.5), atol=0.02)


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_early_stop_only_shortens_walks(seed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 12, dead=0)
    walk = {"n_steps": 8000, "seeds": AllSeeds(), "multi_hit_boost": False}
    queries = sessions([0, 3, 5], [])
    full = source_on(rows, RandomWalkSource, **walk)
    soon = source_on(rows, RandomWalkSource, early_stop=EarlyStop(n_items=1, n_visits=2), **walk)
    never = source_on(
        rows, RandomWalkSource, early_stop=EarlyStop(n_items=10**6, n_visits=2), **walk
    )
    np.testing.assert_array_equal(full.score(queries), never.score(queries))
    # Each seed of the stopped source does one wave, so fewer visits give coarser shares.
    coarse = soon.score(queries)[1]
    n_visits = round(1 / coarse[coarse > 0].min())
    assert n_visits <= 256 * 8
    assert set(np.flatnonzero(coarse)) <= set(np.flatnonzero(full.score(queries)[1]))


def test_no_place_and_no_query_give_empty_answers():
    source = source_on([{0: 1}, {0: 1}], RandomWalkSource)
    assert source.retrieve(sessions([0], []), 0, Eligibility()).item_row.shape == (2, 0)
    assert source.retrieve(sessions(), 3, Eligibility()).item_row.shape == (0, 3)
    assert source.score(sessions()).shape == (0, 1)


def test_an_unfitted_source_proposes_nothing():
    source = RandomWalkSource()
    assert isinstance(source, CandidateSource)
    assert source.name == "walk"
    assert source.score(sessions([])).shape == (1, 0)
    assert source.retrieve(sessions([]), 2, Eligibility()).item_row.tolist() == [[-1, -1]]


def test_fitting_refuses_the_future_and_absorbing_learns():
    events = watched([(10, 0, 0), (20, 0, 1), (30, 1, 0), (40, 1, 2)], n_items=3)
    source = RandomWalkSource(CoWatchSettings(), WalkSettings(max_depth=1))
    with pytest.raises(LeakageError, match="cut at 40"):
        source.fit(events, 40)
    source.fit(events, 41)
    before = source.score(sessions([0], time_s=50))
    assert (before[0] > 0).tolist() == [False, True, True]
    source.absorb(watched([(45, 1, 3)], n_users=2, n_items=4))
    assert source.n_items == 4
    after = source.score(sessions([0], [2], time_s=50))
    assert (after > 0).tolist() == [[False, True, True, True], [False, False, False, True]]
    whole = RandomWalkSource(CoWatchSettings(), WalkSettings(max_depth=1))
    whole.fit(watched([(10, 0, 0), (20, 0, 1), (30, 1, 0), (40, 1, 2), (45, 1, 3)], n_items=4), 46)
    np.testing.assert_array_equal(whole.score(sessions([0], [2], time_s=50)), after)


@pytest.mark.parametrize("mode", ["none", "expected", "thinning"])
@pytest.mark.parametrize("power", [0.5, 1.7])
def test_absorbing_with_a_power_of_the_weights_ends_where_learning_at_once_does(mode, power):
    events = wide_log(400)
    graph, walk = (
        CoWatchSettings(ageing=AgeingSettings(mode=mode)),
        WalkSettings(weight_power=power),
    )
    whole, live = RandomWalkSource(graph, walk), RandomWalkSource(graph, walk)
    cut_s = int(events.time_s[-1]) + 1
    whole.fit(events, cut_s)
    live.fit(events.take(slice(0, 250)), int(events.time_s[249]) + 1)
    queries = queries_of_users([[0, 3, 9], [], [4]], time_s=cut_s)
    # Answers in between make the table, so that rows are rewritten rather than built anew.
    for start in range(250, 400, 30):
        live.score(queries)
        live.absorb(events.take(slice(start, start + 30)))
    np.testing.assert_array_equal(live.score(queries), whole.score(queries))
    plain = RandomWalkSource(graph, WalkSettings(weight_power=1.0))
    plain.fit(events, cut_s)
    assert (plain.score(queries) != whole.score(queries)).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"restart": 1.1},
        {"max_depth": 64},
        {"n_steps": 0},
        {"half_life_days": 0},
        {"seeds": {"kind": "nearest"}},
        {"seeds": {"kind": "recent", "n": 0}},
        {"n_stepz": 5},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        WalkSettings(**wrong)


def test_seeds_are_chosen_by_kind_in_settings_files():
    assert WalkSettings.model_validate({"seeds": {"kind": "medoids"}}).seeds == MedoidSeeds()
    assert WalkSettings().seeds == RecentSeeds()
