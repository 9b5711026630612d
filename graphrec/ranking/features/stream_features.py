"""What other streams say — likes, reports, lists shown — of a candidate and of the pair."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from graphrec.arrays import NO_ROW
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

    def __init__(
        self,
        rates: tuple[Rate, ...],
        half_life_s: float,
        prior_strength: float,
        publisher: Int32[np.ndarray, " items"] | None = None,
    ) -> None:
        """Know which rates.

        Args:
            rates: The rates.
            half_life_s: Of counts, seconds.
            prior_strength: Events that the prior is worth.
            publisher: Publisher of each item, -1 for none: rates are by publisher. None: by item.
        """
        self._rates = rates
        self._publisher = publisher
        self._n_publishers = 0 if publisher is None else int(publisher.max(initial=-1)) + 1
        self._prior_strength = prior_strength
        self._above = {rate.numerator: RowCounters((half_life_s,)) for rate in rates}
        self._below = {rate.denominator: RowCounters((half_life_s,)) for rate in rates}
        family = "rate" if publisher is None else "publisher_rate"
        self.features = tuple(
            Feature(
                f"{family}.{rate.name}",
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
        if stream not in self._above and stream not in self._below:
            return
        row, n_rows = self._rows(events.item_row), events.n_items
        time_s, weight = events.time_s, events.weight
        if self._publisher is not None:
            known = row >= 0
            row, time_s, weight = row[known], time_s[known], weight[known]
            n_rows = self._n_publishers
        if stream in self._above:
            self._above[stream].absorb(time_s, row, weight, n_rows)
        if stream in self._below:
            self._below[stream].absorb(time_s, row, np.ones(len(row), np.float32), n_rows)

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write a column a rate."""
        row = self._rows(asked.item_row)
        for n, rate in enumerate(self._rates):
            above, below = self._above[rate.numerator], self._below[rate.denominator]
            fill_rates(
                asked.time_s,
                row,
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

    def _rows(self, item_row: Int32[np.ndarray, " *any"]) -> Int32[np.ndarray, " *any"]:
        if self._publisher is None:
            return item_row
        known = (item_row >= 0) & (item_row < len(self._publisher))
        row = np.where(known, self._publisher[np.where(known, item_row, 0)], np.int32(NO_ROW))
        return np.ascontiguousarray(row, np.int32)


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
