"""Click-through of what was shown, policy by policy: of items, and of whole pages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphrec.errors import DataError
from graphrec.evaluation.intervals import Interval, IntervalSettings, bootstrap_means
from graphrec.evaluation.logged_pages import LoggedPages


@dataclass(frozen=True, slots=True)
class ClickThrough:
    """How often what a policy showed was of use.

    Attributes:
        policy: Name of the policy.
        items: Share of shown items with a reward above 0.
        pages: Share of pages with at least one: did the user find anything?
        first: Share of first places with one.
        n_pages: Pages.
        n_users: Users.
    """

    policy: str
    items: Interval
    pages: Interval
    first: Interval
    n_pages: int
    n_users: int


def click_through(
    pages: LoggedPages, policy: Sequence[str], settings: IntervalSettings
) -> list[ClickThrough]:
    """Click-through of each policy, sorted by name, with intervals from whole users.

    A page without any item counts as one on which nothing was found.

    Args:
        pages: The pages; propensities are not read.
        policy: Who showed each page.
        settings: How intervals are drawn.

    Raises:
        DataError: There is not one policy for each page.
    """
    if len(policy) != len(pages):
        raise DataError(f"{len(policy)} policies for {len(pages)} pages — one for each")
    names = np.array(policy, dtype=object)
    table = []
    for name in sorted(set(policy)):
        some = pages.take(names == name)
        shown = some.shown
        hit = shown & (some.reward > 0)
        found = np.asarray(hit.any(axis=1), np.float64)
        of_items = np.repeat(some.user_row, shown.sum(axis=1))
        with_first = shown[:, :1].any(axis=1)
        items = bootstrap_means({"x": hit[shown].astype(np.float64)}, of_items, settings)["x"]
        first = bootstrap_means(
            {"x": np.asarray(hit[with_first, :1].any(axis=1), np.float64)},
            some.user_row[with_first],
            settings,
        )["x"]
        whole = bootstrap_means({"x": found}, some.user_row, settings)["x"]
        table.append(
            ClickThrough(name, items, whole, first, len(some), len(np.unique(some.user_row)))
        )
    return table
