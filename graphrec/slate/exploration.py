"""Exploration: what stands at a place is drawn, and with what probability is kept.

An arm is an item, or a group (a topic) that stands for the best of its items left. At each place an
arm is drawn among those open there, given all places above: so the probability of every item at its
place is known, whatever quotas and pins leave open.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import betainc, betaincinv

from graphrec.arrays import NO_ROW
from graphrec.errors import DataError
from graphrec.kernels.hash_random import draw_uniforms, fold_queries
from graphrec.stages import Queries

_NODES, _WEIGHTS = (x / 2 for x in np.polynomial.legendre.leggauss(128))
_UNIT_NODES: Final = _NODES + 0.5
_ARMS_APART: Final = 1 << 32
_SALT: Final = 0x51A7E
_LEAST: Final = 1e-12


class ExplorationSettings(BaseModel):
    """How what is shown is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["none", "epsilon", "softmax", "thompson"] = Field(
        "none", description="Draw nothing, ε-greedy, softmax of relevance, or Thompson sampling."
    )
    level: str = Field(
        "item", min_length=1, description="`item`, or the column of groups that are drawn."
    )
    epsilon: float = Field(
        0.1, ge=0, le=1, description="ε: probability of an even draw among all arms open."
    )
    temperature: float = Field(
        0.1, gt=0, le=1000, description="Softmax: relevance is divided by it."
    )
    prior_clicks: float = Field(1.0, gt=0, le=1e6, description="Thompson: clicks before any.")
    prior_skips: float = Field(20.0, gt=0, le=1e6, description="Thompson: skips before any.")
    reach: int = Field(
        50, ge=1, le=1000, description="Thompson: draw among the first so many left of a query."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Equal seeds give equal draws of a visit.")


class ArmCounts:
    """How often each arm was shown and clicked: the state that Thompson sampling reads."""

    def __init__(self, n_arms: int) -> None:
        """Start without any show; an arm is an item row, or a group row at the level of groups."""
        self.shown: Float64[np.ndarray, " arms"] = np.zeros(n_arms)
        self.clicked: Float64[np.ndarray, " arms"] = np.zeros(n_arms)

    def absorb(
        self, arm: Int32[np.ndarray, " shows"], clicked: Float64[np.ndarray, " shows"]
    ) -> None:
        """Count shows of arms and whether each was clicked (1) or not (0); -1 is passed over.

        Raises:
            DataError: A click is neither 0 nor 1.
        """
        if not np.isin(clicked, (0.0, 1.0)).all():
            raise DataError("a show was clicked other than 0 or 1 times — one click a show at most")
        real = arm >= 0
        n_arms = max(int(arm.max(initial=-1)) + 1, len(self.shown))
        if n_arms > len(self.shown):
            self.shown, self.clicked = (
                np.concatenate([column, np.zeros(n_arms - len(column))])
                for column in (self.shown, self.clicked)
            )
        self.shown += np.bincount(arm[real], minlength=n_arms)
        self.clicked += np.bincount(arm[real], clicked[real], minlength=n_arms)

    def read(
        self, arm: Int32[np.ndarray, " k"]
    ) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Clicks and skips of arms; 0 of those never seen and of -1."""
        known = (arm >= 0) & (arm < len(self.shown))
        at = np.where(known, arm, 0)
        if not len(self.shown):
            return np.zeros(len(arm)), np.zeros(len(arm))
        clicks = np.where(known, self.clicked[at], 0.0)
        return clicks, np.where(known, self.shown[at], 0.0) - clicks


@dataclass(frozen=True, slots=True)
class Arms:
    """The entries of one query as arms, best first.

    Attributes:
        of: Arm of each entry: its item row, or its group's row, -1 where it has none.
        relevance: Relevance of each entry, on the scale of the temperature.
        clicks: Clicks of each entry's arm.
        skips: Shows of it without a click.
        one_item: Every entry is an arm of its own.
    """

    of: Int32[np.ndarray, " k"]
    relevance: Float64[np.ndarray, " k"]
    clicks: Float64[np.ndarray, " k"]
    skips: Float64[np.ndarray, " k"]
    one_item: bool

    def heads(self, open_entries: Int64[np.ndarray, " open"]) -> Int64[np.ndarray, " arms"]:
        """The best open entry of each arm, best first; `open_entries` ascend."""
        if self.one_item:
            return open_entries
        _, first = np.unique(self.of[open_entries], return_index=True)
        return open_entries[np.sort(first)]


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn for a place.

    Attributes:
        entry: The entry.
        propensity: Probability with which it was drawn, in (0, 1].
    """

    entry: int
    propensity: float


class Explorer:
    """Draws the places of one query: every draw is a hash of (seed, user, time, place, arm)."""

    def __init__(
        self, settings: ExplorationSettings, queries: Queries, query: int, n_before: int = 0
    ) -> None:
        """Make ready for the places of one visit.

        Args:
            settings: How places are drawn.
            queries: Who asks, and when.
            query: Which of them.
            n_before: Places of earlier pages: each place of a visit has draws of its own.
        """
        self._settings = settings
        self._n_before = n_before
        key = np.empty(1, np.uint64)
        one = slice(query, query + 1)
        fold_queries(settings.seed ^ _SALT, queries.user_row[one], queries.time_s[one], key)
        self._key = key

    def draw(self, place: int, arms: Arms, open_entries: Int64[np.ndarray, " open"]) -> Draw:
        """Draw one of the open entries, at least one, for a place.

        Args:
            place: 0-based place.
            arms: The query's entries.
            open_entries: Entries that may stand there, ascending.

        Returns:
            ε-greedy: the best with 1 - ε, and ε spread evenly over all open arms. Softmax: arms by
            exp(relevance of their best entry / temperature), which over the places is a
            Plackett–Luce draw without replacement. Thompson: the arm of the largest of independent
            draws from the Beta posteriors of clicks, drawn anew for each place, among the arms of
            the first `reach` open entries; its probability is the integral of its density times
            the others' distribution functions, by Gauss–Legendre with 128 nodes in its quantiles.

        Source:
            Sutton and Barto 2018, 2.2 and 2.8; Chapelle and Li 2011 (Thompson sampling).
        """
        place += self._n_before
        match self._settings.method:
            case "epsilon":
                return self._epsilon(place, arms.heads(open_entries))
            case "softmax":
                return self._softmax(place, arms, arms.heads(open_entries))
            case "thompson":
                return self._thompson(place, arms, open_entries)
        return Draw(int(open_entries[0]), 1.0)

    def _epsilon(self, place: int, heads: Int64[np.ndarray, " arms"]) -> Draw:
        epsilon, n = self._settings.epsilon, len(heads)
        x = float(self._uniform(np.array([place]))[0])
        which = int(x / epsilon * n) if x < epsilon else 0
        which = min(which, n - 1)
        even = epsilon / n
        return Draw(int(heads[which]), even + (1.0 - epsilon if which == 0 else 0.0))

    def _softmax(self, place: int, arms: Arms, heads: Int64[np.ndarray, " arms"]) -> Draw:
        logit = arms.relevance[heads] / self._settings.temperature
        rising = np.cumsum(np.exp(logit - logit.max()))
        x = float(self._uniform(np.array([place]))[0])
        which = min(int(np.searchsorted(rising, x * rising[-1], side="right")), len(heads) - 1)
        below = rising[which - 1] if which else 0.0
        return Draw(int(heads[which]), max(float((rising[which] - below) / rising[-1]), _LEAST))

    def _thompson(self, place: int, arms: Arms, open_entries: Int64[np.ndarray, " open"]) -> Draw:
        heads = arms.heads(open_entries[: self._settings.reach])
        a = self._settings.prior_clicks + arms.clicks[heads]
        b = self._settings.prior_skips + arms.skips[heads]
        counter = (place + 1) * _ARMS_APART + (arms.of[heads].astype(np.int64) - NO_ROW)
        which = int(np.argmax(betaincinv(a, b, self._uniform(counter))))
        return Draw(int(heads[which]), chance_of_largest(a, b, which))

    def _uniform(self, counter: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        out = np.empty(len(counter))
        draw_uniforms(np.repeat(self._key, len(counter)), counter, out)
        return out


def chance_of_largest(
    a: Float64[np.ndarray, " arms"], b: Float64[np.ndarray, " arms"], which: int
) -> float:
    """Probability that one of several independent Beta variables is the largest, at least 1e-12.

    Args:
        a: First parameters, > 0.
        b: Second parameters, > 0.
        which: The variable.
    """
    quantile = betaincinv(a[which], b[which], _UNIT_NODES)
    others = np.arange(len(a)) != which
    pairs, n_alike = np.unique(np.stack([a[others], b[others]]), axis=1, return_counts=True)
    below = betainc(pairs[0][:, None], pairs[1][:, None], quantile)
    chance = float(_WEIGHTS @ np.prod(below ** n_alike[:, None], axis=0))
    return min(max(chance, _LEAST), 1.0)
