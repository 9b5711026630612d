"""What recent events say of an item: decayed popularity, the last event, and how many there were.

A state is a row of plain tensors. `StateTable` holds rows; who asks names a row per item, or -1 for
an item that nothing has happened to. A log at rest keeps a row per event (`event_index.py`), a live
graph one per item (`live.py`).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

FLOOR: Final = 1e-2
"""Popularity below this looks like none."""
FADED: Final = -60.0
"""e to this is as good as 0. Where all items are read, exponents are cut here: one that underflows
takes a CPU ten times as long."""


@dataclass(frozen=True, slots=True)
class StateTable:
    """States of items, each as of its last event.

    Attributes:
        sums: Decayed number of events per time scale.
        time_s: Time of the last event, UTC seconds.
        count: Number of events.
        user: User of the last event; -1 where anonymous.
    """

    sums: Float[Tensor, "rows scales"]
    time_s: Int[Tensor, " rows"]
    count: Int[Tensor, " rows"]
    user: Int[Tensor, " rows"]


@dataclass(frozen=True, slots=True)
class MemoryTable:
    """Memories of items, in the rows of their states and as of their last events.

    Attributes:
        total: Decayed sums per time scale: of values, and of gates in the last column.
        heard: What the user of the last event remembered just before it.
    """

    total: Float[Tensor, "rows scales parts"]
    heard: Float[Tensor, "rows memory"]


class Found(NamedTuple):
    """Where the states of items lie, as each query knows them.

    Attributes:
        known: Whether anything has happened to the item.
        at: Row of its state; any row where nothing has.
        age_s: Seconds since its last event, 0 or more; any number where there is none.
    """

    known: Bool[Tensor, "queries places"]
    at: Int[Tensor, "queries places"]
    age_s: Int[Tensor, "queries places"]


class DynamicFeatures(NamedTuple):
    """States as a network reads them.

    Attributes:
        values: Log popularity per scale, log time since the last event, log count, and whether
            there was any event; all about -1 to 2.
        since: Log seconds since the last event, 0 where there is none.
        user: User of the last event, -2 where there is none.
    """

    values: Float[Tensor, "queries places features"]
    since: Float[Tensor, "queries places"]
    user: Int[Tensor, "queries places"]


def n_dynamic_features(n_scales: int) -> int:
    """How many values `dynamic_features` gives."""
    return n_scales + 3


def dynamic_features(
    states: StateTable, found: Found, scale_s: Float[Tensor, " scales"]
) -> DynamicFeatures:
    """Read states as of a time.

    Args:
        states: The table.
        found: Where each item's state lies, and how old it is.
        scale_s: The table's time scales, seconds.
    """
    known = found.known.float()
    age_s = found.age_s.float()
    since = torch.log1p(age_s) * known
    faded = torch.exp(age_s[..., None] / -scale_s) * known[..., None]
    values = torch.cat(
        [
            torch.log(functional.embedding(found.at, states.sums) * faded + FLOOR) / 2 + 1,
            (since / 7 - known)[..., None],
            (torch.log1p(states.count.take(found.at) * known) / 4)[..., None],
            known[..., None],
        ],
        dim=-1,
    )
    user = torch.where(found.known, states.user.take(found.at), -2)
    return DynamicFeatures(values, since, user)


def dynamic_scores(
    states: StateTable,
    wanted: Float[Tensor, "queries features"],
    time_s: Int[Tensor, " queries"],
    scale_s: Float[Tensor, " scales"],
) -> Float[Tensor, "queries rows"]:
    """Dot products of `wanted` with the `dynamic_features` of every row, which are not written out.

    Args:
        states: A table with a row per item; where nothing has happened, sums and count are 0.
        wanted: Weights of the features.
        time_s: The moment of each query, UTC seconds.
        scale_s: The table's time scales, seconds.
    """
    age_s = (time_s[:, None] - states.time_s).clamp(min=0).float()
    n_scales = len(scale_s)
    of_since, of_count, of_known = (wanted[:, n_scales + part, None] for part in range(3))
    score = torch.log1p(age_s) * (of_since / 7) + (of_known - of_since)
    score *= states.count > 0
    score += torch.log1p(states.count.float()) * (of_count / 4)
    for scale in range(n_scales):
        of_scale = wanted[:, scale, None]
        faded = torch.exp((age_s / -scale_s[scale]).clamp(min=FADED))
        popularity = faded * states.sums[:, scale] + FLOOR
        score += torch.log(popularity) * (of_scale / 2) + of_scale
    return score


def log_seconds(seconds: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """log(1 + seconds); negative ones count as 0."""
    return torch.log1p(seconds.clamp(min=0).float())
