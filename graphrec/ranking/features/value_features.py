"""What values, such as ratings, a user gives, an item gets, and a user gives to items alike."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from graphrec.arrays import NO_ROW
from graphrec.kernels.value_features import fill_name_values
from graphrec.ranking.features.counters import PairCounters, pair_keys
from graphrec.ranking.features.declared import Asked, Feature
from graphrec.ranking.features.name_features import NamesOfItems
from graphrec.stages import Interactions

_NO_FADING_S = 1e15


class ValueFeatures:
    """Means of a stream whose weights are values: by user, by item, by user and name.

    Every mean is drawn to the one above it: an item's and a user's to the mean of all values, a
    user's of a name to the user's own.
    """

    def __init__(
        self, stream: str, names: Mapping[str, NamesOfItems], prior_strength: float
    ) -> None:
        """Follow a stream.

        Args:
            stream: Whose events weigh what was given, such as ratings.
            names: Names of items by kind, such as `publisher`.
            prior_strength: Values that the mean above is worth.
        """
        self._stream = stream
        self._names = dict(names)
        self._prior_strength = prior_strength
        columns = []
        for who in ("user", "item"):
            columns += [
                Feature(f"{who}.{stream}_mean", f"mean {stream} of the {who}", "value", "streams"),
                Feature(f"{who}.{stream}_count", f"log(1 + {stream} of the {who})", "1", "streams"),
            ]
        columns.append(
            Feature(
                f"item.{stream}_spread",
                f"standard deviation of the item's {stream}",
                "value",
                "streams",
            )
        )
        for kind in self._names:
            columns += [
                Feature(
                    f"{kind}.{stream}_taste",
                    f"the user's {stream} of items of its {kind}s, less the user's mean",
                    "value",
                    "streams",
                ),
                Feature(
                    f"{kind}.{stream}_count",
                    f"log(1 + the user's {stream} of items of its {kind}s)",
                    "1",
                    "streams",
                ),
            ]
        self.features = tuple(columns)
        self.reset()

    def reset(self) -> None:
        """Forget every event."""
        self._users, self._items = _Sums(), _Sums()
        self._sums = {kind: PairCounters(_NO_FADING_S) for kind in self._names}
        self._counts = {kind: PairCounters(_NO_FADING_S) for kind in self._names}

    def absorb(self, stream: str, events: Interactions) -> None:
        """Add values of the stream; those of nobody count for the item alone."""
        if stream != self._stream:
            return
        known = events.user_row >= 0
        self._items.add(events.item_row, events.weight, events.n_items)
        self._users.add(events.user_row[known], events.weight[known], events.n_users)
        for kind, names in self._names.items():
            event, name = _names_of_events(names, events.item_row)
            of_user = known[event]
            event, name = event[of_user], name[of_user]
            keys = pair_keys(events.user_row[event], name)
            time_s, value = events.time_s[event], events.weight[event]
            self._sums[kind].absorb(keys, time_s, value)
            self._counts[kind].absorb(keys, time_s, np.ones_like(value))

    def fill(self, asked: Asked, at: int, out: Float32[np.ndarray, "users k features"]) -> None:
        """Write the family's columns; means are missing where no value is known at all."""
        is_real = asked.item_row != NO_ROW
        everything, n = self._items.sum.sum(), self._items.count.sum()
        overall = everything / n if n else np.nan
        user = np.broadcast_to(asked.queries.user_row[:, None], asked.item_row.shape)
        for table, row, column in ((self._users, user, at), (self._items, asked.item_row, at + 2)):
            mean, count = table.means(row, overall, self._prior_strength)
            out[..., column] = np.where(is_real, mean, np.nan)
            out[..., column + 1] = np.where(is_real, np.log1p(count), np.nan)
        out[..., at + 4] = np.where(is_real, self._items.spread(asked.item_row), np.nan)
        own, _ = self._users.means(asked.queries.user_row, overall, self._prior_strength)
        for number, (kind, names) in enumerate(self._names.items()):
            sums, counts = self._sums[kind], self._counts[kind]
            fill_name_values(
                asked.queries.user_row,
                asked.item_row,
                names.ptr,
                names.name_row,
                sums.key,
                sums.total,
                counts.key,
                counts.total,
                own,
                self._prior_strength,
                at + 5 + 2 * number,
                out,
            )


class _Sums:
    """Number, sum and sum of squares of values by row."""

    def __init__(self) -> None:
        self.count: Float64[np.ndarray, " rows"] = np.zeros(0)
        self.sum: Float64[np.ndarray, " rows"] = np.zeros(0)
        self._squares: Float64[np.ndarray, " rows"] = np.zeros(0)

    def add(
        self, row: Int32[np.ndarray, " events"], value: Float32[np.ndarray, " events"], n_rows: int
    ) -> None:
        if n_rows > len(self.count):
            more = max(n_rows, 2 * len(self.count)) - len(self.count)
            self.count, self.sum = np.pad(self.count, (0, more)), np.pad(self.sum, (0, more))
            self._squares = np.pad(self._squares, (0, more))
        np.add.at(self.count, row, 1.0)
        np.add.at(self.sum, row, value)
        np.add.at(self._squares, row, value.astype(np.float64) ** 2)

    def means(
        self, row: Int32[np.ndarray, "*shape"], overall: float, strength: float
    ) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
        """Means drawn to `overall`, and numbers; of a row that has no value `overall` and 0."""
        count, total = self._at(self.count, row), self._at(self.sum, row)
        return (total + strength * overall) / (count + strength), count

    def spread(self, row: Int32[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """Standard deviations; NaN below two values."""
        count = self._at(self.count, row)
        n = np.maximum(count, 1.0)
        variance = self._at(self._squares, row) / n - (self._at(self.sum, row) / n) ** 2
        return np.where(count >= 2, np.sqrt(np.maximum(variance, 0.0)), np.nan)

    def _at(
        self, column: Float64[np.ndarray, " rows"], row: Int32[np.ndarray, "*shape"]
    ) -> Float64[np.ndarray, "*shape"]:
        if not len(column):
            return np.zeros(row.shape)
        known = (row >= 0) & (row < len(column))
        return np.where(known, column[np.where(known, row, 0)], 0.0)


def _names_of_events(
    names: NamesOfItems, item_row: Int32[np.ndarray, " events"]
) -> tuple[Int64[np.ndarray, " pairs"], Int32[np.ndarray, " pairs"]]:
    """Each event once for every name its item bears."""
    inside = item_row < len(names.ptr) - 1
    safe = np.where(inside, item_row, 0)
    length = np.where(inside, names.ptr[safe + 1] - names.ptr[safe], 0)
    event = np.repeat(np.arange(len(item_row)), length)
    first = np.cumsum(length) - length
    name = names.name_row[names.ptr[safe[event]] + np.arange(len(event)) - first[event]]
    return event, name
