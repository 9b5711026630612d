"""Fit a temporal network: predict every event of a log from what lies before it.

States are read off the log, so events may be predicted in any order: nothing goes stale with the
batch, and no step leaves the device.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from graphrec.errors import SettingsError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOut, figures_of_ranks, held_out_ranks
from graphrec.tgn.memory_table import refresh_memory
from graphrec.tgn.negatives import GivenNegatives
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.objective import Objective
from graphrec.tgn.settings import TrainingSettings

_EAGER_STEPS: Final = 3
"""Steps before a CUDA graph is recorded, so that every kernel has its workspace."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training events.

    Attributes:
        number: From 1 on.
        loss: Mean over the epoch's events, nats.
        figures: Validation figures by name; empty without validation.
        events_per_s: Training speed, validation not counted.
        memory_gb: Highest memory of the device so far, 0 on a CPU.
        seconds: How long it took, validation included.
        learning_rate: Of its last step.
    """

    number: int
    loss: float
    figures: dict[str, float]
    events_per_s: float
    memory_gb: float
    seconds: float
    learning_rate: float


Report = Callable[[Epoch], None]


class Trainer:
    """A network, its optimiser, and the events it learns to predict."""

    def __init__(
        self,
        network: TemporalNetwork,
        index: EventIndex,
        target: Int[Tensor, " targets"],
        settings: TrainingSettings,
        *,
        weight: Float[Tensor, " events"] | None = None,
        negatives: GivenNegatives | None = None,
    ) -> None:
        """Prepare to train.

        Args:
            network: The network, on the index's device.
            index: The log.
            target: Positions of the events to predict.
            settings: How.
            weight: How much predicting each event of the log counts, unitless, 0 or more; None: 1.
            negatives: What events are compared with beside the drawn items.

        Raises:
            SettingsError: There are no events to predict, or fewer than a row holds; or weights are
                negative, not finite or all 0.
        """
        self.network, self._index, self.settings = network, index, settings
        self.device = index.device
        self.is_cuda = index.device.type == "cuda"
        self.epoch = 0
        self.learning_rate = 0.0
        if not len(target) or index.n_events < settings.row_targets:
            raise SettingsError(
                f"{len(target):,} training events in a log of {index.n_events:,} — row_targets "
                f"{settings.row_targets} needs at least as many"
            )
        self._rows = _rows_of(index, target, settings.row_targets)
        self._rows_per_step = min(settings.batch_size // settings.row_targets, len(self._rows))
        first = self._rows[:, 0]
        bound = index.bounds_of(first, settings.stale_batch)
        self._context = network.settings.context + index.hidden_behind(first, bound)
        self._wanted = torch.zeros(index.n_events, dtype=torch.bool, device=index.device)
        self._wanted[target] = True
        self._end = int(target.max()) + 1
        self._target_weight = _checked(weight, target, index)
        self._objective = Objective(network, index, target, settings.loss, negatives)
        self.steps_per_epoch = len(self._rows) // self._rows_per_step
        self.order = torch.Generator().manual_seed(settings.seed)
        self._rate = torch.zeros((), device=index.device)
        self.optimizer = self._optimizer()
        self._batch = self._rows[: self._rows_per_step].clone()
        self._loss_sum = torch.zeros((), device=index.device)
        self._weight_sum = torch.zeros((), device=index.device)
        self._step_of_batch: Callable[[], None] = self._step
        self._n_eager = 0
        self._losses_of: Callable[[Tensor], tuple[Tensor, Tensor]] = self._losses
        if self.is_cuda and settings.compiled:
            self._losses_of = torch.compile(self._losses, dynamic=False)

    def set_optimizer_state(self, states: dict[int, dict[str, Tensor]]) -> None:
        """Give the optimiser the moments of another one of the same parameters, by their number."""
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})
        if self.is_cuda:
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate

    def run_epoch(self) -> tuple[float, float]:
        """Predict every event at most once, in a new order; what fills no batch is left for later.

        Returns:
            Mean loss (nats) and events per second.
        """
        if self.epoch == 0:
            torch.manual_seed(self.settings.seed)
        self.network.train()
        order = torch.randperm(len(self._rows), generator=self.order).to(self._index.device)
        rows = self._rows[order]
        self._loss_sum.zero_()
        self._weight_sum.zero_()
        done = self.epoch * self.steps_per_epoch
        n_recorded = 0
        refresh_steps = max(1, self.settings.refresh_events // self._batch.numel())
        self._synchronize()
        started = time.perf_counter()
        for step in range(self.steps_per_epoch):
            if step % refresh_steps == 0:
                self._refresh_memory()
            if self._record_when_due():
                n_recorded, started = step, time.perf_counter()
            self._set_rate(done + step)
            first = step * self._rows_per_step
            self._step_on(rows[first : first + self._rows_per_step])
        self._synchronize()
        seconds = time.perf_counter() - started
        self.epoch += 1
        n_events = (self.steps_per_epoch - n_recorded) * self._batch.numel()
        mean = float(self._loss_sum / self._weight_sum.clamp(min=1e-12))
        return mean, n_events / seconds

    def learn(self, position: Int[Tensor, " events"]) -> None:
        """Take steps on chosen events of the log, at the highest rate; the last batch wraps round.

        Needs `row_targets` 1.

        Args:
            position: The events; they may serve as negatives of others from now on.

        Raises:
            SettingsError: The loss is not finite any more.
        """
        self.network.train()
        self._loss_sum.zero_()
        self._wanted[position] = True
        self._objective.draw_from(position)
        self._use_rate(self.settings.learning_rate)
        self._refresh_memory()
        n = self._rows_per_step
        wrapped = torch.arange(-(-len(position) // n) * n, device=position.device)
        for batch in position[wrapped % len(position)].view(-1, n, 1):
            self._record_when_due()
            self._step_on(batch)
        if not math.isfinite(float(self._loss_sum)):
            raise SettingsError(
                f"learning on diverged: its loss is {float(self._loss_sum)} — lower "
                f"learn_on.learning_rate {self.settings.learning_rate}"
            )

    @torch.no_grad()
    def _refresh_memory(self) -> None:
        """Play the log with the weights as they stand: steps see them this old, as in TGN."""
        refresh_memory(self.network.memory, self._index, self.network.codes())

    def _set_rate(self, step: int) -> None:
        settings = self.settings
        n_steps = self.steps_per_epoch * settings.epochs
        warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, n_steps))))
        rate = (
            settings.learning_rate
            * warm
            * (settings.final_rate + (1 - settings.final_rate) * cosine)
        )
        self._use_rate(rate)

    def _use_rate(self, rate: float) -> None:
        self.learning_rate = rate
        if self.is_cuda:
            self._rate.fill_(rate)
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = rate

    def _step_on(self, rows: Int[Tensor, "rows targets"]) -> None:
        self._batch.copy_(rows)
        self._step_of_batch()
        self._n_eager += 1

    def _step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            self._index.device.type,
            torch.bfloat16,
            enabled=self.is_cuda and self.settings.precision == "bfloat16",
            cache_enabled=False,
        ):
            loss, weight = self._losses_of(self._batch)
        total = weight.sum()
        summed = (loss * weight).sum()
        (summed / total.clamp(min=1e-12)).backward()
        clip_grad_norm_(self.network.parameters(), self.settings.max_gradient, foreach=True)
        self.optimizer.step()
        self._loss_sum += summed.detach()
        self._weight_sum += total

    def _losses(
        self, rows: Int[Tensor, "rows targets"]
    ) -> tuple[Float[Tensor, " events"], Float[Tensor, " events"]]:
        """Loss and weight of each event of a batch."""
        index, settings, network = self._index, self.settings, self.network
        position = rows.reshape(-1)
        bound = index.bounds_of(position, settings.stale_batch)
        now_s = index.time_s[bound]
        if network.settings.state_layers:
            windows = index.windows_in_rows(
                rows,
                bound.view_as(rows),
                now_s.view_as(rows),
                network.settings.window,
                self._context,
            )
        else:
            windows = index.windows(index.user[position], bound, now_s, network.settings.window)
        wanted = self._wanted[position]
        loss = self._objective.losses(windows, position, bound, wanted)
        weight = wanted.float()
        if self._target_weight is not None:
            weight = weight * self._target_weight[position]
        if settings.recency:
            age = (1 - position.float() / self._end).clamp(min=0)
            weight = weight * torch.exp(-settings.recency * age)
        return loss, weight

    def _record_when_due(self) -> bool:
        """Record one step as a CUDA graph after the eager ones; that itself changes no weight."""
        if not (self.is_cuda and self.settings.cuda_graph and self._n_eager == _EAGER_STEPS):
            return False
        self._synchronize()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            graph = torch.cuda.CUDAGraph()
            self.optimizer.zero_grad(set_to_none=True)
            with torch.cuda.graph(graph, stream=stream):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self._step_of_batch = graph.replay
        return True

    def _optimizer(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            self.network.parameters(),
            lr=self._rate if self.is_cuda else self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=self.is_cuda or None,
            capturable=self.is_cuda,
        )

    def _synchronize(self) -> None:
        if self.is_cuda:
            torch.cuda.synchronize()


@dataclass(slots=True)
class Verdict:
    """How training has gone so far.

    Attributes:
        epochs: Every epoch.
        best: The highest validation figure.
        best_state: Weights that reached it; None before the first or without validation.
        since_best: Epochs since then.
    """

    epochs: list[Epoch]
    best: float = -math.inf
    best_state: dict[str, Tensor] | None = None
    since_best: int = 0


def train_network(
    trainer: Trainer,
    held_out: HeldOut | None,
    report: Report,
    *,
    verdict: Verdict | None = None,
    keep: Callable[[Verdict], None] | None = None,
) -> list[Epoch]:
    """Train to the end or until the validation figure stops rising; keep the best weights.

    Args:
        trainer: What to train; its network holds the best epoch's weights afterwards.
        held_out: What epochs are judged by; None keeps the last epoch.
        report: Told of each epoch.
        verdict: Where a training that goes on stood; None starts.
        keep: Called after each epoch, so that training can go on from there.

    Raises:
        SettingsError: Training diverged.
    """
    settings, network = trainer.settings, trainer.network
    verdict = verdict or Verdict([])
    while trainer.epoch < settings.epochs and verdict.since_best < settings.patience:
        started = time.perf_counter()
        loss, speed = trainer.run_epoch()
        if not math.isfinite(loss):
            raise SettingsError(
                f"training diverged in epoch {trainer.epoch}: its loss is {loss} — lower "
                f"learning_rate {settings.learning_rate} or max_gradient {settings.max_gradient}"
            )
        figures = figures_of_ranks(held_out_ranks(network, held_out)) if held_out else {}
        memory = torch.cuda.max_memory_allocated() / 1e9 if trainer.is_cuda else 0.0
        seconds = time.perf_counter() - started
        verdict.epochs.append(
            Epoch(trainer.epoch, loss, figures, speed, memory, seconds, trainer.learning_rate)
        )
        if held_out:
            verdict.since_best += 1
            if figures[settings.metric] > verdict.best:
                verdict.best, verdict.since_best = figures[settings.metric], 0
                verdict.best_state = copy.deepcopy(network.state_dict())
        report(verdict.epochs[-1])
        if keep:
            keep(verdict)
    if verdict.best_state is not None:
        network.load_state_dict(verdict.best_state)
    return verdict.epochs


def _rows_of(
    index: EventIndex, target: Int[Tensor, " events"], n_targets: int
) -> Int[Tensor, "rows targets"]:
    """Stretches of `n_targets` events in the users' order that hold all of `target`."""
    if n_targets == 1:
        return target[:, None].clone()
    n_rows = index.n_events // n_targets
    stretch = index.by_user[: n_rows * n_targets].view(n_rows, n_targets)
    rest = index.by_user[-n_targets:][None] if index.n_events % n_targets else stretch[:0]
    rows = torch.cat([stretch, rest])
    wanted = torch.zeros(index.n_events, dtype=torch.bool, device=index.device)
    wanted[target] = True
    return rows[wanted[rows].any(dim=1)]


def _checked(
    weight: Float[Tensor, " events"] | None, target: Int[Tensor, " targets"], index: EventIndex
) -> Float[Tensor, " events"] | None:
    """Weights of all events on the index's device; None where every target counts 1."""
    if weight is None:
        return None
    if len(weight) != index.n_events:
        raise SettingsError(f"{len(weight):,} weights — one for each of {index.n_events:,} events")
    weight = weight.to(index.device, torch.float32)
    mine = weight[target]
    if not bool(torch.isfinite(weight).all()) or float(weight.min()) < 0 or float(mine.max()) <= 0:
        raise SettingsError(
            f"weights of events from {float(weight.min())} to {float(weight.max())} — finite, 0 or "
            "more, and not all 0 in training"
        )
    return None if bool((weight == 1).all()) else weight
