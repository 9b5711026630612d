"""Who used what: the users × items matrix that neighbourhood and linear models learn from."""

from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from graphrec.checks import refuse_future
from graphrec.events.batches import EventBatches
from graphrec.stages import Interactions

Values = Literal["once", "summed"]


def interaction_matrix(events: Interactions, values: Values = "once") -> csr_array:
    """The users × items matrix of `events`, float64, columns ascending within a row.

    Args:
        events: Events in any order.
        values: `once`: 1 where the user ever used the item. `summed`: the sum of the weights.
    """
    shape = (events.n_users, events.n_items)
    weight = events.weight.astype(np.float64)
    matrix = csr_array((weight, (events.user_row, events.item_row)), shape=shape)
    matrix.sum_duplicates()
    if values == "once":
        matrix.data[:] = 1.0
    return matrix


class RefitSchedule:
    """The events a model was or will be fitted on, and when a new fit is due."""

    def __init__(self, refit_every_events: int | None) -> None:
        """Refit after so many absorbed events; None keeps the model of the fit."""
        self._every = refit_every_events
        self._events = EventBatches()
        self._n_waiting = 0
        self.n_users = 0
        self.n_items = 0

    @property
    def absorbs(self) -> bool:
        """Whether absorbing ever changes the model."""
        return self._every is not None

    def start(self, events: Interactions, cut_s: int, name: str) -> Interactions:
        """Forget everything and begin with `events`, which are returned.

        Raises:
            LeakageError: An event is at or after `cut_s`.
        """
        refuse_future(events, cut_s, name)
        self._events = EventBatches(events) if self.absorbs else EventBatches()
        self._n_waiting = 0
        self.n_users, self.n_items = events.n_users, events.n_items
        return events

    def add(self, events: Interactions) -> Interactions | None:
        """Note absorbed `events`; returns all events so far once a new fit is due."""
        self.n_users = max(self.n_users, events.n_users)
        self.n_items = max(self.n_items, events.n_items)
        if self._every is None:
            return None
        self._events.append(events)
        self._n_waiting += len(events)
        if self._n_waiting < self._every:
            return None
        self._n_waiting = 0
        return self._events.joined()
