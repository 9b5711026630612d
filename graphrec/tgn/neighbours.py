"""Items found beside a past item: what its newest visitors had shortly before and after it.

Two steps of the temporal graph, from an item over its newest visits to the events next to them in
the visitors' own sequences. As an item's vector, its row of such sums is sparse, with an entry for
every item that it was found beside; a query's weights on its past items are the other factor.
"""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphrec.tgn.settings import NeighbourSettings

N_CHANNELS: Final = 4
"""After and before the past item, each as it is and relative to the candidate's own events."""
_NORM_POWER: Final = -0.25
"""Of a candidate's events: half of what cosine similarity divides by, under a square root."""


class Visits(NamedTuple):
    """The newest visits of items, and the events next to each in its user's sequence.

    Attributes:
        time_s: When, UTC seconds.
        item: Item of each event beside it. First those after the visit, then those before it, the
            nearest first.
        known: Whether there is such an event, and it is known.
    """

    time_s: Int[Tensor, "queries tokens visits"]
    item: Int[Tensor, "queries tokens visits directions reach"]
    known: Bool[Tensor, "queries tokens visits directions reach"]


class AskedItems(NamedTuple):
    """Candidates of queries.

    Attributes:
        item: The same for every query or each query's own; None: all.
        n_events: Events that each has had.
        n_items: Rows there are.
    """

    item: Int[Tensor, " candidates"] | Int[Tensor, "queries candidates"] | None
    n_events: Int[Tensor, "queries candidates"]
    n_items: int


def neighbour_scores(
    weight: Float[Tensor, "queries tokens channels"],
    visits: Visits,
    now_s: Int[Tensor, " queries"],
    asked: AskedItems,
    settings: NeighbourSettings,
) -> Float[Tensor, "queries candidates"]:
    """Sums over past items of their weight times the square root of how often they were beside.

    Nearness in the sequence and age of the visit discount each time; the root lets being found
    beside two past items count more than being found twice beside one.

    Args:
        weight: How much each past item counts, in each channel.
        visits: Of the past items.
        now_s: The moment of each query.
        asked: The candidates.
        settings: How nearness and age discount.

    Source:
        The multi-hit boost of Eksombatchai et al. 2018, arXiv:1711.07601.
    """
    norm = _norm(asked)
    score = weight.new_zeros(norm.shape)
    for channels, found in _directions(weight, visits, now_s, asked, settings):
        plain, relative = (channels.transpose(1, 2) @ found.to(channels.dtype)).unbind(1)
        score = score + plain + relative * norm
    return score


@torch.no_grad()
def neighbour_parts(
    weight: Float[Tensor, "queries tokens channels"],
    visits: Visits,
    now_s: Int[Tensor, " queries"],
    asked: AskedItems,
    settings: NeighbourSettings,
) -> Float[Tensor, "queries tokens candidates"]:
    """What each past item adds to `neighbour_scores`, which takes the same."""
    norm = _norm(asked)[:, None]
    parts = [
        found * (channels[..., :1] + channels[..., 1:] * norm)
        for channels, found in _directions(weight, visits, now_s, asked, settings)
    ]
    return torch.stack(parts).sum(0)


def _norm(asked: AskedItems) -> Float[Tensor, "queries candidates"]:
    return (asked.n_events + 1).float() ** _NORM_POWER


def _directions(
    weight: Float[Tensor, "queries tokens channels"],
    visits: Visits,
    now_s: Int[Tensor, " queries"],
    asked: AskedItems,
    settings: NeighbourSettings,
) -> list[tuple[Float[Tensor, "queries tokens two"], Float[Tensor, "queries tokens candidates"]]]:
    """Weights of each direction, and the root of how often each candidate was beside."""
    told = _discounts(visits, now_s, settings)
    directions = []
    for direction in range(told.shape[3]):
        with torch.no_grad():
            at = visits.item[..., direction, :].flatten(2)
            found = _at_candidates(at, told[..., direction, :].flatten(2), asked).sqrt()
        directions.append((weight[..., 2 * direction : 2 * direction + 2], found))
    return directions


@torch.no_grad()
def _discounts(
    visits: Visits, now_s: Int[Tensor, " queries"], settings: NeighbourSettings
) -> Float[Tensor, "queries tokens visits directions reach"]:
    age_s = (now_s[:, None, None] - visits.time_s).clamp(min=0).float()
    of_visit = torch.exp(-age_s / (3600 * settings.hours))
    step = torch.arange(visits.item.shape[-1], device=age_s.device)
    near = torch.exp(-step / settings.places)
    return of_visit[..., None, None] * near * visits.known


def _at_candidates(
    at: Int[Tensor, "queries tokens places"],
    told: Float[Tensor, "queries tokens places"],
    asked: AskedItems,
) -> Float[Tensor, "queries tokens candidates"]:
    """Sums of `told` over the places where each candidate stands."""
    item, n_items = asked.item, asked.n_items
    if item is not None and item.ndim == 2 and item.shape[1] * at.shape[2] < n_items:
        alike = at[..., None] == item[:, None, None, :]
        return (told[..., None] * alike).sum(2)
    if item is None or item.ndim == 2:
        every = told.new_zeros(*at.shape[:2], n_items).scatter_add(2, at, told)
        if item is None:
            return every
        return every.gather(2, item[:, None].expand(-1, at.shape[1], -1))
    # One slot more takes what is no candidate; of an item that stands twice one slot is filled.
    n_candidates = len(item)
    slot_of = torch.full((n_items,), n_candidates, device=at.device)
    slot_of = slot_of.scatter(0, item, torch.arange(n_candidates, device=at.device))
    filled = told.new_zeros(*at.shape[:2], n_candidates + 1).scatter_add(2, slot_of[at], told)
    return filled[..., slot_of[item]]
