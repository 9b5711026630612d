"""What recent events say of an item: decayed popularity, the last event, and how many there were.

A state is a row of plain tensors. `StateTable` holds rows; who asks names a row per item, or -1 for
an item that nothing has happened to. A log at rest keeps a row per event (`event_index.py`), a live
graph one per item (`live.py`).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_FLOOR: Final = 1e-2
"""Popularity below this looks like none."""


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
    states: StateTable,
    row: Int[Tensor, "queries places"],
    time_s: Int[Tensor, " queries"],
    scale_s: Float[Tensor, " scales"],
) -> DynamicFeatures:
    """Read states as of a time.

    Args:
        states: The table.
        row: Row of each item, -1 for none.
        time_s: The moment of each query, UTC seconds; not before the state's last event.
        scale_s: The table's time scales, seconds.
    """
    known = row >= 0
    at = row.clamp(min=0)
    age_s = (time_s[:, None] - states.time_s[at]).clamp(min=0)
    decay = torch.exp(-age_s[..., None].float() / scale_s) * known[..., None]
    since = log_seconds(age_s) * known
    values = torch.cat(
        [
            torch.log(states.sums[at] * decay + _FLOOR) / 2 + 1,
            ((since / 7 - 1) * known)[..., None],
            (torch.log1p(states.count[at].float()) / 4 * known)[..., None],
            known[..., None].float(),
        ],
        dim=-1,
    )
    return DynamicFeatures(values, since, torch.where(known, states.user[at], -2))


def log_seconds(seconds: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """log(1 + seconds); negative ones count as 0."""
    return torch.log1p(seconds.clamp(min=0).float())


def empty_states(n_rows: int, n_scales: int, device: torch.device) -> StateTable:
    """Rows of items that nothing has happened to."""
    return StateTable(
        torch.zeros(n_rows, n_scales, device=device),
        torch.zeros(n_rows, dtype=torch.int64, device=device),
        torch.zeros(n_rows, dtype=torch.int64, device=device),
        torch.full((n_rows,), -1, dtype=torch.int64, device=device),
    )
