"""An epoch of the temporal network on simulated worlds of 1, 3 and 10 million events.

The worlds grow in users, items, publishers and keywords as they grow in events. The network has
memory, popularity, identity path and content; candidates are the batch's other items and uniform
ones. Run: `python -m benchmarks.tgn_scale`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.walk_world import report
from graphrec.events.world import WorldSettings, generate_world
from graphrec.experiment.trained import content_of
from graphrec.stages import Interactions
from graphrec.tgn.content import NodeContent
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import LossSettings, NetworkSettings, TrainingSettings
from graphrec.tgn.training import Trainer

LARGEST = {
    "n_events": 10_000_000,
    "n_users": 1_000_000,
    "n_items": 200_000,
    "n_publishers": 20_000,
    "n_keywords": 50_000,
}
NETWORK = NetworkSettings(
    dim=64,
    hidden=32,
    window=32,
    tokens=8,
    memory_dim=32,
    popularity_scales_hours=(1.0, 24.0, 168.0),
    identity_size=0.1,
)


def world_arrays(share: float, folder: Path) -> dict[str, np.ndarray]:
    """Events and content of a world `share` of the largest, simulated where they are not kept."""
    path = folder / f"world-{share}.npz"
    if not path.exists():
        sizes = {name: int(size * share) for name, size in LARGEST.items()}
        dataset = generate_world(WorldSettings.model_validate({"name": "scale"} | sizes)).dataset
        events, content = dataset.log.interactions(), content_of(dataset)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part.npz")
        np.savez(
            fresh,
            time_s=events.time_s,
            user=events.user_row,
            item=events.item_row,
            nodes=[events.n_users, events.n_items, content.n_publishers, content.n_keywords],
            ptr=content.ptr,
            name=content.name,
        )
        fresh.replace(path)
    return dict(np.load(path))


def one_world(
    share: float, arrays: dict[str, np.ndarray], batch: int, compiled: bool
) -> dict[str, object]:
    """Train two epochs on a world; the second is timed."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    n_users, n_items, n_publishers, n_keywords = (int(n) for n in arrays["nodes"])
    n_events = len(arrays["time_s"])
    one = np.ones(n_events, np.float32)
    events = Interactions(arrays["time_s"], arrays["user"], arrays["item"], one, n_users, n_items)
    content = NodeContent(n_items, n_publishers, n_keywords, arrays["ptr"], arrays["name"])
    network = TemporalNetwork(NETWORK, content).to(device)
    index = EventIndex(events, network.scale_s, device)
    settings = TrainingSettings(
        epochs=2,
        batch_size=batch,
        compiled=compiled,
        refresh_events=n_events,
        loss=LossSettings(kind="sampled", n_uniform=512),
    )
    trainer = Trainer(network, index, torch.arange(n_events, device=device), settings)
    first_loss, _ = trainer.run_epoch()
    trained = time.perf_counter()
    loss, rate = trainer.run_epoch()
    return {
        "rows of the log": int(LARGEST["n_events"] * share),
        "predicted events": n_events,
        "users": n_users,
        "items": n_items,
        "publishers": n_publishers,
        "keywords": n_keywords,
        "batch": batch,
        "epoch s": time.perf_counter() - trained,
        "events/s": rate,
        "GB": torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0,
        "loss": f"{first_loss:.3f} {loss:.3f}",
        "card": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    }


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 1.0])
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--worlds", type=Path, default=Path("runs/worlds"), help="kept here")
    parser.add_argument("--only-worlds", action="store_true", help="simulate, do not train")
    chosen = parser.parse_args()
    rows = []
    for share in chosen.shares:
        arrays = world_arrays(share, chosen.worlds)
        if chosen.only_worlds:
            continue
        rows.append(one_world(share, arrays, chosen.batch, chosen.compiled))
        print(rows[-1], flush=True)
        report("tgn_scale", rows)


if __name__ == "__main__":
    main()
