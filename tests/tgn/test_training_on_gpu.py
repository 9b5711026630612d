"""Every part of the loss and of content, recorded as a CUDA graph and compiled."""

import pytest
import torch

from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.negatives import GivenNegatives
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import LossSettings, TrainingSettings
from graphrec.tgn.training import Trainer
from tests.tgn.logs import N_ITEMS, a_log
from tests.tgn.test_content import KINDS, settings_of, some_content, some_features

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"),
]
SAMPLED = {"kind": "sampled", "n_uniform": 8, "n_past": 2, "n_recent": 2, "recent_events": 16}


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "graph and compiled"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["text"])
@pytest.mark.parametrize("loss", [SAMPLED, {"kind": "full"}], ids=["sampled", "full"])
def test_a_recorded_step_learns(compiled, kind, loss):
    device = torch.device("cuda")
    log = a_log(3, n_events=600)
    content = some_content(features=some_features())
    network = TemporalNetwork(settings_of(**kind), content, seed=1).to(device)
    index = EventIndex(log, network.scale_s, device)
    target = torch.arange(500, device=device)
    position = torch.arange(0, 500, 3)
    given = GivenNegatives(position, position % N_ITEMS, index)
    settings = TrainingSettings(
        batch_size=25,
        epochs=4,
        warmup_steps=0,
        compiled=compiled,
        loss=LossSettings.model_validate(loss | {"smoothness": 0.1, "smoothness_pairs": 32}),
    )
    weight = 1 + torch.arange(600) % 2
    trainer = Trainer(network, index, target, settings, weight=weight.float(), negatives=given)
    losses = [trainer.run_epoch()[0] for _ in range(4)]
    assert losses[-1] < losses[0]
    assert trainer._n_eager == 80
    assert all(bool(torch.isfinite(value).all()) for value in network.parameters())
