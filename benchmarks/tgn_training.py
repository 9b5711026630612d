"""Training events per second on tgbl-wiki: the whole temporal network, and PyG's modules for a TGN.

Both predict the training part (110,232 edits) in the same process, an epoch at a time; ours with
memory, popularity, identity path and repeats, bfloat16, its step recorded as a CUDA graph, and
compiled. The peer is what PyG's documentation builds from `TGNMemory`, `LastNeighborLoader` and
`TransformerConv`: one layer, 10 neighbours, batch 200, one random negative an event. Beside the
speeds stands the time an epoch would need by bytes and operations alone. Run:
`python -m benchmarks.tgn_training`.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.walk_world import report
from graphrec.evaluation.cuts import Cuts
from graphrec.evaluation.stream import same_second_lists
from graphrec.events.readers import read_dataset
from graphrec.stages import Interactions
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions, held_out_ranks
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.ranking import mean_reciprocal_rank
from graphrec.tgn.settings import MemoryPart, NetworkSettings, TrainingSettings
from graphrec.tgn.training import Trainer

EPOCHS = 3
RATES = {200: 1e-3, 2048: 2e-3, 4096: 3e-3, 8192: 6e-3}
"""Highest learning rate by batch size."""
NETWORK = NetworkSettings(
    memory_dim=16,
    memory_parts=(MemoryPart(user_hours=24, item_hours=720, user_places=4),),
)
NOMINAL_FLOPS, NOMINAL_BYTES = 790e12, 3.0e12
"""Measured on the card: bf16 matrix products, and bytes read plus written by a copy."""


def ours(events: Interactions, borders: tuple[int, int, int], batch: int, compiled: bool):
    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats()
    settings = NETWORK
    network = TemporalNetwork(settings, NodeContent.nothing(events.n_items)).to(device)
    index = EventIndex(events, network.scale_s, device)
    training = TrainingSettings(
        batch_size=batch,
        compiled=compiled,
        epochs=EPOCHS,
        recency=1.0,
        learning_rate=RATES[batch],
        refresh_events=200_000,
    )
    n_training, n_known, n_all = borders
    trainer = Trainer(network, index, torch.arange(n_training, device=device), training)
    rates = [trainer.run_epoch()[1] for _ in range(EPOCHS)][1:]
    test = HeldOutPositions(
        index, torch.arange(n_known, n_all, device=device), same_second(events, n_known, n_all)
    )
    flops, moved = cost_of_an_event(settings, events.n_items, batch)
    floor_s = n_training * max(flops / NOMINAL_FLOPS, moved / NOMINAL_BYTES)
    rate = statistics.median(rates)
    return {
        "network": "graphrec, compiled" if compiled else "graphrec",
        "batch": batch,
        "events/s": rate,
        "best": max(rates),
        "epoch s": n_training / rate,
        "floor s": floor_s,
        "times floor": n_training / rate / floor_s,
        "test MRR": mean_reciprocal_rank(held_out_ranks(network, test)),
        "GB": torch.cuda.max_memory_allocated() / 1e9,
    }


def same_second(events: Interactions, first: int, last: int) -> torch.Tensor:
    """Other items that the user of each event has in the same second, -1 for none."""
    lists = same_second_lists(events.take(slice(first, last)))
    length = lists.stop - lists.start
    place = np.arange(max(1, length.max(initial=0)))
    at = np.minimum(lists.start[:, None] + place, max(0, len(lists.item) - 1))
    tied = np.where(place < length[:, None], lists.item[at] if len(lists.item) else -1, -1)
    return torch.from_numpy(tied.astype(np.int64)).to("cuda")


def cost_of_an_event(settings: NetworkSettings, n_items: int, batch: int) -> tuple[float, float]:
    """Operations and bytes of one event, forward and backward, each tensor moved once."""
    dim, hidden, tokens, window = (
        settings.dim,
        settings.hidden,
        settings.tokens + 1,
        settings.window,
    )
    layer = 12 * hidden * hidden + 2 * tokens * hidden
    readout = tokens * (4 * hidden * hidden + dim * hidden + settings.readout_layers * layer)
    products = readout + tokens * dim * dim + 2 * dim * max(128, dim // 2) + n_items * dim
    products += tokens * window * 8
    features = settings.n_scales + 3
    products += n_items * (features + settings.memory_dim)
    features += settings.memory_dim + len(settings.memory_parts)
    # Scores and their gradient in float32; the features of every item once, in float32.
    scores = n_items * (4 * 4 + 4 * features)
    windows = window * 8 * 4 + tokens * dim * 2 * 4
    weights = (n_items * dim * 4 * 8) / batch
    return 6.0 * products, float(scores + windows + weights)


class PyGNetwork(nn.Module):
    """Memory, one attention layer over ten neighbours, and a two-layer link predictor."""

    def __init__(self, n_nodes: int, device: torch.device) -> None:
        from torch_geometric.nn import TGNMemory, TransformerConv
        from torch_geometric.nn.models.tgn import (
            IdentityMessage,
            LastAggregator,
            LastNeighborLoader,
        )

        super().__init__()
        dim, message = 100, 1
        self.memory = TGNMemory(
            n_nodes,
            message,
            dim,
            dim,
            message_module=IdentityMessage(message, dim, dim),
            aggregator_module=LastAggregator(),
        )
        self.attend = TransformerConv(dim, dim // 2, heads=2, dropout=0.1, edge_dim=message + dim)
        self.predict = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        self.loader = LastNeighborLoader(n_nodes, size=10, device=device)
        self.place = torch.empty(n_nodes, dtype=torch.long, device=device)
        self.to(device)

    def scores(self, ends, times, messages):
        """Logits of the true and of the random edges."""
        source, target, negative = ends
        nodes, edges, events = self.loader(torch.cat([source, target, negative]).unique())
        self.place[nodes] = torch.arange(len(nodes), device=nodes.device)
        state, last = self.memory(nodes)
        elapsed = (last[edges[0]] - times[events]).to(state.dtype)
        attributes = torch.cat([self.memory.time_enc(elapsed), messages[events]], dim=-1)
        state = self.attend(state, edges, attributes)
        source_state = state[self.place[source]]
        return [
            self.predict(torch.cat([source_state, state[self.place[other]]], dim=-1))
            for other in (target, negative)
        ]


def with_pyg(events: Interactions, n_training: int, batch: int, epochs: int):
    device = torch.device("cuda")
    n_nodes = events.n_users + events.n_items
    network = PyGNetwork(n_nodes, device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    source = torch.from_numpy(events.user_row.astype(np.int64)).to(device)
    target = torch.from_numpy(events.item_row.astype(np.int64)).to(device) + events.n_users
    times = torch.from_numpy(events.time_s).to(device)
    messages = torch.zeros(len(events), 1, device=device)
    criterion = nn.BCEWithLogitsLoss()
    rates = []
    for _ in range(epochs + 1):
        network.train()
        network.memory.reset_state()
        network.loader.reset_state()
        torch.cuda.synchronize()
        started = time.perf_counter()
        for first in range(0, n_training, batch):
            part = slice(first, min(n_training, first + batch))
            negative = torch.randint(events.n_users, n_nodes, (part.stop - first,), device=device)
            optimizer.zero_grad()
            true, false = network.scores((source[part], target[part], negative), times, messages)
            loss = criterion(true, torch.ones_like(true)) + criterion(
                false, torch.zeros_like(false)
            )
            network.memory.update_state(source[part], target[part], times[part], messages[part])
            network.loader.insert(source[part], target[part])
            loss.backward()
            optimizer.step()
            network.memory.detach()
        torch.cuda.synchronize()
        rates.append(n_training / (time.perf_counter() - started))
    rate = statistics.median(rates[1:])
    return {
        "network": "PyG TGN",
        "batch": batch,
        "events/s": rate,
        "best": max(rates),
        "epoch s": n_training / rate,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tgbl-wiki"))
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA device")
    events = read_dataset(chosen.data).log.interactions()
    borders = Cuts.at_quantiles(events).positions(events)
    rows = [with_pyg(events, borders[0], 200, 1)]
    for batch, compiled in (
        (200, True),
        (2048, False),
        (2048, True),
        (4096, True),
        (8192, True),
    ):
        rows.append(ours(events, borders, batch, compiled))
        print(rows[-1], flush=True)
    pyg = rows[0]["events/s"]
    for row in rows:
        row["times PyG"] = row["events/s"] / pyg
        row["card"] = torch.cuda.get_device_name()
    report("tgn_training", rows)


if __name__ == "__main__":
    main()
