"""What other streams say — likes, reports, lists shown — of a candidate and of the pair."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from graphrec.kernels.rank_features import fill_pair_table, fill_rates
from graphrec.ranking.features.counters import PairCounters, RowCounters, pair_keys
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one stream happens for each event of another, by item.

    Attributes:
        name: Of the feature.
        numerator: The stream that is counted, by the weights of its events.
        denominator: The stream it is divided by, each event counting 1.
        prior: The rate of an item nothing is known of.
    """

    name: str
    numerator: str
    denominator: str
    prior: float


class RateFeatures:
    """Smoothed, fading rates of an item: clicks a showing, likes a watch, reports a watch."""

    def __init__(self, rates: tuple[Rate, ...], half_life_s: float, prior_strength: float) -> None:
        """Know which rates.

        Args:
            rates: The rates.
            half_life_s: Of counts, seconds.
            prior_strength: Events that the prior is worth.
        """
        self._rates = rates
        self._prior_strength = prior_strength
        self._above = {rate.numerator: RowCounters((half_life_s,)) for rate in rates}
        self._below = {rate.denominator: RowCounters((half_life_s,)) for rate in rates}
        self.features = tuple(
            Feature(
                f"rate.{rate.name}",
                f"{rate.numerator} for each of {rate.denominator}, fading, smoothed",
                "1",
                "streams",
            )
            for rate in rates
        )

    def reset(self) -> None:
        """Forget every event."""
        for counters in (*self._above.values(), *self._below.values()):
            counters.reset()

    def absorb(self, stream: str, events: Interactions) -> None:
        """Count events of a stream that a rate names."""
        if stream in self._above:
            self._above[stream].absorb(
                events.time_s, events.item_row, events.weight, events.n_items
            )
        if stream in self._below:
            ones = np.ones(len(events), np.float32)
            self._below[stream].absorb(events.time_s, events.item_row, ones, events.n_items)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write a column a rate."""
        for n, rate in enumerate(self._rates):
            above, below = self._above[rate.numerator], self._below[rate.denominator]
            fill_rates(
                asked.time_s,
                asked.item_row,
                above.half_life_s,
                above.decayed,
                above.last_s,
                below.decayed,
                below.last_s,
                rate.prior,
                self._prior_strength,
                at + n,
                out,
            )


class PairStreamFeatures:
    """How often, and how long ago, the user met the candidate in other streams."""

    def __init__(self, streams: tuple[str, ...], half_life_s: float) -> None:
        """Follow `streams`."""
        self._pairs = {stream: PairCounters(half_life_s) for stream in streams}
        columns = []
        for stream in streams:
            columns += [
                Feature(
                    f"pair.{stream}", f"log(1 + {stream} of the user and the item)", "1", "streams"
                ),
                Feature(
                    f"pair.{stream}_since",
                    f"log(1 + time since its last {stream})",
                    "log s",
                    "streams",
                ),
            ]
        self.features = tuple(columns)

    def reset(self) -> None:
        """Forget every event."""
        for pairs in self._pairs.values():
            pairs.reset()

    def absorb(self, stream: str, events: Interactions) -> None:
        """Count events of a stream that is followed; anonymous ones are left out."""
        if stream not in self._pairs:
            return
        known = events.user_row >= 0
        keys = pair_keys(events.user_row[known], events.item_row[known])
        self._pairs[stream].absorb(keys, events.time_s[known], np.ones(len(keys), np.float32))

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write two columns a stream."""
        for n, pairs in enumerate(self._pairs.values()):
            fill_pair_table(
                asked.time_s,
                asked.queries.user_row,
                asked.item_row,
                pairs.key,
                pairs.total,
                pairs.last_s,
                at + 2 * n,
                out,
            )
