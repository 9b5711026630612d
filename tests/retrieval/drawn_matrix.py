"""Random logs as full matrices, and the histories that go with them."""

import numpy as np
from hypothesis import strategies as st

from graphrec.events.history import HistoryIndex
from graphrec.stages import Interactions, Queries
from tests.worlds import watched

N_USERS, N_ITEMS, CUT_S = 6, 7, 1000

LOGS = st.lists(
    st.tuples(st.integers(0, 900), st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)),
    max_size=40,
).map(lambda rows: watched(sorted(rows), n_users=N_USERS, n_items=N_ITEMS))


def full_matrix(events: Interactions, *, once: bool = True) -> np.ndarray:
    used = np.zeros((events.n_users, events.n_items))
    np.add.at(used, (events.user_row, events.item_row), events.weight)
    return (used > 0).astype(float) if once else used


def everybody(events: Interactions) -> Queries:
    users = np.arange(events.n_users, dtype=np.int32)
    return HistoryIndex(events).queries(users, np.full(len(users), CUT_S))


def past_of(queries: Queries, query: int) -> list[tuple[int, float]]:
    own = queries.history(query)
    return list(
        zip(queries.history_item[own].tolist(), queries.history_weight[own].tolist(), strict=True)
    )
