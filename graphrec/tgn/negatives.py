"""Negatives of one query each: the user's own past, what is popular right now, what was refused."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphrec.errors import DataError
from graphrec.tgn.event_index import EventIndex
from graphrec.tgn.questions import Windows
from graphrec.tgn.settings import LossSettings


class HardNegatives(NamedTuple):
    """Draws for each query alone.

    Attributes:
        item: What was drawn: past items first, then recent ones.
        log_expected: Log of how often each is expected among all draws of its query, shared ones
            included; infinite where there was nothing to draw from.
        log_expected_shared: The same of the candidates that all queries share.
    """

    item: Int[Tensor, "queries hard"]
    log_expected: Float[Tensor, "queries hard"]
    log_expected_shared: Float[Tensor, "queries candidates"]


class HardNegativeDraws:
    """Draws from a user's window and from the newest events of the log, both before the bound.

    What is drawn is compared by the balance heuristic: an item counts 1 / (how often all kinds of
    draws together are expected to bring it), whichever kind brought it, so that the sum of
    exponentials stays right on average.

    Source:
        Veach and Guibas 1995, doi:10.1145/218380.218498.
    """

    def __init__(self, index: EventIndex, settings: LossSettings) -> None:
        """Draw from `index` as many as the settings say."""
        self._index, self._settings = index, settings

    def draw(
        self,
        windows: Windows,
        bound: Int[Tensor, " queries"],
        expected: Float[Tensor, " items"],
        shared: Int[Tensor, " candidates"],
    ) -> HardNegatives:
        """Draw for every query.

        Args:
            windows: The users' windows.
            bound: Positions from here on are unknown to each query.
            expected: How often each item is expected among the candidates that all queries share.
            shared: Those candidates.
        """
        settings, n_items = self._settings, self._index.n_items
        n_queries, device = len(bound), bound.device
        n_past = windows.present.sum(1)
        place = torch.rand(n_queries, settings.n_past, device=device) * n_past[:, None]
        last = (n_past[:, None] - 1).clamp(min=0)
        past = windows.item.gather(1, torch.minimum(place.long(), last))
        n_recent = bound.clamp(max=settings.recent_events)
        back = torch.rand(n_queries, settings.n_recent, device=device) * n_recent[:, None]
        position = bound[:, None] - 1 - torch.minimum(back.long(), n_recent[:, None] - 1)
        item = torch.cat([past, self._index.item[position.clamp(min=0)]], dim=1)
        seen = torch.where(windows.present, windows.item, n_items).sort(dim=1).values
        in_all = [
            expected[asked] + self._expected(asked.contiguous(), seen, n_past, bound)
            for asked in (item, shared.expand(n_queries, -1))
        ]
        some = torch.cat(
            [
                (n_past > 0)[:, None].expand(-1, settings.n_past),
                (n_recent > 0)[:, None].expand(-1, settings.n_recent),
            ],
            dim=1,
        )
        own, of_shared = (torch.log(part.clamp(min=1e-12)) for part in in_all)
        return HardNegatives(item, own.masked_fill(~some, float("inf")), of_shared)

    def _expected(
        self,
        item: Int[Tensor, "queries places"],
        seen: Int[Tensor, "queries window"],
        n_past: Int[Tensor, " queries"],
        bound: Int[Tensor, " queries"],
    ) -> Float[Tensor, "queries places"]:
        """How often each item is expected among a query's own draws."""
        settings = self._settings
        total = torch.zeros(item.shape, device=item.device)
        if settings.n_past:
            times = torch.searchsorted(seen, item, right=True) - torch.searchsorted(seen, item)
            total = total + settings.n_past * times / n_past.clamp(min=1)[:, None]
        if settings.n_recent:
            n_recent = bound.clamp(max=settings.recent_events)
            until = bound[:, None].expand_as(item)
            since = (bound - n_recent)[:, None].expand_as(item)
            times = self._index.counts_before(item, until) - self._index.counts_before(item, since)
            total = total + settings.n_recent * times / n_recent.clamp(min=1)[:, None]
        return total


class GivenNegatives:
    """Items that stand against an event: shown beside it and not taken, or refused before it."""

    def __init__(
        self, position: Int[Tensor, " pairs"], item: Int[Tensor, " pairs"], index: EventIndex
    ) -> None:
        """Sort pairs by event.

        Args:
            position: The event of each pair; the pairs must lie in its past or moment, since they
                are what it is learnt by.
            item: The item that it is compared with.
            index: The log.

        Raises:
            DataError: A position or item is outside the log.
        """
        for name, value, end in (
            ("position", position, index.n_events),
            ("item", item, index.n_items),
        ):
            if len(value) and (int(value.min()) < 0 or int(value.max()) >= end):
                raise DataError(
                    f"given negatives: {name} {int(value.min())} to {int(value.max())} — rows from "
                    f"0 to {end - 1}"
                )
        order = torch.argsort(position, stable=True)
        self._item = torch.cat([item[order], item.new_zeros(1)]).to(index.device)
        events = torch.arange(index.n_events + 1)
        self._ptr = torch.searchsorted(position[order].cpu(), events).to(index.device)

    def of_events(
        self, position: Int[Tensor, " queries"], target: Int[Tensor, " queries"], n: int
    ) -> tuple[Int[Tensor, "queries given"], Float[Tensor, "queries given"]]:
        """At most `n` negatives of each event; of a longer list a stretch from a random place.

        Returns:
            The items, and the log of how many of the list each stands for; -inf where there is none
            or it is the target itself.
        """
        start = self._ptr[position]
        length = self._ptr[position + 1] - start
        first = (torch.rand(len(position), device=start.device) * length).long()
        first = torch.where(length > n, first, 0)
        slot = torch.arange(n, device=start.device)
        at = start[:, None] + (first[:, None] + slot) % length.clamp(min=1)[:, None]
        item = self._item[at]
        taken = (slot < length[:, None]) & (item != target[:, None])
        stands_for = length.clamp(min=1) / length.clamp(min=1, max=n)
        log_count = torch.log(stands_for)[:, None].expand(-1, n)
        return torch.where(taken, item, 0), log_count.masked_fill(~taken, float("-inf"))
