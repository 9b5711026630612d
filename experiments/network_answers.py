"""What a temporal network answers to every event of a stream, asked ahead on a GPU and kept.

The network answers in batches, each event from what lies before it: the same scores to 1e-5 as
asked one by one, in minutes instead of hours, its weights learning on along the stream as the
experiment says. `experiments.pipeline_with_network` then reads the answers as those of one of its
sources, on any machine. For the lists a ranker learns from, a network is trained on what lies
before them; another, trained on the whole training part, answers validation and test. Epochs are
chosen on validation, those of the first network on the first half of the lists.

    python -m experiments.network_answers experiments/demo-world-pipeline.yaml --seed 0 --out FOLDER

writes the best items of each event, best first, and their scores in 65,536 steps from the least to
the highest of the event: `lists-N.npz` for the ranker's lists, `stream-N.npz` for the stream.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int32

from graphrec.arrays import NO_ROW
from graphrec.evaluation.cuts import Cuts
from graphrec.events.dataset import Dataset
from graphrec.experiment.method_settings import TemporalNetworkMethod
from graphrec.experiment.running import events_of, load_data, load_experiment
from graphrec.experiment.settings import ExperimentSettings, StreamProtocol
from graphrec.experiment.staged_settings import PipelineMethod
from graphrec.experiment.temporal import new_network
from graphrec.stages import Interactions
from graphrec.tgn.held_out import HeldOutPositions
from graphrec.tgn.learning_on import LearningOn
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.training import Trainer, train_network

KEPT: Final = {"lists": 300, "stream": 500}
"""Items kept of each event, by part."""

_STEPS: Final = 65_535
_AT_ONCE: Final = 8_000


@dataclass(frozen=True, slots=True)
class Answers:
    """The best items of the events of a span of the log.

    Attributes:
        first: Position of the span's first event.
        item_row: Items, best first, -1 behind the last.
        score: Their scores, -inf behind the last.
    """

    first: int
    item_row: Int32[np.ndarray, "events kept"]
    score: Float32[np.ndarray, "events kept"]


def spans_of(
    settings: ExperimentSettings, events: Interactions
) -> tuple[StreamProtocol, Cuts, dict[str, tuple[int, int, int]]]:
    """The stream, where it is cut, and each part: its first event, those judged by, its end."""
    (protocol,) = settings.evaluate
    if not isinstance(protocol, StreamProtocol):
        raise SystemExit("the protocol must be stream")
    (pipeline,) = (m for m in settings.methods if isinstance(m, PipelineMethod))
    if protocol.regime != "strict" or not pipeline.staged.refit:
        raise SystemExit("the regime must be strict, and the sources refitted: so was answered")
    if pipeline.staged.replay.seen != protocol.seen:
        raise SystemExit("staged.replay.seen must be the protocol's: lists are answered by it")
    cuts = Cuts.at_quantiles(events, protocol.training, protocol.validation)
    start, test, end = cuts.positions(events)
    wanted = round((1 - pipeline.staged.replayed) * start)
    border = int(np.searchsorted(events.time_s, events.time_s[wanted]))
    middle = (border + start) // 2
    return protocol, cuts, {"lists": (border, middle, start), "stream": (start, test, end)}


def write_answers(answers: Answers, part: str, folder: Path) -> None:
    """Write a part in files of at most 8,000 events."""
    for old in folder.glob(f"{part}-*.npz"):
        old.unlink()
    lowest = np.where(np.isfinite(answers.score), answers.score, np.inf).min(axis=1)
    spread = np.maximum(answers.score[:, 0] - lowest, 1e-12)
    height = np.clip((answers.score - lowest[:, None]) / spread[:, None], 0, 1)
    level = np.rint(height * _STEPS).astype(np.uint16)
    step = np.diff(level, axis=1, prepend=np.uint16(0))  # wraps round; small, so it packs well
    for number, begin in enumerate(range(0, len(level), _AT_ONCE)):
        here = slice(begin, begin + _AT_ONCE)
        np.savez_compressed(
            folder / f"{part}-{number}.npz",
            first=answers.first + begin,
            item_row=answers.item_row[here].astype(np.uint16),
            step=step[here],
            lowest=lowest[here],
            spread=spread[here].astype(np.float32),
        )


def read_answers(part: str, folder: Path) -> Answers:
    """Read what `write_answers` wrote; scores to 1/65,535 of the event's spread."""
    files = sorted(folder.glob(f"{part}-*.npz"), key=lambda path: int(path.stem.split("-")[1]))
    if not files:
        raise SystemExit(f"{folder} holds no {part}-0.npz — run experiments.network_answers first")
    item_row, score, first = [], [], []
    for path in files:
        with np.load(path) as held:
            first.append(int(held["first"]))
            row = held["item_row"].astype(np.int32)
            row[row == np.iinfo(np.uint16).max] = NO_ROW
            level = np.cumsum(held["step"], axis=1, dtype=np.uint16).astype(np.float32)
            own = held["lowest"][:, None] + level / _STEPS * held["spread"][:, None]
            item_row.append(row)
            score.append(np.where(row == NO_ROW, -np.inf, own).astype(np.float32))
    return Answers(first[0], np.concatenate(item_row), np.concatenate(score))


