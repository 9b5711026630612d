"""Side events and contexts: looked up by hand, never from the future, silent at first, learnt."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from graphrec.errors import DataError, SettingsError, SnapshotError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.side_events import SideKind, SideLog
from graphrec.tgn.side_index import SideIndex
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.training import Trainer
from graphrec.tgn.weights import arrays_of_network, network_of_arrays
from tests.tgn.logs import (
    CPU,
    N_ITEMS,
    N_USERS,
    SIDE_NODES,
    SMALL,
    a_log,
    a_network,
    a_side_log,
    queries_at,
    side_index_of,
)
from tests.tgn.test_content import some_content
from tests.tgn.test_parity import CLOSE, scores_from_index

TOLD = {"side_events": 3, "context_hours": 1.0}
SETTINGS = NetworkSettings.model_validate(SMALL | TOLD)


def planted(side, time_s, user, kind, row):
    """`side` with one more event."""
    one = [np.array([value]) for value in (time_s, user, kind, row)]
    none = np.empty(0, np.int64)
    return side.joined_with(SideLog(side.nodes, *one, none, none))


def said_to_hold(side, time_s, context):
    """`side` with one more event of a context."""
    none = np.empty(0, np.int64)
    more = SideLog(side.nodes, *[none] * 4, np.array([time_s]), np.array([context]))
    return side.joined_with(more)


def assert_same(one, other):
    for name in ("present", "holds"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    for name in ("kind", "row"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert torch.equal(one.time_s * one.present, other.time_s * other.present)


@pytest.mark.parametrize("seed", range(3))
def test_windows_by_hand(seed):
    side = a_side_log(seed)
    index = SideIndex(side, SETTINGS, CPU)
    rng = np.random.default_rng(seed)
    user = np.append(rng.integers(0, N_USERS, 60), [-1, N_USERS + 5])
    now_s = rng.choice(np.append(side.time_s, [0, 10**9]), len(user))
    windows = index.windows(torch.from_numpy(user), torch.from_numpy(now_s))
    for query in range(len(user)):
        mine = np.flatnonzero((side.user_row == user[query]) & (side.time_s < now_s[query]))
        newest = mine[::-1][:3]
        assert windows.present[query].sum() == len(newest)
        for name, column in (("kind", side.kind), ("row", side.row), ("time_s", side.time_s)):
            found = getattr(windows, name)[query, : len(newest)]
            assert found.tolist() == column[newest].tolist()
        for context in (0, 1):
            moment_s = side.context_time_s[side.context_row == context]
            age_s = now_s[query] - moment_s
            assert windows.holds[query, context] == ((age_s > 0) & (age_s <= 3600)).any()


def test_a_log_without_events_shows_none():
    none = a_side_log().take(np.empty(0, np.int64))
    none = replace(none, context_time_s=none.time_s, context_row=none.time_s)
    windows = SideIndex(none, SETTINGS, CPU).windows(torch.arange(4), torch.full((4,), 5000))
    assert not windows.present.any()
    assert not windows.holds.any()


def test_events_of_one_second_keep_their_order():
    side = a_side_log().take(np.empty(0, np.int64))
    for row in (3, 0, 2):
        side = planted(side, 2000, 1, 0, row)
    windows = SideIndex(side, SETTINGS, CPU).windows(torch.tensor([1]), torch.tensor([2001]))
    assert windows.row.tolist() == [[2, 0, 3]]


def test_a_context_holds_from_the_second_after_its_event_for_as_long_as_is_said():
    none = np.empty(0, np.int64)
    side = SideLog(SIDE_NODES, *[none] * 4, np.array([1000, 9000]), np.array([1, 0]))
    now_s = torch.tensor([1000, 1001, 1000 + 3600, 1001 + 3600, 9001])
    windows = SideIndex(side, SETTINGS, CPU).windows(torch.full((5,), -1), now_s)
    assert windows.holds[:, 1].tolist() == [False, True, True, False, False]
    assert windows.holds[:, 0].tolist() == [False, False, False, False, True]


def test_the_order_of_arrival_changes_nothing():
    side = a_side_log(3)
    # Of each user and second one, as others keep the order of their arrival.
    _, first = np.unique(side.user_row * 10**9 + side.time_s, return_index=True)
    side = side.take(np.sort(first))
    user = torch.arange(N_USERS).repeat(30)
    now_s = torch.from_numpy(np.random.default_rng(0).choice(side.time_s, len(user)))
    expected = SideIndex(side, SETTINGS, CPU).windows(user, now_s)
    none = side.take(np.empty(0, np.int64))
    none = replace(none, context_time_s=none.time_s, context_row=none.time_s)
    index = SideIndex(none, SETTINGS, CPU)
    order = np.random.default_rng(1).permutation(len(side))
    for at in range(0, len(side), 7):
        part = side.take(np.sort(order[at : at + 7]))
        index.absorb(replace(part, context_time_s=none.time_s, context_row=none.time_s))
    for moment in np.random.default_rng(2).permutation(len(side.context_time_s)):
        which = slice(moment, moment + 1)
        context = side.context_time_s[which], side.context_row[which]
        index.absorb(replace(none, context_time_s=context[0], context_row=context[1]))
    assert_same(index.windows(user, now_s), expected)


@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize("seed", range(2))
def test_a_side_event_of_a_second_changes_nothing_up_to_it(seed, layers):
    network, log, side = a_network(readout_layers=layers, **TOLD), a_log(seed), a_side_log()
    before = scores_from_index(network, log, np.arange(len(log)))
    n_moved = 0
    for event in range(0, len(log), 19):
        time_s, user = int(log.time_s[event]), int(log.user_row[event])
        asked = np.flatnonzero(log.time_s <= time_s)
        for more in (planted(side, time_s, user, 0, 1), said_to_hold(side, time_s, 1)):
            after = scores_from_index(network, log, asked, side=more)
            torch.testing.assert_close(after, before[: len(asked)], **CLOSE)
        mine = np.flatnonzero((log.time_s > time_s) & (log.user_row == user))[:1]
        if len(mine):
            early = side.take(side.time_s <= time_s)
            kept = scores_from_index(network, log, mine, side=early)
            moved = scores_from_index(network, log, mine, side=planted(early, time_s, user, 0, 1))
            assert not torch.allclose(moved, kept)
            n_moved += 1
        others = np.flatnonzero(log.user_row != user)
        of_others = scores_from_index(network, log, others, side=planted(side, time_s, user, 1, 3))
        torch.testing.assert_close(of_others, before[others], **CLOSE)
    assert n_moved


def test_a_context_that_holds_changes_scores_as_long_as_it_does():
    network, log = a_network(**TOLD), a_log(1)
    none = np.empty(0, np.int64)
    side = replace(a_side_log(), context_time_s=none, context_row=none)
    time_s = int(log.time_s[20])
    before = scores_from_index(network, log, np.arange(len(log)), side=side)
    after = scores_from_index(network, log, np.arange(len(log)), side=said_to_hold(side, time_s, 0))
    held = (log.time_s > time_s) & (log.time_s <= time_s + 3600)
    assert 0 < held.sum() < len(log)
    moved = (after - before).abs().amax(1) > 1e-3
    assert moved.tolist() == held.tolist()


@pytest.mark.parametrize("more", [{}, {"readout_layers": 0}, {"state_layers": 1}])
def test_a_network_starts_as_one_that_is_told_nothing(more):
    log = a_log(2)
    told, plain = (
        TemporalNetwork(
            NetworkSettings.model_validate(SMALL | more | beside), some_content(), side=SIDE_NODES
        )
        for beside in (TOLD, {})
    )
    scores = [scores_from_index(network, log, np.arange(len(log))) for network in (told, plain)]
    torch.testing.assert_close(*scores, **CLOSE)


@pytest.mark.parametrize("content", [True, False])
def test_every_part_is_learnt(content):
    log = a_log(3)
    known = some_content() if content else some_content().nothing(N_ITEMS)
    network = TemporalNetwork(SETTINGS, known, side=SIDE_NODES, seed=2)
    before = {name: value.clone() for name, value in network.named_parameters()}
    index = EventIndex(log, network.scale_s, CPU, side_index_of(network))
    settings = TrainingSettings(batch_size=20, weight_decay=0.0, warmup_steps=0)
    trainer = Trainer(network, index, torch.arange(len(log)), settings)
    for _ in range(2):
        trainer.run_epoch()
    mine = [n for n in before if n.startswith(("side.", "contexts.")) and before[n].numel()]
    after = dict(network.named_parameters())
    assert [name for name in mine if torch.equal(before[name], after[name])] == []
    assert ("side.keyword" in mine) != content


def test_a_search_points_at_the_items_that_bear_the_keyword():
    network, log = TemporalNetwork(SETTINGS, some_content(), side=SIDE_NODES).eval(), a_log(1)
    time_s, user = int(log.time_s[-1]) + 9, 2
    side = planted(a_side_log().take(np.empty(0, np.int64)), time_s - 1, user, 0, 3)
    with torch.no_grad():
        network.side.pointer.bias.fill_(0.5)
        later = replace(log, time_s=np.append(log.time_s[:-1], time_s))
        later.user_row[-1] = user
        asked = np.array([len(log) - 1])
        none = side.take(np.empty(0, np.int64))
        gained = scores_from_index(network, later, asked, side=side) - scores_from_index(
            network, later, asked, side=none
        )
        keyword = functional.normalize(network.content.name_vectors(), dim=-1)[2 + 3]
        expected = 0.5 * network.log_scale.exp() * (network.codes() @ keyword)
    torch.testing.assert_close(gained[0], expected, **CLOSE)
    # Items 3, 5 and 8 bear keyword 3 of two publishers and four keywords.
    assert set(gained[0].topk(3).indices.tolist()) == {3, 5, 8}


def test_nodes_that_are_not_known_are_not_read():
    network, log = a_network(**TOLD), a_log(1)
    start_s = int(log.time_s[0])
    # They fill places of the window behind a known one, which hold nothing then.
    unknown = known = a_side_log().take(np.empty(0, np.int64))
    for user in range(N_USERS):
        for kind, row in ((0, 4), (1, N_ITEMS), (2, 2)):
            unknown = planted(unknown, start_s - 5, user, kind, row)
        unknown, known = (planted(side, start_s - 1, user, 0, 1) for side in (unknown, known))
    position = np.arange(len(log))
    scores = [scores_from_index(network, log, position, side=side) for side in (unknown, known)]
    torch.testing.assert_close(*scores, **CLOSE)


def test_weights_are_kept_with_what_the_events_may_be():
    network, log = a_network(**TOLD), a_log(5)
    arrays = arrays_of_network(network)
    again = network_of_arrays(arrays, network.settings, 0, 0, network.side_nodes)
    position = np.arange(len(log))
    expected = scores_from_index(network, log, position)
    torch.testing.assert_close(scores_from_index(again, log, position), expected)
    with pytest.raises(SettingsError, match="side_events 3 — no kind of side event"):
        network_of_arrays(arrays, network.settings, 0, 0)
    fewer = replace(SIDE_NODES, kinds=SIDE_NODES.kinds[:2])
    with pytest.raises(SnapshotError, match=r"side\.kind"):
        network_of_arrays(arrays, network.settings, 0, 0, fewer)


def test_a_source_without_the_events_that_its_network_reads_is_refused():
    network = a_network(**TOLD)
    with pytest.raises(SettingsError, match="reads side events or contexts and was given none"):
        TemporalNetworkSource(trained=network)
    other = replace(a_side_log(), nodes=replace(SIDE_NODES, kinds=SIDE_NODES.kinds[::-1]))
    with pytest.raises(SettingsError, match="trained with side events search, report, follow"):
        TemporalNetworkSource(trained=network, side=other)
    queries = queries_at(a_log(0), np.array([30]), np.array([30]))
    source = TemporalNetworkSource(trained=network, side=a_side_log())
    source.fit(a_log(0), 10**9)
    assert source.score(queries).shape == (1, N_ITEMS)
    with pytest.raises(DataError, match="side events of kinds follow, report, search"):
        source.absorb_side(other)


def test_side_events_that_arrive_later_are_those_known_at_first():
    network, log, side = a_network(**TOLD), a_log(0), a_side_log()
    early = side.time_s < side.time_s[100]
    at_once = TemporalNetworkSource(trained=network, side=side)
    later = TemporalNetworkSource(trained=network, side=side.take(early))
    plain = TemporalNetworkSource(trained=a_network(), side=side)
    for source in (at_once, later, plain):
        source.fit(log, 10**9)
    queries = replace(
        queries_at(log, np.arange(len(log)), np.full(len(log), len(log))),
        time_s=np.full(len(log), int(side.time_s[-1]) + 1),
    )
    assert not np.allclose(later.score(queries), at_once.score(queries))
    none = np.empty(0, np.int64)
    later.absorb_side(replace(side.take(~early), context_time_s=none, context_row=none))
    np.testing.assert_allclose(later.score(queries), at_once.score(queries), **CLOSE)
    plain.absorb_side(side)


def test_a_source_trains_with_side_events():
    log, side = a_log(0), a_side_log()
    source = TemporalNetworkSource(SETTINGS, TrainingSettings(epochs=2, batch_size=20), side=side)
    source.fit(log, int(log.time_s[-1]) + 1)
    assert bool(source.network.side.pointer.weight.any())


def test_a_network_that_is_asked_without_them_says_so():
    network, log = a_network(**TOLD), a_log(0)
    index = EventIndex(log, network.scale_s, CPU)
    bound = torch.tensor([30])
    windows = index.windows(index.user[bound], bound, index.time_s[bound], 8)
    with pytest.raises(SettingsError, match="asked without any"):
        network(windows, index.history(bound))


@pytest.mark.parametrize("wrong", [{"side_events": 3}, {"context_hours": 1.0}])
def test_side_events_need_times(wrong):
    with pytest.raises(ValueError, match="without times"):
        NetworkSettings(times=False, popularity_scales_hours=(), memory_dim=0, **wrong)


def test_a_log_that_is_not_in_order_or_has_unknown_kinds_is_refused():
    side = a_side_log()
    with pytest.raises(DataError, match="side events are not sorted"):
        replace(side, time_s=side.time_s[::-1])
    with pytest.raises(DataError, match="context events are not sorted"):
        replace(side, context_time_s=side.context_time_s[::-1])
    with pytest.raises(DataError, match="kinds of side events from 0 to 2 — there are 1"):
        replace(side, nodes=replace(SIDE_NODES, kinds=(SideKind("search", "keyword"),)))
