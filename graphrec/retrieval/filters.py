"""Which items a request allows: by id, publisher, keyword and age."""

from typing import Annotated

import numpy as np
from jaxtyping import Bool
from pydantic import BaseModel, ConfigDict, Field

from graphrec.arrays import DAY_S
from graphrec.errors import SettingsError
from graphrec.events.catalogue import Catalogue
from graphrec.events.ids import IdMap

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
    catalogue: Catalogue, ids: IdMap, filters: ItemFilters, at_s: int
) -> Bool[np.ndarray, " items"] | None:
    """Which items meet the rules at a moment.

    Args:
        catalogue: What is known of items; publication is as given, else the first event so far.
        ids: Rows of item ids.
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
    mask = np.ones(catalogue.n_items, dtype=bool)
    if filters.allow is not None:
        mask[:] = False
        mask[[ids.row(key) for key in filters.allow]] = True
    mask[[ids.row(key) for key in filters.deny]] = False
    if filters.publishers:
        mask &= catalogue.bearers("publisher", filters.publishers)
    if filters.keywords:
        mask &= catalogue.bearers("keywords", filters.keywords)
    youngest, oldest = filters.min_age_days, filters.max_age_days
    if youngest is None and oldest is None:
        return mask
    if youngest is not None and oldest is not None and youngest > oldest:
        raise SettingsError(f"min_age_days {youngest} is above max_age_days {oldest}")
    age_days = (at_s - catalogue.published_s) / DAY_S
    mask &= age_days >= (0 if youngest is None else youngest)
    return mask if oldest is None else mask & (age_days <= oldest)
