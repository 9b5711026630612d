"""Pages as they were shown and answered, with the probability of every item at its place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from graphrec.errors import DataError
from graphrec.stages import Queries, Slate

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class LoggedPages:
    """What a logging policy showed, and what came of it.

    Attributes:
        item: Items by place; -1 pads a short page at its end.
        propensity: Probability of each item at its place given those above it, in (0, 1].
        reward: What came of each shown item, such as 1 for a click and 0 for none.
        user_row: Who was shown each page; pages of one user are not independent.
        time_s: When, UTC seconds.
    """

    item: Int32[np.ndarray, "pages places"]
    propensity: Float64[np.ndarray, "pages places"]
    reward: Float64[np.ndarray, "pages places"]
    user_row: Int32[np.ndarray, " pages"]
    time_s: Int64[np.ndarray, " pages"]

    def __post_init__(self) -> None:
        shape = self.item.shape
        for name in ("propensity", "reward"):
            found = getattr(self, name).shape
            if found != shape:
                raise DataError(f"{name} is of shape {found}, items of {shape} — they must agree")
        for name in ("user_row", "time_s"):
            if len(getattr(self, name)) != len(self.item):
                raise DataError(
                    f"{name} has {len(getattr(self, name))} entries for {len(self.item)} pages"
                )

    def __len__(self) -> int:
        return len(self.item)

    @property
    def shown(self) -> Bool[np.ndarray, "pages places"]:
        """Where an item stood."""
        return self.item >= 0

    def refuse_bad(self) -> None:
        """Check that the log can be reweighted.

        Raises:
            DataError: There is no page, a propensity of a shown item is NaN, 0, below it or above
                1, or a reward is not finite.
        """
        if not len(self) or not self.shown.any():
            raise DataError("no page with an item was logged — there is nothing to reweight")
        chance = self.propensity
        fine = (chance > 0) & (chance <= 1 + _ROUNDING)
        _refuse_at(self.shown & ~fine, chance, "propensity", "in (0, 1] where an item was shown")
        _refuse_at(self.shown & ~np.isfinite(self.reward), self.reward, "reward", "finite")

    def take(self, which: Int64[np.ndarray, " some"] | Bool[np.ndarray, " pages"]) -> "LoggedPages":
        """The pages at `which`, in that order."""
        columns = (self.item, self.propensity, self.reward, self.user_row, self.time_s)
        return LoggedPages(*(column[which] for column in columns))

    @classmethod
    def of_slate(
        cls, slate: Slate, queries: Queries, reward: Float64[np.ndarray, "pages places"]
    ) -> "LoggedPages":
        """Pages of an arranged slate and what came of them; undrawn places have propensity 1."""
        item = slate.shown.item_row
        chance = np.ones(item.shape) if slate.propensity is None else slate.propensity
        return cls(item, chance.astype(np.float64), reward, queries.user_row, queries.time_s)


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """The policy that is asked about, on the pages that were logged.

    Attributes:
        probability: Probability with which it shows the logged item at its place, given the logged
            items above it, in [0, 1]; not read in padding.
        unsupported: Its probability, at each place, of items that the logging policy could not have
            shown there; None where it has none.
    """

    probability: Float64[np.ndarray, "pages places"]
    unsupported: Float64[np.ndarray, "pages places"] | None = None

    def refuse_bad(self, pages: LoggedPages) -> None:
        """Check the probabilities against the pages.

        Raises:
            DataError: Shapes differ, or a probability is NaN or outside [0, 1].
        """
        columns = {"target probability": self.probability, "unsupported": self.unsupported}
        for name, column in columns.items():
            if column is None:
                continue
            if column.shape != pages.item.shape:
                raise DataError(
                    f"{name} is of shape {column.shape}, items of {pages.item.shape} — they must "
                    "agree"
                )
            fine = (column >= 0) & (column <= 1 + _ROUNDING)
            _refuse_at(pages.shown & ~fine, column, name, "in [0, 1]")

    @classmethod
    def of_slates(
        cls, pages: LoggedPages, item: Int32[np.ndarray, "pages places"]
    ) -> "TargetPolicy":
        """A policy that shows given slates: 1 where it shows the logged item, 0 elsewhere."""
        return cls((pages.item == item).astype(np.float64))


def _refuse_at(
    bad: Bool[np.ndarray, "pages places"],
    values: Float64[np.ndarray, "pages places"],
    name: str,
    rule: str,
) -> None:
    if bad.any():
        page, place = np.argwhere(bad)[0].tolist()
        raise DataError(
            f"{name} {values[page, place]:g} of page {page}, place {place}, and "
            f"{int(bad.sum()) - 1} more — must be {rule}"
        )
