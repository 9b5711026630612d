"""Single queries are answered with NumPy as the network answers them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from graphrec.events.history import HistoryIndex
from graphrec.stages import Queries
from graphrec.tgn.content import NodeContent
from graphrec.tgn.layers_at_rest import AttentionAtRest, array_of
from graphrec.tgn.network_at_rest import NetworkAtRest
from graphrec.tgn.query_vectors import QueryVectors
from graphrec.tgn.query_windows import windows_of_queries
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.temporal_state import TemporalState
from tests.tgn.logs import CPU, N_ITEMS, N_USERS, a_log, a_network, a_side_log
from tests.tgn.test_parity import NETWORKS

CLOSE = {"rtol": 1e-5, "atol": 2e-5}
MORE = {
    "two layers": {"readout_layers": 2},
    "taste alone": {"identity_path": False},
    "pointers alone": {"taste": False},
    "many tokens": {"tokens": 8, "memory_events": 3},
    "users": {"user_identities": True},
}
UNREADABLE = ("event states", "side events", "side events alone")
READABLE = {name: it for name, it in (NETWORKS | MORE).items() if name not in UNREADABLE}


def everyone(log, time_s):
    """Every user, one who has done nothing among them, and a session that nobody owns."""
    known = HistoryIndex(log).queries(
        np.arange(N_USERS, dtype=np.int32), np.full(N_USERS, time_s, np.int64)
    )
    session = Queries.of_sessions([np.array([3, 1, 3], np.int32)], time_s)
    return Queries(
        *(
            np.concatenate([getattr(known, name), getattr(session, name)])
            for name in ("user_row", "time_s")
        ),
        np.append(known.history_ptr, known.history_ptr[-1] + 3),
        *(
            np.concatenate([getattr(known, name), getattr(session, name)])
            for name in ("history_item", "history_time_s", "history_weight")
        ),
    )


def a_readable_network(**settings):
    network = a_network(**settings)
    if network.settings.user_identities:
        drawn = torch.randn(N_USERS - 1, 16, generator=torch.Generator().manual_seed(8))
        network.user = nn.Parameter(drawn)
    return network


@pytest.mark.parametrize("settings", READABLE.values(), ids=READABLE.keys())
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_vectors_of_single_queries_are_the_networks(settings, seed):
    log = a_log(seed)
    network = a_readable_network(**settings)
    state = TemporalState(network, CPU)
    state.absorb(log)
    queries = everyone(log, int(log.time_s[-1]) + 700)
    windows = windows_of_queries(queries, network.settings, CPU)
    code = network.codes()
    assert NetworkAtRest.is_readable(network)
    at_rest = NetworkAtRest(network, code)
    expected = network.query_vectors(windows, state, code)
    for query in range(len(queries)):
        vectors = at_rest.query_vectors(queries, query, state)
        for name in QueryVectors._fields:
            whole, single = getattr(expected, name), getattr(vectors, name)
            assert (whole is None) == (single is None)
            if name == "past" and whole is not None:
                assert torch.equal(single.item, whole.item[query : query + 1])
                whole, single = whole.weight, single.weight
            if whole is not None:
                torch.testing.assert_close(single, whole[query : query + 1], **CLOSE)


@torch.no_grad()
def test_the_last_user_of_an_item_is_told_apart():
    log = a_log(3)
    network = a_network()
    state = TemporalState(network, CPU)
    state.absorb(log)
    queries = everyone(log, int(log.time_s[-1]) + 1)
    last = int(log.user_row[-1])
    nobody = replace(queries, user_row=np.full(len(queries), -1, np.int32))
    at_rest = NetworkAtRest(network, network.codes())
    known, unknown = (at_rest.query_vectors(of, last, state).code for of in (queries, nobody))
    assert not known.allclose(unknown)


def test_networks_with_parts_that_are_unknown_are_left_to_torch():
    assert not any(NetworkAtRest.is_readable(a_network(**NETWORKS[name])) for name in UNREADABLE)
    with_part, with_weight, deeper = a_network(), a_network(), a_network()
    with_part.extra = nn.Linear(2, 2)
    with_weight.readout.extra = nn.Parameter(torch.zeros(2))
    deeper.readout.extra = nn.Linear(2, 2)
    for network in (with_part, with_weight, deeper):
        assert not NetworkAtRest.is_readable(network)


def test_weights_are_read_where_they_lie():
    layer = a_network().readout.layers[0]
    at_rest = AttentionAtRest(layer, 2)
    token = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.project.weight.mul_(1.5)
        expected = layer(token[None], torch.ones(1, 1, 5, 5, dtype=torch.bool))[0]
    np.testing.assert_allclose(at_rest(array_of(token)), expected.numpy(), rtol=1e-5, atol=1e-5)


def one_by_one(source, queries):
    singly = [
        Queries(
            queries.user_row[at : at + 1],
            queries.time_s[at : at + 1],
            queries.history_ptr[at : at + 2] - queries.history_ptr[at],
            queries.history_item[queries.history(at)],
            queries.history_time_s[queries.history(at)],
            queries.history_weight[queries.history(at)],
        )
        for at in range(len(queries))
    ]
    return np.concatenate([source.score(query) for query in singly])


def a_source(log, **settings):
    network = a_network(**settings)
    told = a_side_log() if network.settings.is_told_more else None
    source = TemporalNetworkSource(trained=network, side=told)
    source.fit(log, int(log.time_s[-1]) + 1)
    return source


@pytest.mark.parametrize("settings", NETWORKS.values(), ids=NETWORKS.keys())
def test_scores_of_queries_alone_are_those_of_all_together(settings):
    log = a_log(6)
    source = a_source(log, **settings)
    queries = everyone(log, int(log.time_s[-1]) + 60)
    np.testing.assert_allclose(one_by_one(source, queries), source.score(queries), **CLOSE)
    few = everyone(log, int(log.time_s[-1]) + 60)
    np.testing.assert_allclose(
        np.concatenate([source.user_vectors(query) for query in parts_of(few, 3)]),
        source.user_vectors(few),
        **CLOSE,
    )


def parts_of(queries, size):
    from graphrec.tgn.held_out import part_of

    return [part_of(queries, first, first + size) for first in range(0, len(queries), size)]


@pytest.mark.parametrize("grow", ["add_items", "absorb"])
def test_what_is_kept_follows_new_items(grow):
    log = a_log(2)
    source = a_source(log)
    now_s = int(log.time_s[-1]) + 60
    before = one_by_one(source, everyone(log, now_s))
    if grow == "add_items":
        source.add_items(NodeContent.nothing(2))
    else:
        new = replace(
            log.take(slice(0, 1)),
            time_s=np.array([now_s - 1]),
            item_row=np.array([N_ITEMS + 1], np.int32),
            n_items=N_ITEMS + 2,
        )
        source.absorb(new)
        log = replace(log, n_items=N_ITEMS + 2)
    queries = everyone(log, now_s)
    after = one_by_one(source, queries)
    assert before.shape[1] == N_ITEMS
    assert after.shape[1] == N_ITEMS + 2
    np.testing.assert_allclose(after, source.score(queries), **CLOSE)


def test_what_is_kept_follows_other_weights():
    log = a_log(2)
    source = a_source(log)
    queries = everyone(log, int(log.time_s[-1]) + 60)
    before = one_by_one(source, queries)
    with torch.no_grad():
        for parameter in source.network.parameters():
            parameter.mul_(0.8)
            parameter.add_(0.05)
    source._forget_caches()
    after = one_by_one(source, queries)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, source.score(queries), **CLOSE)
    code = source.network.codes()
    torch.testing.assert_close(
        source._fitted.message, source.network.memory.item_messages(code), **CLOSE
    )


@torch.no_grad()
def test_scores_of_all_items_are_those_of_each():
    log = a_log(1)
    network = a_network()
    state = TemporalState(network, CPU)
    state.absorb(log)
    # So late that exponents of short scales are cut.
    for wait_s in (1, 3_600, 10**8):
        queries = everyone(log, int(log.time_s[-1]) + wait_s)
        windows = windows_of_queries(queries, network.settings, CPU)
        every = torch.arange(N_ITEMS).expand(len(queries), -1)
        of_all = network(windows, state)
        torch.testing.assert_close(of_all, network(windows, state, every[0]), **CLOSE)
        code = network.codes()
        vectors = network.query_vectors(windows, state, code)
        each = network.scores(vectors, windows, state, code, every)
        torch.testing.assert_close(of_all, each, **CLOSE)
