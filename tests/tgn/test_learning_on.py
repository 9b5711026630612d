"""Weights follow a stream: they change with what happened, and with nothing that did not yet."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from graphrec.errors import SettingsError
from graphrec.events.history import HistoryIndex
from graphrec.stages import Interactions
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions, figures_of_ranks, held_out_ranks
from graphrec.tgn.learning_on import LearningOn, StreamFollower, ranks_learning_on
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.ranking import target_ranks
from graphrec.tgn.settings import LearningOnSettings, NetworkSettings, TrainingSettings
from graphrec.tgn.source import TemporalNetworkSource
from graphrec.tgn.training import Trainer, train_network
from tests.tgn.logs import CPU, SMALL

N_ITEMS = 12
LEARN_ON = LearningOnSettings(every_events=60, passes=3, batch_size=32, learning_rate=0.01)


def a_turning_log(n_users=40, length=24, turn=12):
    """Users walk round a circle of items one after the other; from `turn` on the other way."""
    rng = np.random.default_rng(0)
    place = np.arange(length)
    step = np.where(place < turn, place, 2 * turn - 1 - place)
    item = (rng.integers(0, N_ITEMS, n_users)[:, None] + step) % N_ITEMS
    time_s = 1000 * place + np.arange(n_users)[:, None]
    order = np.argsort(time_s.ravel())
    user = np.repeat(np.arange(n_users), length)
    return Interactions(
        time_s.ravel()[order].astype(np.int64),
        user[order].astype(np.int32),
        item.ravel()[order].astype(np.int32),
        np.ones(n_users * length, np.float32),
        n_users,
        N_ITEMS,
    )


def trained_on(log, n_training, *, learn_on=LEARN_ON, **network):
    settings = NetworkSettings.model_validate(SMALL | network)
    made = TemporalNetwork(settings, NodeContent.nothing(N_ITEMS), seed=1)
    training = TrainingSettings(
        epochs=4, batch_size=64, learning_rate=0.01, warmup_steps=5, learn_on=learn_on
    )
    index = EventIndex(log, made.scale_s, CPU)
    train_network(
        Trainer(made, index, torch.arange(n_training), training), None, lambda epoch: None
    )
    return made, training, index


def held_out_of(index, first):
    rest = torch.arange(first, index.n_events)
    return HeldOutPositions(index, rest, torch.full((len(rest), 1), -1))


def weights_after(network, training, index, end, n_training):
    network = copy.deepcopy(network)
    torch.manual_seed(0)
    LearningOn(network, training, LEARN_ON, n_training).learn_until(end, index)
    return network.state_dict()


def test_a_network_that_learns_on_follows_a_log_that_turns():
    log = a_turning_log()
    n_training = len(log) // 2
    network, training, index = trained_on(log, n_training)
    rest = held_out_of(index, n_training)
    fixed = figures_of_ranks(held_out_ranks(network, rest))["mrr"]
    learner = LearningOn(network, training, LEARN_ON, n_training)
    following = figures_of_ranks(ranks_learning_on(network, rest, learner, index))["mrr"]
    assert following > fixed + 0.15


@pytest.mark.parametrize("memory", [0, 8])
def test_nothing_from_the_bound_on_changes_what_is_learnt(memory):
    log = a_turning_log()
    n_training, end = 480, 600
    network, training, index = trained_on(log, n_training, memory_dim=memory)
    item = log.item_row.copy()
    item[end:] = (item[end:] + 5) % N_ITEMS
    other = EventIndex(replace(log, item_row=item), network.scale_s, CPU)
    one = weights_after(network, training, index, end, n_training)
    two = weights_after(network, training, other, end, n_training)
    before = network.state_dict()
    assert any(not torch.equal(one[name], before[name]) for name in one)
    assert all(torch.equal(one[name], two[name]) for name in one)
    item[end - 1] = (item[end - 1] + 5) % N_ITEMS
    changed = EventIndex(replace(log, item_row=item), network.scale_s, CPU)
    three = weights_after(network, training, changed, end, n_training)
    assert any(not torch.equal(one[name], three[name]) for name in one)


def test_old_events_are_replayed_among_new_ones(monkeypatch):
    log = a_turning_log()
    network, training, index = trained_on(log, 480)
    learnt = []
    learner = LearningOn(network, training, LEARN_ON, 480)
    monkeypatch.setattr(Trainer, "learn", lambda trainer, position: learnt.append(position))
    assert learner.learn_until(540, index)
    assert not learner.learn_until(540, index)
    position = learnt[0]
    assert len(learnt) == 1
    assert torch.bincount(position, minlength=540)[480:].tolist() == [3] * 60
    assert int((position < 480).sum()) == 180


def test_a_source_that_absorbs_learns_what_training_mode_learns():
    log = a_turning_log()
    n_training = 480
    network, training, index = trained_on(log, n_training, memory_dim=8)
    source = TemporalNetworkSource(training=training, trained=copy.deepcopy(network))
    cut_s = int(log.time_s[n_training])
    source.fit(log.take(slice(0, n_training)), cut_s)
    history = HistoryIndex(log)
    asked = np.arange(n_training, n_training + 150)
    ranks = []
    for at in asked:
        one = np.array([at])
        query = history.queries(log.user_row[one], log.time_s[one], one)
        score = torch.from_numpy(source.score(query))
        target = torch.from_numpy(log.item_row[one].astype(np.int64))
        ranks.append(target_ranks(score, target, torch.full((1, 1), -1)))
        source.absorb(log.take(one))
    learner = LearningOn(network, training, LEARN_ON, n_training)
    rest = HeldOutPositions(index, torch.from_numpy(asked), torch.full((len(asked), 1), -1))
    expected = ranks_learning_on(network, rest, learner, index)
    assert torch.equal(torch.cat(ranks).double().cpu(), expected)
    for name, weights in network.state_dict().items():
        torch.testing.assert_close(source.network.state_dict()[name], weights, msg=name)


def test_fitting_again_starts_from_the_trained_weights():
    log = a_turning_log()
    network, training, _ = trained_on(log, 480)
    source = TemporalNetworkSource(training=training, trained=network)
    before = copy.deepcopy(network.state_dict())
    for _ in range(2):
        source.fit(log.take(slice(0, 480)), int(log.time_s[480]))
        for name, weights in source.network.state_dict().items():
            assert torch.equal(weights, before[name]), name
        source.absorb(log.take(slice(480, 600)))
        assert any(
            not torch.equal(weights, before[name])
            for name, weights in source.network.state_dict().items()
        )


def test_late_events_and_new_items_are_learnt_too():
    log = a_turning_log()
    network, training, _ = trained_on(log, 480)
    follower = StreamFollower(
        network,
        training,
        LEARN_ON,
        log.take(slice(0, 480)),
        480,
    )

    def index_of(log, network):
        return EventIndex(log, network.scale_s, CPU)

    assert not follower.add(log.take(slice(485, 520)), index_of)
    assert follower.add(log.take(np.r_[480:485, 520:560]), index_of)
    network.grow(N_ITEMS + 1)
    more = log.take(slice(560, 620))
    item = more.item_row.copy()
    item[-1] = N_ITEMS
    assert follower.add(replace(more, item_row=item, n_items=N_ITEMS + 1), index_of)
    assert float(network.bias.detach()[N_ITEMS]) != 0


def test_items_that_are_announced_before_they_happen_do_not_break_learning_on():
    log = a_turning_log()
    network, training, _ = trained_on(log, 480)
    source = TemporalNetworkSource(training=training, trained=network)
    source.fit(log.take(slice(0, 480)), int(log.time_s[480]))
    source.add_items(NodeContent.nothing(2))
    source.absorb(replace(log.take(slice(480, 560)), n_items=N_ITEMS + 2))
    assert not source.network.training


def test_what_came_between_training_and_fitting_is_learnt_first(monkeypatch):
    log = a_turning_log()
    network, training, _ = trained_on(log, 480)
    source = TemporalNetworkSource(
        training=training, trained=network, trained_until_s=int(log.time_s[480])
    )
    source.fit(log.take(slice(0, 700)), int(log.time_s[700]))
    learnt = []
    monkeypatch.setattr(Trainer, "learn", lambda trainer, position: learnt.append(position))
    source.absorb(log.take(slice(700, 701)))
    assert set(range(480, 701)) <= set(learnt[0].tolist())


def test_learning_on_draws_from_its_own_seed():
    log = a_turning_log()
    network, training, index = trained_on(log, 480, dropout=0.2)
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        ours = copy.deepcopy(network)
        LearningOn(ours, training, LEARN_ON, 480).learn_until(600, index)
        ends.append(ours.state_dict())
        assert torch.initial_seed() == seed
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_learning_on_that_diverges_is_told_and_leaves_the_network_at_rest():
    log = a_turning_log()
    network, training, index = trained_on(log, 480)
    with torch.no_grad():
        network.bias[0] = float("inf")
    with pytest.raises(SettingsError, match=r"lower learn_on\.learning_rate 0\.01"):
        LearningOn(network, training, LEARN_ON, 480).learn_until(600, index)
    assert not network.training
