"""Weights that follow a stream: what was predicted is learnt, together with some of the past."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from graphrec.events.batches import EventBatches
from graphrec.stages import Interactions
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.held_out import HeldOutPositions, held_out_ranks
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.settings import LearningOnSettings, TrainingSettings
from graphrec.tgn.training import Trainer

Moments = dict[int, dict[str, Shaped[np.ndarray, " ..."]]]


class LearningOn:
    """A trained network that goes on learning from a log as it grows.

    Source:
        Replay of old events among new ones against forgetting: Rolnick et al. 2019,
        arXiv:1811.11682.
    """

    def __init__(
        self,
        network: TemporalNetwork,
        training: TrainingSettings,
        settings: LearningOnSettings,
        n_learnt: int,
    ) -> None:
        """Prepare to learn.

        Args:
            network: As trained.
            training: How; its loss, precision and limits hold here, too, without refusals.
            settings: How often and how much.
            n_learnt: The first so many events of the log were learnt in training.
        """
        self._network = network
        self._every = settings.every_events
        self._passes, self._replay = settings.passes, settings.replay
        self._training = training.model_copy(
            update={
                "batch_size": settings.batch_size,
                "learning_rate": settings.learning_rate,
                "row_targets": 1,
                "recency": 0.0,
            }
        )
        self._n_learnt = n_learnt
        self._draws = torch.Generator().manual_seed(training.seed)
        self._trainer: Trainer | None = None
        self._index: EventIndex | None = None
        self._kept_moments: Moments = {}

    @property
    def next_at(self) -> int:
        """Once so many events have arrived, it is time to learn."""
        return self._n_learnt + self._every

    def __getstate__(self) -> dict[str, Any]:
        """All but the trainer and the log, which the next learning makes anew."""
        left_out = ("_trainer", "_index", "_draws", "_kept_moments")
        kept = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**kept, "draws": self._draws.get_state().numpy(), "moments": self._moments()}

    def __setstate__(self, kept: Mapping[str, Any]) -> None:
        """Go on drawing and learning from where it was."""
        vars(self).update(kept)
        self._draws = torch.Generator()
        self._draws.set_state(torch.from_numpy(vars(self).pop("draws")))
        self._kept_moments = vars(self).pop("moments")
        self._trainer = self._index = None

    def learn_until(
        self, end: int, index: EventIndex, weight: Float[Tensor, " events"] | None = None
    ) -> bool:
        """Learn the events before position `end` that were not learnt before.

        Where a late event has moved others, as many of the last ones before `end` are learnt as
        are new.

        Args:
            end: Nothing from this position on is read.
            index: The log; a longer one than last time is taken over.
            weight: How much predicting each event of the log counts; None: 1.

        Returns:
            Whether there was anything to learn.

        Raises:
            SettingsError: Learning diverged.
        """
        first = self._n_learnt
        if end <= first:
            return False
        trainer = self._trainer_on(index, end, weight)
        fresh = torch.arange(first, end).repeat(self._passes)
        old = torch.empty(0, dtype=torch.int64)
        if first:
            old = torch.randint(first, (len(fresh) * self._replay,), generator=self._draws)
        mixed = torch.cat([fresh, old])
        mixed = mixed[torch.randperm(len(mixed), generator=self._draws)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._training.seed + first)
            try:
                trainer.learn(mixed.to(index.device))
            finally:
                self._network.eval()
        self._n_learnt = end
        return True

    def _trainer_on(
        self, index: EventIndex, end: int, weight: Float[Tensor, " events"] | None
    ) -> Trainer:
        """The trainer of the log as it is; moments of weights that kept their shape go on."""
        if self._trainer is not None and index is self._index:
            return self._trainer
        known = torch.arange(end, device=index.device)
        trainer = Trainer(self._network, index, known, self._training, weight=weight)
        if moments := self._moments():
            parameters = list(self._network.parameters())
            trainer.set_optimizer_state(
                {
                    row: {name: torch.from_numpy(value.copy()) for name, value in state.items()}
                    for row, state in moments.items()
                    if state["exp_avg"].shape == parameters[row].shape
                }
            )
        self._trainer, self._index, self._kept_moments = trainer, index, {}
        return trainer

    def _moments(self) -> Moments:
        """What the optimiser remembers of each parameter, by its number."""
        if self._trainer is None:
            return self._kept_moments
        states = self._trainer.optimizer.state_dict()["state"]
        return {
            row: {name: value.cpu().numpy() for name, value in state.items()}
            for row, state in states.items()
        }


def ranks_learning_on(
    network: TemporalNetwork,
    held_out: HeldOutPositions,
    learner: LearningOn,
    index: EventIndex,
    weight: Float[Tensor, " events"] | None = None,
) -> Float[Tensor, " queries"]:
    """Rank of each held-out item, on the CPU, by weights that learnt what came before it.

    Args:
        network: What `learner` trains.
        held_out: Events of the log, increasing.
        learner: Has learnt what lies before them.
        index: The log.
        weight: As in `LearningOn.learn_until`.

    Raises:
        DataError: A score is not finite.
    """
    ranks = [torch.empty(0, dtype=torch.float64)]
    known = held_out.known
    first = 0
    while first < len(known):
        if known[first] >= learner.next_at:
            learner.learn_until(int(known[first]), index, weight)
        last = int(np.searchsorted(known, learner.next_at))
        ranks.append(held_out_ranks(network, held_out.part(first, last)))
        first = last
    return torch.cat(ranks)


class StreamFollower:
    """Keeps the log that arrives, and lets a network learn from it whenever enough is new.

    Each time the whole log is indexed anew: some seconds for millions of events.
    """

    def __init__(
        self,
        network: TemporalNetwork,
        training: TrainingSettings,
        settings: LearningOnSettings,
        known: Interactions,
        n_learnt: int,
    ) -> None:
        """Start where training ended.

        Args:
            network: As trained; its weights will change.
            training: How it was trained.
            settings: How often and how much it learns.
            known: The log so far.
            n_learnt: The first so many of its events were learnt in training; the rest is learnt
                the first time.
        """
        self._network = network
        self._learner = LearningOn(network, training, settings, n_learnt)
        self._log = EventBatches(known)
        self._n_events = len(known)

    def add(
        self,
        events: Interactions,
        index_of: Callable[[Interactions, TemporalNetwork], EventIndex],
    ) -> bool:
        """Let events arrive in whatever order.

        Args:
            events: What is new.
            index_of: Makes the index of a log, with all that the network reads.

        Returns:
            Whether the network's weights have changed.
        """
        self._log.append(events)
        self._n_events += len(events)
        if self._n_events < self._learner.next_at:
            return False
        log = self._log.by_time()
        self._log = EventBatches(log)
        index = index_of(log, self._network)
        return self._learner.learn_until(len(log), index, torch.from_numpy(log.weight))