def main() -> None:
    """Train, answer ahead, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    settings = load_experiment(asked.experiment, seed=asked.seed)
    dataset = load_data(settings.data)
    if dataset.n_items >= np.iinfo(np.uint16).max:
        raise SystemExit(f"{dataset.n_items:,} items — rows are kept in 16 bits")
    events = events_of(dataset, settings.data)
    protocol, _, spans = spans_of(settings, events)
    (network,) = (m for m in settings.methods if isinstance(m, TemporalNetworkMethod))
    asked.out.mkdir(parents=True, exist_ok=True)
    for part, span in spans.items():
        first, _, last = span
        hidden = protocol.seen == "hide"
        answers = _answers(network, dataset, events, span, KEPT[part], hide_seen=hidden)
        write_answers(answers, part, asked.out)
        hit = (answers.item_row == events.item_row[first:last, None]).any(axis=1).mean()
        print(f"{part}: {last - first} events, {hit:.4f} of them among {KEPT[part]}", flush=True)


def _answers(
    method: TemporalNetworkMethod,
    dataset: Dataset,
    events: Interactions,
    span: tuple[int, int, int],
    n_kept: int,
    *,
    hide_seen: bool,
) -> Answers:
    """Train on the events before a span; keep the best items for each event of it."""
    first, judged, last = span
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = method.training
    network, index = new_network(
        method, dataset, events.take(slice(0, last)), first, seed=training.seed, device=device
    )
    weight = torch.from_numpy(events.weight[:last])
    target = torch.arange(first, device=device)
    trainer = Trainer(network, index, target, training, weight=weight)
    position = torch.arange(first, last, device=device)
    nothing = torch.full((len(position), 1), -1, device=device)
    held = HeldOutPositions(index, position, nothing, hide_seen=hide_seen)
    train_network(trainer, held.part(0, judged - first), lambda _: None)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    learner = None
    if training.learn_on is not None:
        learner = LearningOn(network, training, training.learn_on, first)
    at = 0
    while at < len(position):
        until = len(position)
        if learner is not None:
            if held.known[at] >= learner.next_at:
                learner.learn_until(int(held.known[at]), index, weight)
            until = max(at + 1, int(np.searchsorted(held.known, learner.next_at)))
        kept += _best(network, held.part(at, until), n_kept)
        at = until
    item_row, score = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return Answers(first, np.where(np.isfinite(score), item_row, NO_ROW).astype(np.int32), score)


@torch.no_grad()
def _best(
    network: TemporalNetwork, held: HeldOutPositions, n_kept: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    network.eval()
    found = []
    for asked in held.questions(network):
        score = network(asked.windows, asked.history)
        n_items = score.shape[1]
        if not bool(torch.isfinite(score).all()):
            raise SystemExit("the network scored an item with no finite number")
        # A column more takes what pads the excluded items.
        none = score.new_zeros((len(score), 1))
        at = torch.where(asked.excluded < 0, n_items, asked.excluded).long()
        score = torch.cat([score, none], dim=1).scatter(1, at, -torch.inf)[:, :n_items]
        best = score.topk(min(n_kept, n_items), dim=1)
        found.append((best.indices.cpu().numpy(), best.values.float().cpu().numpy()))
    return found


if __name__ == "__main__":
    main()
