"""What training lowers for a batch of events: the network's scores against the chosen negatives."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.losses import (
    OwnCandidates,
    draw_candidates,
    expected_draws,
    full_softmax,
    sampled_softmax,
    with_given,
)
from graphrec.tgn.negatives import GivenNegatives, HardNegativeDraws
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.questions import Windows
from graphrec.tgn.settings import LossSettings
from graphrec.tgn.smoothness import CoWatchSmoothness


class Objective:
    """Losses of events, as the settings say."""

    def __init__(
        self,
        network: TemporalNetwork,
        index: EventIndex,
        target: Int[Tensor, " targets"],
        settings: LossSettings,
        given: GivenNegatives | None = None,
    ) -> None:
        """Prepare what draws need.

        Args:
            network: Scores the candidates.
            index: The log.
            target: Positions of the events to predict.
            settings: Which items a positive one is compared with.
            given: What events are compared with besides.

        Raises:
            SettingsError: `smoothness` finds no co-watched items.
        """
        self._network, self._index, self._settings, self._given = network, index, settings, given
        self._share = torch.zeros(index.n_items, device=index.device)
        self.draw_from(target)
        self._hard = HardNegativeDraws(index, settings) if settings.n_hard else None
        self._smoothness: CoWatchSmoothness | None = None
        if settings.smoothness:
            wanted = torch.zeros(index.n_events, dtype=torch.bool, device=index.device)
            wanted[target] = True
            self._smoothness = CoWatchSmoothness(index, wanted, settings)

    def draw_from(self, position: Int[Tensor, " targets"]) -> None:
        """Let batches be drawn from these events from now on; corrections of draws need to know."""
        count = torch.bincount(self._index.item[position], minlength=self._index.n_items).float()
        self._share.copy_(count / count.sum())

    def losses(
        self,
        windows: Windows,
        position: Int[Tensor, " queries"],
        bound: Int[Tensor, " queries"],
        wanted: Bool[Tensor, " queries"],
    ) -> Float[Tensor, " queries"]:
        """Loss of each event, nats, with the batch's smoothness added to every one.

        Args:
            windows: What is known of each event's user.
            position: The events.
            bound: Positions from here on are unknown to each.
            wanted: Which of them may serve as other events' negatives.
        """
        network, settings = self._network, self._settings
        target, history = self._index.item[position], self._index.history(bound)
        drawn = None
        if settings.kind == "sampled":
            drawn = draw_candidates(target, self._share, settings)
        code = network.codes()
        vectors = network.query_vectors(windows, history, code)

        def score_of(item: Tensor | None) -> Tensor:
            return network.scores(vectors, windows, history, code, item)

        if drawn is None:
            score = score_of(None)
            loss = full_softmax(score, target)
        else:
            score = score_of(drawn.item)
            own = None
            if self._hard is not None:
                expected = expected_draws(len(target), self._share, settings)
                hard = self._hard.draw(windows, bound, expected, drawn.item)
                drawn = drawn._replace(log_expected=hard.log_expected_shared)
                own = OwnCandidates(hard.item, score_of(hard.item), hard.log_expected)
            loss = sampled_softmax(score, drawn, in_batch=settings.in_batch, usable=wanted, own=own)
        if self._given is not None:
            at = target[:, None]
            positive = score.gather(1, at)[:, 0] if drawn is None else score.diagonal()
            item, log_count = self._given.of_events(position, target, settings.n_given)
            log_count = log_count + math.log(settings.given_weight)
            loss = with_given(loss, positive, score_of(item), log_count)
        if self._smoothness is not None:
            loss = loss + settings.smoothness * self._smoothness.penalty(code)
        return loss
