"""Which items a request allows: by id, publisher, keyword and age."""

from typing import Annotated

import numpy as np
import polars as pl
from jaxtyping import Bool
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S
from graphrec.errors import DataError, SettingsError
from graphrec.events.dataset import Dataset

Days = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ItemFilters(BaseModel):
    """Rules an item has to meet; rules that are left out let every item through."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[int | str, ...] | None = Field(None, description="Only these item ids.")
    deny: tuple[int | str, ...] = Field((), description="Never these item ids.")
    publishers: tuple[str, ...] = Field((), description="Only items of one of these publishers.")
    keywords: tuple[str, ...] = Field((), description="Only items with one of these keywords.")
    min_age_days: Days | None = Field(None, description="Published at least this long ago, days.")
    max_age_days: Days | None = Field(None, description="Published at most this long ago, days.")


def allowed_items(
    dataset: Dataset, filters: ItemFilters, at_s: int
) -> Bool[np.ndarray, " items"] | None:
    """Which items meet the rules at a moment.

    Args:
        dataset: Holds the items; publication is as given, else the first event.
        filters: The rules.
        at_s: The moment ages are counted from, UTC seconds; items published later have a negative
            age and meet no rule on age.

    Returns:
        A mask over item rows, or None where no rule is set.

    Raises:
        UnknownIdError: An allowed or denied id is not in the log.
        DataError: The items carry no such column, or nobody of that name.
        SettingsError: The youngest allowed age is above the oldest.
    """
    if filters == ItemFilters():
        return None
    mask = np.ones(dataset.n_items, dtype=bool)
    ids = dataset.ids["item"]
    if filters.allow is not None:
        mask[:] = False
        mask[[ids.row(key) for key in filters.allow]] = True
    mask[[ids.row(key) for key in filters.deny]] = False
    for column, wanted in (("publisher", filters.publishers), ("keywords", filters.keywords)):
        if wanted:
            mask &= _has_any(dataset.items, column, wanted)
    mask &= _of_age(dataset, filters, at_s)
    return mask


def _has_any(
    items: pl.DataFrame, column: str, wanted: tuple[str, ...]
) -> Bool[np.ndarray, " items"]:
    if column not in items.columns:
        raise DataError(f"cannot filter by {column} — the log's items have no such column")
    # One name after another of all items, a null for each that bears none.
    names = items[column].explode(empty_as_null=True)
    is_wanted = np.zeros(len(names), np.bool_)
    for name in wanted:
        is_it = (names == name).fill_null(value=False).to_numpy()
        if not is_it.any():
            n_known = names.drop_nulls().n_unique()
            raise DataError(f"no item has {column} {name!r} — {n_known:,} names are known")
        is_wanted |= is_it
    n_names = np.maximum(items[column].list.len().fill_null(0).to_numpy(), 1).astype(np.int64)
    return np.logical_or.reduceat(is_wanted, np.cumsum(n_names) - n_names)


def _of_age(dataset: Dataset, filters: ItemFilters, at_s: int) -> Bool[np.ndarray, " items"]:
    youngest, oldest = filters.min_age_days, filters.max_age_days
    if youngest is None and oldest is None:
        return np.ones(dataset.n_items, dtype=bool)
    if youngest is not None and oldest is not None and youngest > oldest:
        raise SettingsError(f"min_age_days {youngest} is above max_age_days {oldest}")
    age_days = (at_s - dataset.published_s()) / DAY_S
    old_enough = age_days >= (0 if youngest is None else youngest)
    return old_enough & (age_days <= (np.inf if oldest is None else oldest))
