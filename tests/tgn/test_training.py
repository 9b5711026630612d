"""Training lowers the loss, learns what there is to learn, and keeps the best weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphrec.errors import SettingsError
from graphrec.stages import Interactions
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions, figures_of_ranks, held_out_ranks
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import LossSettings, NetworkSettings, TrainingSettings
from graphrec.tgn.training import Trainer, train_network
from tests.tgn.logs import CPU, SMALL

N_ITEMS = 12
NOTHING = torch.full((0, 1), -1)


def chains(n_users=60, length=14, seed=0):
    """Users who walk around a circle of items, from anywhere; the next item is always the next."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, N_ITEMS, n_users)
    item = (first[:, None] + np.arange(length)) % N_ITEMS
    time_s = rng.integers(0, 50, n_users)[:, None] + 100 * np.arange(1, length + 1)
    user = np.repeat(np.arange(n_users), length)
    order = np.argsort(time_s.ravel(), kind="stable")
    return Interactions(
        time_s.ravel()[order].astype(np.int64),
        user[order].astype(np.int32),
        item.ravel()[order].astype(np.int32),
        np.ones(n_users * length, np.float32),
        n_users,
        N_ITEMS,
    )


def trained(log, *, n_training, training, held_out=True, **network):
    made = TemporalNetwork(
        NetworkSettings.model_validate(SMALL | network), NodeContent.nothing(N_ITEMS), seed=1
    )
    index = EventIndex(log, made.scale_s, CPU)
    settings = TrainingSettings.model_validate(
        {"batch_size": 64, "epochs": 8, "learning_rate": 0.01, "warmup_steps": 5} | training
    )
    rest = torch.arange(n_training, len(log))
    judge = HeldOutPositions(index, rest, torch.full((len(rest), 1), -1))
    trainer = Trainer(made, index, torch.arange(n_training), settings)
    epochs = train_network(trainer, judge if held_out else None, lambda epoch: None)
    return made, epochs, figures_of_ranks(held_out_ranks(made, judge))


@pytest.mark.parametrize(
    ("network", "training"),
    [
        ({}, {}),
        ({"state_layers": 1, "state_window": 4}, {"row_targets": 8}),
        ({"popularity_scales_hours": (), "repeats": False, "readout_layers": 0}, {}),
        ({}, {"loss": LossSettings(kind="sampled", n_uniform=8), "epochs": 12}),
    ],
    ids=["readout", "event states", "bare", "sampled"],
)
def test_the_next_item_of_a_circle_is_learnt(network, training):
    log = chains()
    _, epochs, figures = trained(log, n_training=600, training=training, **network)
    assert epochs[-1].loss < epochs[0].loss
    # Popularity finds one item in twelve first; whoever has understood the circle, all.
    assert figures["mrr"] > 0.9


def test_the_weights_of_the_best_epoch_are_kept():
    log = chains()
    _, epochs, figures = trained(log, n_training=600, training={"epochs": 6, "patience": 2})
    assert figures["mrr"] == pytest.approx(max(epoch.figures["mrr"] for epoch in epochs))


def test_patience_ends_training():
    log = chains(length=6)
    training = {"epochs": 50, "patience": 1, "learning_rate": 1.0, "max_gradient": 1e6}
    _, epochs, _ = trained(log, n_training=200, training=training)
    best = int(np.argmax([epoch.figures["mrr"] for epoch in epochs]))
    assert len(epochs) == best + 2 < 50


def test_equal_seeds_give_equal_weights_and_other_seeds_others():
    log = chains()
    made = [
        trained(log, n_training=600, training={"epochs": 1, "seed": seed})[0] for seed in (3, 3, 4)
    ]
    codes = [network.codes() for network in made]
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])


def test_events_that_are_no_target_have_no_weight():
    log = chains(n_users=8, length=10)
    made = TemporalNetwork(
        NetworkSettings.model_validate(SMALL | {"state_layers": 1, "state_window": 4}),
        NodeContent.nothing(N_ITEMS),
    )
    index = EventIndex(log, made.scale_s, CPU)
    target = torch.arange(0, len(log), 3)
    trainer = Trainer(made, index, target, TrainingSettings(batch_size=80, row_targets=8))
    trainer.run_epoch()
    assert float(trainer._weight_sum) == len(target)


def test_too_few_events_are_refused():
    log = chains()
    made = TemporalNetwork(NetworkSettings.model_validate(SMALL), NodeContent.nothing(N_ITEMS))
    index = EventIndex(log, made.scale_s, CPU)
    with pytest.raises(SettingsError, match="0 training events"):
        Trainer(made, index, torch.arange(0), TrainingSettings())
    with pytest.raises(SettingsError, match="row_targets 1024 needs at least as many"):
        Trainer(made, index, torch.arange(9), TrainingSettings(row_targets=1024))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of row_targets"):
        TrainingSettings(batch_size=100, row_targets=64)
    with pytest.raises(ValueError, match="multiples of heads"):
        NetworkSettings(hidden=30, heads=4)
    with pytest.raises(ValueError, match="at most window"):
        NetworkSettings(window=8, tokens=16)


@pytest.mark.parametrize("row_targets", [1, 8])
@pytest.mark.parametrize("kind", ["full", "sampled"])
def test_events_after_the_training_part_change_no_weight(kind, row_targets):
    log = chains(n_users=20, length=10)
    n_training = 120
    other = np.where(np.arange(len(log)) < n_training, log.item_row, (log.item_row + 5) % N_ITEMS)
    codes = []
    for item_row in (log.item_row, other.astype(np.int32)):
        made = TemporalNetwork(
            NetworkSettings.model_validate(SMALL | {"state_layers": 1, "state_window": 4}),
            NodeContent.nothing(N_ITEMS),
        )
        index = EventIndex(replace(log, item_row=item_row), made.scale_s, CPU)
        settings = TrainingSettings(
            batch_size=64,
            row_targets=row_targets,
            recency=2.0,
            loss=LossSettings(kind=kind, n_uniform=8),
        )
        Trainer(made, index, torch.arange(n_training), settings).run_epoch()
        codes.append(made.codes().detach())
    torch.testing.assert_close(codes[0], codes[1], rtol=0, atol=0)


def test_a_loss_without_negatives_is_refused():
    with pytest.raises(ValueError, match="a positive needs negatives"):
        LossSettings(kind="sampled", n_uniform=0, in_batch=False)


def test_identities_that_are_not_learnt_stay_as_drawn_and_the_rest_learns():
    log = chains()
    made, _, figures = trained(
        log, n_training=600, training={}, learn_identities=False, memory_dim=8
    )
    drawn = TemporalNetwork(made.settings, NodeContent.nothing(N_ITEMS), seed=1)
    assert torch.equal(made.identity, drawn.identity)
    assert not made.bias.any()
    assert figures["mrr"] > 0.6
    made.grow(N_ITEMS + 2)
    assert not made.identity.requires_grad
    assert not made.bias.requires_grad
