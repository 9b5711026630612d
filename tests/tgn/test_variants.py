"""Models that the network becomes by settings alone: each learns, and each lacks what it should."""

import numpy as np
import pytest
import torch

from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import NetworkSettings, TrainingSettings
from graphrec.tgn.training import Trainer
from graphrec.tgn.variants import VARIANTS, variant
from graphrec.tgn.weights import arrays_of_network, network_of_arrays
from tests.tgn.logs import CPU, N_ITEMS, N_USERS, SMALL, a_log
from tests.tgn.test_parity import scores_from_index

SETTINGS = NetworkSettings.model_validate(
    SMALL
    | {
        "window": 16,
        "tokens": 16,
        "memory_dim": 32,
        "identity_size": 0.1,
        "neighbours": {"visits": 8},
    }
)


def trained(name, log, epochs=8):
    network = TemporalNetwork(
        variant(name, SETTINGS), NodeContent.nothing(N_ITEMS), n_users=N_USERS, seed=3
    )
    index = EventIndex(log, network.scale_s, CPU)
    settings = TrainingSettings(epochs=epochs, batch_size=30, warmup_steps=1, learning_rate=0.02)
    trainer = Trainer(network, index, torch.arange(len(log)), settings)
    losses = [trainer.run_epoch()[0] for _ in range(epochs)]
    return network.eval(), losses


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(name):
    _, losses = trained(name, a_log(1))
    assert losses[-1] < losses[0] - 0.05


def test_matrix_factorisation_sees_users_and_nothing_of_their_histories():
    log = a_log(1)
    network, _ = trained("matrix_factorisation", log)
    score = scores_from_index(network, log, np.arange(len(log)))
    for user in range(N_USERS - 1):
        mine = score[log.user_row == user]
        torch.testing.assert_close(mine, mine[:1].expand_as(mine))
    assert not torch.allclose(score[log.user_row == 0][0], score[log.user_row == 1][0])


def test_a_user_who_was_not_in_training_has_no_vector():
    log = a_log(1)
    network, _ = trained("matrix_factorisation", log)
    stranger = log.take(slice(0, 1))
    stranger.user_row[:] = 0
    known = scores_from_index(network, stranger, np.arange(1))
    network.user = torch.nn.Parameter(network.user[:0])
    unknown = scores_from_index(network, stranger, np.arange(1))
    torch.testing.assert_close(unknown[0], network.bias.detach())
    assert not torch.allclose(known, unknown)


def test_weights_of_users_are_kept():
    network, _ = trained("matrix_factorisation", a_log(1), epochs=1)
    again = network_of_arrays(arrays_of_network(network), network.settings, 0, 0)
    assert torch.equal(again.user, network.user)
