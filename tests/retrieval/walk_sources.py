"""Walk sources on hand-made graphs."""

import numpy as np

from graphrec.retrieval.walk_settings import WalkSettings
from graphrec.stages import Queries
from tests.graph.walk_worlds import HandMadeGraph

WALK = {
    "restart": 0.5,
    "weight_power": 1.0,
    "degree_budgets": True,
    "multi_hit_boost": True,
    "half_life_events": None,
}


def source_on(rows, kind, **settings):
    """A source of class `kind` that walks by `WALK`, on a graph of {target item row: weight}."""
    source = kind(walk=WalkSettings(**{**WALK, **settings}))
    source.follow(HandMadeGraph(rows), 1000)
    return source


def sessions(*items, time_s=1000):
    """One anonymous query for each list of item rows, newest first."""
    return Queries.of_sessions([np.array(row, np.int32) for row in items], time_s)


def queries_of_users(histories, time_s=1000):
    """User u's query is `histories[u]`, newest first, an event an hour."""
    lengths = [0, *(len(items) for items in histories)]
    n = sum(lengths)
    age = np.concatenate([np.arange(len(items)) for items in histories] + [np.empty(0, int)])
    return Queries(
        np.arange(len(histories), dtype=np.int32),
        np.full(len(histories), time_s, np.int64),
        np.cumsum(lengths).astype(np.int64),
        np.array([item for items in histories for item in items], np.int32),
        (time_s - 1 - 3600 * age).astype(np.int64),
        np.ones(n, np.float32),
    )


def some_of(queries, which):
    """The queries at `which`, in that order."""
    which = np.asarray(which)
    everything = np.arange(len(queries.history_item))
    slots = [everything[queries.history(q)] for q in which.tolist()]
    flat = np.concatenate([*slots, np.empty(0, int)]).astype(int)
    return Queries(
        queries.user_row[which],
        queries.time_s[which],
        np.cumsum([0, *(len(slot) for slot in slots)]).astype(np.int64),
        queries.history_item[flat],
        queries.history_time_s[flat],
        queries.history_weight[flat],
    )
