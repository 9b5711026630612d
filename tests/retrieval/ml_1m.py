"""The last-out split of MovieLens-1M in its known order, for comparing implementations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from graphrec.events.history import HistoryIndex
from graphrec.stages import Interactions, Queries


@dataclass(frozen=True, slots=True)
class LastOut:
    train: Interactions
    known: Interactions
    queries: Queries
    target: np.ndarray
    cut_s: int


def last_out(folder: Path) -> LastOut:
    """Test item: each user's last; training ends two before it, what is known one before it."""
    log = pl.read_parquet(folder / "ml-1m-order" / "events.parquet")
    log = log.filter(pl.col("seq_pos").is_not_null()).sort("seq_pos", "user_id")
    user_row = (log["user_id"].rank("dense") - 1).to_numpy().astype(np.int32)
    item_row = (log["item_id"].rank("dense") - 1).to_numpy().astype(np.int32)
    position = log["seq_pos"].to_numpy().astype(np.int64)
    left = np.bincount(user_row)[user_row] - 1 - position
    n_users, n_items = int(user_row.max()) + 1, int(item_row.max()) + 1

    def events(which: np.ndarray) -> Interactions:
        weight = np.ones(int(which.sum()), np.float32)
        return Interactions(
            position[which], user_row[which], item_row[which], weight, n_users, n_items
        )

    known, last = events(left >= 1), events(left == 0)
    target = np.zeros(n_users, np.int32)
    target[last.user_row] = last.item_row
    users = np.arange(n_users, dtype=np.int32)
    cut_s = int(position.max()) + 1
    queries = HistoryIndex(known).queries(users, np.full(n_users, cut_s))
    return LastOut(events(left >= 2), known, queries, target, cut_s)


def figures(score: np.ndarray, split: LastOut) -> tuple[float, float]:
    """HR@10 and NDCG@10 among the items not used before, ties averaged."""
    open_score = np.array(score, np.float64)
    users = np.repeat(np.arange(len(score)), np.diff(split.queries.history_ptr))
    open_score[users, split.queries.history_item] = -np.inf
    own = open_score[np.arange(len(score)), split.target][:, None]
    ahead = (open_score > own).sum(axis=1) + ((open_score == own).sum(axis=1) - 1) / 2
    hit = ahead < 10
    return float(hit.mean()), float((hit / np.log2(ahead + 2)).mean())
