"""A log with all that is needed to read it: ids, and tables of items, users and impressions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Int64

from graphrec.arrays import NEVER_S
from graphrec.events.ids import IdMap
from graphrec.events.log import EventLog, NodeType


@dataclass(frozen=True, slots=True)
class Dataset:
    """An event log, its ids, and its tables.

    Attributes:
        name: Folder or file stem, for reports.
        log: The events.
        ids: One map per node type that occurs.
        items: One row per item row, in row order: `item_id`, and where known `title`, `publisher`
            (list of strings), `keywords` (list of strings), `published_s`, and custom features.
        users: One row per user row, in row order: `user_id` and custom features.
        impressions: Shown lists: `user_id`, `time_s`, `shown` (list of item ids in display order),
            `clicked` (list of item ids), and whatever else was logged; None where there are none.
        sha256: Hash of the files it was read from, hex; empty where it was not read from files.
        n_repeated: Events that were left out because an earlier one has the same event id.
        n_untimed: Rows that were left out, as asked, because they have no time.
    """

    name: str
    log: EventLog
    ids: Mapping[NodeType, IdMap]
    items: pl.DataFrame
    users: pl.DataFrame
    impressions: pl.DataFrame | None = None
    sha256: str = ""
    n_repeated: int = 0
    n_untimed: int = 0

    @property
    def n_users(self) -> int:
        """Users that have a row."""
        return self.log.n_nodes.get("user", 0)

    @property
    def n_items(self) -> int:
        """Items that have a row."""
        return self.log.n_nodes.get("item", 0)

    def title(self, item_row: int) -> str:
        """The item's title, or its id where it has none."""
        if "title" in self.items.columns and item_row < len(self.items):
            title = self.items["title"][item_row]
            if title is not None:
                return str(title)
        return str(self.ids["item"].key(item_row))

    def given_published_s(self) -> Int64[np.ndarray, " items"]:
        """When each item was published, UTC seconds, `NEVER_S` where the items table has no date.

        What learns from events dates the others by them: the whole log would tell what comes.
        """
        if "published_s" not in self.items.columns:
            return np.full(self.n_items, NEVER_S, np.int64)
        given = self.items["published_s"].cast(pl.Int64)
        return np.asarray(given.fill_null(NEVER_S).to_numpy(), np.int64)

    def published_s(self) -> Int64[np.ndarray, " items"]:
        """When each item was published: as given, else its first event, else the log's end."""
        given = self.given_published_s()
        if not (given == NEVER_S).any():
            return given
        end_s = int(self.log.time_s[-1]) if len(self.log) else 0
        first = np.full(self.n_items, end_s, dtype=np.int64)
        watched = self.log.interactions(roles={"positive", "negative", "explicit"})
        np.minimum.at(first, watched.item_row, watched.time_s)
        return np.where(given == NEVER_S, first, given)
