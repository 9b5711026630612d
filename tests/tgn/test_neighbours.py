"""What stood beside a past item: found by hand, live and at rest alike, and worth learning."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.live_visits import LiveVisits
from graphrec.tgn.neighbours import AskedItems, neighbour_scores
from graphrec.tgn.query_windows import windows_of_queries
from graphrec.tgn.settings import NeighbourSettings, NetworkSettings
from graphrec.tgn.temporal_state import TemporalState
from tests.tgn.logs import CPU, N_ITEMS, a_log, a_network, queries_at
from tests.tgn.test_training import chains, trained

FEW = NeighbourSettings(tokens=2, visits=3, reach=2, places=2.0, hours=1.0)


def beside_by_hand(log, item, bound):
    """(item beside, time of the visit, direction, distance) of the newest visits, sorted."""
    found = []
    visits = [p for p in range(bound) if log.item_row[p] == item][::-1][: FEW.visits]
    for visit in visits:
        mine = [p for p in range(len(log)) if log.user_row[p] == log.user_row[visit]]
        at = mine.index(visit)
        for direction, step in ((0, 1), (1, -1)):
            for distance in range(1, FEW.reach + 1):
                place = at + step * distance
                if 0 <= place < len(mine) and mine[place] < bound:
                    beside = int(log.item_row[mine[place]])
                    found.append((beside, int(log.time_s[visit]), direction, distance))
    return sorted(found)


def flat(visits):
    """The same of `Visits` of one query and one item."""
    found = []
    for visit in range(visits.item.shape[2]):
        for direction in range(2):
            for place in range(visits.item.shape[4]):
                if visits.known[0, 0, visit, direction, place]:
                    item = int(visits.item[0, 0, visit, direction, place])
                    time_s = int(visits.time_s[0, 0, visit])
                    found.append((item, time_s, direction, place + 1))
    return sorted(found)


@pytest.mark.parametrize("seed", range(3))
def test_visits_at_rest_and_live_are_those_found_by_hand(seed):
    log = a_log(seed)
    index = EventIndex(log, torch.tensor([3600.0]), CPU)
    live = LiveVisits(N_ITEMS, FEW, CPU)
    known = 0
    for bound in range(0, len(log) + 1, 7):
        live.absorb(log.take(slice(known, bound)))
        known = bound
        for item in range(N_ITEMS):
            asked = torch.tensor([[item]])
            expected = beside_by_hand(log, item, bound)
            assert flat(index.visits(asked, torch.tensor([bound]), FEW)) == expected
            assert flat(live.visits(asked)) == expected


@pytest.mark.parametrize("at_once", [1, 7, 600])
def test_events_end_in_the_same_chains_in_whatever_order_they_arrive(at_once):
    log = a_log(3, n_events=600)
    order = np.random.default_rng(0).permutation(len(log))
    # Within a second the order of arrival counts, so it is kept.
    for time_s in np.unique(log.time_s):
        tied = np.flatnonzero(log.time_s[order] == time_s)
        order[tied] = np.sort(order[tied])
    shuffled, sorted_ = (LiveVisits(N_ITEMS, FEW, CPU) for _ in range(2))
    sorted_.absorb(log)
    for first in range(0, len(log), at_once):
        part = order[first : first + at_once]
        shuffled.absorb(log.take(part))
    for item in range(N_ITEMS):
        asked = torch.tensor([[item]])
        assert flat(shuffled.visits(asked)) == flat(sorted_.visits(asked))


def test_scores_are_weighted_roots_of_discounted_counts():
    log = a_log(1)
    bound, now_s = 40, int(log.time_s[40])
    index = EventIndex(log, torch.tensor([3600.0]), CPU)
    past = torch.tensor([[2, 0]])
    weight = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))
    n_events = torch.arange(N_ITEMS)[None]
    visits = index.visits(past, torch.tensor([bound]), FEW)
    asked = AskedItems(None, n_events, N_ITEMS)
    score = neighbour_scores(weight, visits, torch.tensor([now_s]), asked, FEW)[0]
    expected = np.zeros(N_ITEMS)
    for token in range(2):
        count = np.zeros((2, N_ITEMS))
        for item, time_s, direction, distance in beside_by_hand(log, int(past[0, token]), bound):
            discount = np.exp(-(now_s - time_s) / 3600) * np.exp(-(distance - 1) / 2)
            count[direction, item] += discount
        for channel in range(4):
            norm = (np.arange(N_ITEMS) + 1) ** -0.25 if channel % 2 else 1.0
            expected += float(weight[0, token, channel]) * np.sqrt(count[channel // 2]) * norm
    np.testing.assert_allclose(score.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_candidates_named_one_by_one_score_as_among_all(own):
    log = a_log(2)
    network = a_network(neighbours=FEW.model_dump())
    index = EventIndex(log, network.scale_s, CPU)
    position = torch.arange(20, 50)
    bound = index.bounds_of(position)
    windows = index.windows(index.user[position], bound, index.time_s[position], 8)
    code, history = network.codes(), index.history(bound)
    vectors = network.query_vectors(windows, history, code)
    assert vectors.past is not None
    every = network.scores(vectors, windows, history, code)
    item = torch.tensor([5, 1, 5, 8, 0])
    some = network.scores(
        vectors, windows, history, code, item.expand(len(position), -1) if own else item
    )
    torch.testing.assert_close(some, every[:, item])


def test_a_state_of_other_neighbours_is_refused():
    network = a_network(neighbours=FEW.model_dump())
    state = TemporalState(network, CPU)
    with pytest.raises(ValueError, match="other neighbours"):
        state.visits(torch.tensor([[0]]), NeighbourSettings(visits=9))
    with pytest.raises(ValueError, match="other neighbours"):
        TemporalState(a_network(), CPU).visits(torch.tensor([[0]]), FEW)


def test_new_items_have_no_neighbours_until_something_happens():
    live = LiveVisits(2, FEW, CPU)
    log = a_log(0)
    live.grow(N_ITEMS)
    assert not live.visits(torch.arange(N_ITEMS)[None]).known.any()
    live.absorb(log)
    assert live.visits(torch.arange(N_ITEMS)[None]).known.any()


def test_a_network_of_neighbours_alone_learns_what_comes_after_what():
    settings = {
        "identity_path": False,
        "taste": False,
        "learn_identities": False,
        "memory_dim": 0,
        "popularity_scales_hours": (),
        "repeats": False,
    }
    with_them = trained(
        chains(), n_training=600, training={}, neighbours={"tokens": 2, "reach": 2}, **settings
    )[2]
    without = trained(chains(), n_training=600, training={}, **settings)[2]
    assert with_them["mrr"] > 0.9
    assert without["mrr"] < 0.4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"times": False, "popularity_scales_hours": (), "memory_dim": 0}, "neighbours without"),
        ({"tokens": 4}, "neighbours.tokens 8 — at most tokens 4"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        NetworkSettings.model_validate({"neighbours": {}} | changes)


def test_queries_without_a_past_ask_for_nothing_beside_it():
    log = a_log(0)
    network = a_network(neighbours=FEW.model_dump())
    state = TemporalState(network, CPU)
    state.absorb(log)
    query = queries_at(log, np.array([0]), np.array([0]))
    windows = windows_of_queries(query, network.settings, CPU)
    vectors = network.query_vectors(windows, state, network.codes())
    assert vectors.past is not None
    assert not vectors.past.weight.any()


@torch.no_grad()
def test_contributions_of_past_items_add_up_to_scores_made_of_them_alone():
    log = a_log(2)
    network = a_network(
        neighbours=FEW.model_dump(), taste=False, popularity_scales_hours=(), memory_dim=0
    )
    network.bias.zero_()
    index = EventIndex(log, network.scale_s, CPU)
    position = torch.arange(30, 60)
    bound = index.bounds_of(position)
    windows = index.windows(index.user[position], bound, index.time_s[position], 8)
    code, history = network.codes(), index.history(bound)
    score = network(windows, history)
    item = torch.arange(N_ITEMS).expand(len(position), -1)
    tokens, told = network.contributions(windows, history, code, item)
    assert not told[~tokens.present[:, None].expand_as(told)].any()
    torch.testing.assert_close(told.sum(-1), score, rtol=1e-4, atol=1e-4)
