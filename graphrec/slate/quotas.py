"""Quotas: at most so many items of a publisher, category or other group in the first places."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int32, Int64
from pydantic import BaseModel, ConfigDict, Field, model_validator


class QuotaSettings(BaseModel):
    """How many items of one group may stand near each other; items without a group are free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str = Field(min_length=1, description="Column of groups, such as `publisher`.")
    at_most: int | None = Field(
        None, ge=1, le=1000, description="Most items of one group in the first `places`; null: any."
    )
    places: int = Field(10, ge=1, le=1000, description="First places the quota counts.")
    apart: bool = Field(False, description="Never two of one group in a row, in these places.")

    @model_validator(mode="after")
    def _check(self) -> "QuotaSettings":
        if self.at_most is None and not self.apart:
            raise ValueError(f"quota of {self.group} — give at_most, apart, or both")
        return self


class QuotaCount:
    """How far the quotas of one slate are used up while it is filled from the top."""

    def __init__(
        self,
        quotas: Sequence[QuotaSettings],
        codes: Mapping[str, Int32[np.ndarray, " k"]],
        pinned: Mapping[int, int],
    ) -> None:
        """Start with nothing but the pins.

        Args:
            quotas: The quotas; a group without a column is left out.
            codes: Group of each entry, by name of the column; -1 where it has none.
            pinned: Entry that is sure to stand at a place, by place; it is counted from the start.
        """
        self._quotas = [quota for quota in quotas if quota.group in codes]
        self._codes = [codes[quota.group] for quota in self._quotas]
        # The last count is of -1 and stays 0.
        self._counts: list[Int64[np.ndarray, " groups_and_none"]] = [
            np.zeros(int(code.max(initial=-1)) + 2, np.int64) for code in self._codes
        ]
        self._pinned = pinned
        self._last: int | None = None
        for place, entry in pinned.items():
            self._count(place, entry)

    @property
    def is_free(self) -> bool:
        """Whether there is nothing to keep to."""
        return not self._quotas

    def allowed(
        self, place: int, left: Bool[np.ndarray, " k"]
    ) -> tuple[Bool[np.ndarray, " k"], str | None]:
        """The entries that may stand at `place`.

        A quota that would leave nothing, of what the quotas before it leave, is relaxed for this
        place; those that keep groups apart come after all others.

        Args:
            place: 0-based place to fill next; those above it are filled.
            left: Entries not placed yet, at least one.

        Returns:
            Entries that may stand there, at least one, and the quotas that had to be relaxed.
        """
        rules = [(quota.group, self._full(which)) for which, quota in self._quotas_at(place)]
        rules += [
            (f"{quota.group} apart", self._beside(which, place))
            for which, quota in self._quotas_at(place)
            if quota.apart
        ]
        relaxed: list[str] = []
        open_now = left
        for name, barred in rules:
            narrower = open_now & ~barred
            if narrower.any():
                open_now = narrower
            else:
                relaxed.append(name)
        return open_now, ", ".join(relaxed) or None

    def take(self, place: int, entry: int) -> None:
        """Note that `entry` stands at `place`."""
        if place not in self._pinned:
            self._count(place, entry)
        self._last = entry

    def reason(self, place: int, entry: int) -> str | None:
        """Name of the first quota that bars `entry` from `place`; None where none does."""
        for which, quota in self._quotas_at(place):
            if self._full(which)[entry]:
                return f"{quota.group} quota"
            if quota.apart and self._beside(which, place)[entry]:
                return f"{quota.group} apart"
        return None

    def _quotas_at(self, place: int) -> list[tuple[int, QuotaSettings]]:
        return [(n, quota) for n, quota in enumerate(self._quotas) if place < quota.places]

    def _count(self, place: int, entry: int) -> None:
        for which, _ in self._quotas_at(place):
            code = self._codes[which][entry]
            if code >= 0:
                self._counts[which][code] += 1

    def _full(self, which: int) -> Bool[np.ndarray, " k"]:
        limit = self._quotas[which].at_most
        code = self._codes[which]
        if limit is None:
            return np.zeros(len(code), np.bool_)
        full: Bool[np.ndarray, " k"] = (self._counts[which] >= limit)[code]
        return full

    def _beside(self, which: int, place: int) -> Bool[np.ndarray, " k"]:
        """Entries of the group that stands just above, or is pinned just below."""
        code = self._codes[which]
        barred = np.zeros(len(code), np.bool_)
        for neighbour in (self._last, self._pinned.get(place + 1)):
            if neighbour is not None and code[neighbour] >= 0:
                barred |= code == code[neighbour]
        return barred
