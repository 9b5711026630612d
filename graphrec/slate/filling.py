"""Filling the places of one slate from the top: pins, quotas and draws meet here.

A place is drawn among what quotas and pins leave open there, rather than arranged after the draw:
only so is the probability of what stands there the probability it was drawn with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from graphrec.slate.exploration import Arms, Draw, Explorer
from graphrec.slate.quotas import QuotaCount


@dataclass(slots=True)
class Filled:
    """What stands where.

    Attributes:
        draws: Entry and probability of each place.
        relaxed: Quotas that had to be relaxed, by place.
        passed: Entries that a quota held back, and its name; each once.
    """

    draws: list[Draw] = field(default_factory=list)
    relaxed: dict[int, str] = field(default_factory=dict)
    passed: dict[int, str] = field(default_factory=dict)


def fill_places(
    k: int,
    n_ranked: int,
    pinned: Mapping[int, int],
    quotas: QuotaCount,
    chance: tuple[Explorer, Arms] | None,
) -> Filled:
    """Fill at most `k` places.

    Args:
        k: Places.
        n_ranked: Entries `[0, n_ranked)` are candidates, best first; higher ones only pinned.
        pinned: Entry that stands at a place, by place. Where candidates run out above it, it moves
            up to the end of the slate.
        quotas: What the quotas allow; counts on.
        chance: How the places are drawn, and among which arms; None takes the best open entry.
    """
    filled = Filled()
    if quotas.is_free and not pinned and chance is None:
        filled.draws = [Draw(entry, 1.0) for entry in range(min(k, n_ranked))]
        return filled
    n_entries = max([n_ranked, *(entry + 1 for entry in pinned.values())])
    left = np.ones(n_entries, np.bool_)
    left[n_ranked:] = False
    left[list(pinned.values())] = False
    waiting = dict(sorted(pinned.items()))
    for place in range(k):
        if place in waiting:
            draw = Draw(waiting.pop(place), 1.0)
        elif left.any():
            draw = _draw(place, left, quotas, chance, filled)
        elif waiting:
            draw = Draw(waiting.pop(next(iter(waiting))), 1.0)
        else:
            break
        left[draw.entry] = False
        quotas.take(place, draw.entry)
        filled.draws.append(draw)
    return filled


def _draw(
    place: int,
    left: np.ndarray,
    quotas: QuotaCount,
    chance: tuple[Explorer, Arms] | None,
    filled: Filled,
) -> Draw:
    """Take an entry for a place, and note what the quotas did."""
    if quotas.is_free:
        allowed, relaxed = left, None
    else:
        allowed, relaxed = quotas.allowed(place, left)
    if relaxed is not None:
        filled.relaxed[place] = relaxed
    open_entries = np.flatnonzero(allowed)
    held_back = np.flatnonzero(left[: open_entries[0]])
    for entry in held_back.tolist():
        if entry not in filled.passed:
            filled.passed[entry] = quotas.reason(place, entry) or "quota"
    if chance is None:
        return Draw(int(open_entries[0]), 1.0)
    explorer, arms = chance
    return explorer.draw(place, arms, open_entries)
