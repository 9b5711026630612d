"""What is in a log: counts, time range, repeats, and how much of its end is new."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64

from graphrec.events.dataset import Dataset
from graphrec.events.log import NodeType
from graphrec.events.splits import time_split
from graphrec.stages import Interactions


@dataclass(frozen=True, slots=True)
class TestShares:
    """How much of the test part of a 70/15/15 cut by time a learner could not have seen.

    Attributes:
        n_test: User–item events in the test part.
        new_users: Share of them whose user has no event in the training part, in [0, 1].
        new_items: Share whose item has none there.
        repeated_pairs: Share whose user did something with that item at any earlier event.
    """

    __test__ = False

    n_test: int
    new_users: float
    new_items: float
    repeated_pairs: float


@dataclass(frozen=True, slots=True)
class LogReport:
    """What is in a log.

    Attributes:
        name: Of the data set.
        n_events: Edges of every type, items' own included.
        n_by_type: Edges of each type, in the order of the types.
        n_nodes: Rows of each node type.
        first_s: Time of the first event, UTC seconds.
        last_s: Time of the last one.
        n_interactions: User–item events, which the figures below count.
        n_repeated_ids: Events left out in reading because an earlier one has the same id.
        n_untimed: Rows left out in reading because they have no time.
        n_duplicates: Events that repeat user, item and second of an earlier event.
        ties: Share of events that share their second with another one.
        repeats: Share of events whose user did something with that item before.
        test: How new the end of the log is; None where the log has no user–item event.
        items_without_event: Items that nobody touched.
        items_without_title: Items without a title.
        items_without_publisher: Items without a publisher.
        items_without_keywords: Items without keywords.
        n_impressions: Shown lists.
        unshown_clicks: Shown lists with a click on an item that is not among them.
    """

    name: str
    n_events: int
    n_by_type: dict[str, int]
    n_nodes: dict[NodeType, int]
    first_s: int
    last_s: int
    n_interactions: int
    n_repeated_ids: int
    n_untimed: int
    n_duplicates: int
    ties: float
    repeats: float
    test: TestShares | None
    items_without_event: int
    items_without_title: int
    items_without_publisher: int
    items_without_keywords: int
    n_impressions: int
    unshown_clicks: int


def check_dataset(dataset: Dataset) -> LogReport:
    """Count what is in a data set; shares are of its user–item events of every role."""
    log = dataset.log
    counts = np.bincount(log.edge_type, minlength=len(log.edge_types)).tolist()
    every = {kind.name for kind in log.edge_types}
    acts = log.interactions(names=every)
    n = len(acts)
    pairs = pl.DataFrame(
        {"pair": acts.user_row * np.int64(dataset.n_items) + acts.item_row, "time_s": acts.time_s}
    )
    tied = _tied(acts.time_s)
    seen_before = ~pairs["pair"].is_first_distinct().to_numpy()
    touched = np.zeros(dataset.n_items, dtype=bool)
    touched[acts.item_row] = True
    return LogReport(
        dataset.name,
        len(log),
        {kind.name: count for kind, count in zip(log.edge_types, counts, strict=True)},
        dict(log.n_nodes),
        int(log.time_s[0]) if len(log) else 0,
        int(log.time_s[-1]) if len(log) else 0,
        n,
        dataset.n_repeated,
        dataset.n_untimed,
        int(tied.sum()) - pairs.filter(tied).n_unique(),
        _share(tied),
        _share(seen_before),
        _test_shares(acts, seen_before) if n else None,
        int((~touched).sum()),
        _without(dataset.items, "title"),
        _without(dataset.items, "publisher"),
        _without(dataset.items, "keywords"),
        0 if dataset.impressions is None else len(dataset.impressions),
        _unshown(dataset.impressions),
    )


def _tied(time_s: Int64[np.ndarray, " events"]) -> Bool[np.ndarray, " events"]:
    tied = np.zeros(len(time_s), dtype=bool)
    same = time_s[1:] == time_s[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    return tied


def _test_shares(acts: Interactions, seen_before: Bool[np.ndarray, " events"]) -> TestShares:
    split = time_split(acts)
    users = np.zeros(acts.n_users, dtype=bool)
    items = np.zeros(acts.n_items, dtype=bool)
    users[split.train.user_row] = True
    items[split.train.item_row] = True
    n_test = len(split.test)
    return TestShares(
        n_test,
        _share(~users[split.test.user_row]),
        _share(~items[split.test.item_row]),
        _share(seen_before[len(acts) - n_test :]),
    )


def _share(claims: Bool[np.ndarray, " events"]) -> float:
    return float(claims.mean()) if len(claims) else 0.0


def _without(items: pl.DataFrame, column: str) -> int:
    if column not in items.columns:
        return len(items)
    values = items[column]
    empty = values.list.len() == 0 if isinstance(values.dtype, pl.List) else values == ""
    return int((values.is_null() | empty.fill_null(value=True)).sum())


def _unshown(impressions: pl.DataFrame | None) -> int:
    if impressions is None or not {"shown", "clicked"} <= set(impressions.columns):
        return 0
    outside = impressions["clicked"].list.set_difference(impressions["shown"])
    return int((outside.list.len() > 0).sum())
