"""What the network is asked: whose past, read when, against which states of the items."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphrec.tgn.item_states import Found, MemoryTable, StateTable
from graphrec.tgn.neighbours import Visits
from graphrec.tgn.settings import NeighbourSettings


@dataclass(frozen=True, slots=True)
class EventRows:
    """Stretches of users' events in order of time: what event states are computed over.

    Attributes:
        item: Item of each event; 0 where there is none.
        time_s: UTC seconds, never decreasing within a segment.
        segment: Whose event it is; events of different segments do not see each other. -1 where
            there is no event.
    """

    item: Int[Tensor, "rows places"]
    time_s: Int[Tensor, "rows places"]
    segment: Int[Tensor, "rows places"]


@dataclass(frozen=True, slots=True)
class SideWindows:
    """The newest side events of each query's user, newest first, and the contexts that hold.

    Attributes:
        kind: Kind of each event; 0 where there is none.
        row: Node that it leads to, within the type that its kind says.
        time_s: UTC seconds.
        present: Whether there is an event.
        holds: Whether each context holds.
    """

    kind: Int[Tensor, "queries side"]
    row: Int[Tensor, "queries side"]
    time_s: Int[Tensor, "queries side"]
    present: Bool[Tensor, "queries side"]
    holds: Bool[Tensor, "queries contexts"]


@dataclass(frozen=True, slots=True)
class Windows:
    """The newest events of each query's user, newest first, and what each item has gone through.

    Attributes:
        item: Item of each event; 0 where there is none.
        time_s: UTC seconds.
        present: Whether there is an event.
        newest: Whether no newer event of the window has the same item.
        place: Where the event stands in `rows`, flattened; None where the network has no event
            states.
        user: The user, -1 for anonymous.
        now_s: The moment of each query, UTC seconds.
        n_past: Events of the user before the query, also those beyond the window.
        rows: Events that states are computed over; None as `place`.
        side: Side events and contexts; None where the network reads none.
    """

    item: Int[Tensor, "queries window"]
    time_s: Int[Tensor, "queries window"]
    present: Bool[Tensor, "queries window"]
    newest: Bool[Tensor, "queries window"]
    place: Int[Tensor, "queries window"] | None
    user: Int[Tensor, " queries"]
    now_s: Int[Tensor, " queries"]
    n_past: Int[Tensor, " queries"]
    rows: EventRows | None
    side: SideWindows | None = None

    def ages_s(self) -> Int[Tensor, "queries window"]:
        """Seconds between each event and its query; 0 where an event comes later."""
        return (self.now_s[:, None] - self.time_s).clamp(min=0)

    def without_times(self) -> "Windows":
        """The same windows as if everything had happened at the moment of the query.

        The rows keep their times: they decide what came strictly before what.
        """
        zero_s = torch.zeros_like(self.now_s)
        return replace(self, time_s=torch.zeros_like(self.time_s), now_s=zero_s)


class ItemHistory:
    """Finds the state of an item as it was known to a query.

    Attributes:
        states: States, a row each.
        memory: Memories in the same rows; None where the network has none.
        message: What an event with each item adds to what its user remembers; None where it has to
            be computed from the items' vectors, as in training.
        row_per_item: Whether every query knows the same rows, one for each item in its order; those
            of items that nothing has happened to are 0 in sums and counts.
    """

    states: StateTable
    memory: MemoryTable | None = None
    message: Float[Tensor, "items scales parts"] | None = None
    row_per_item: bool = False

    def find(self, item: Int[Tensor, "queries places"], now_s: Int[Tensor, " queries"]) -> Found:
        """Where the state of each item lies.

        Args:
            item: Items that each query asks for.
            now_s: The moment of each query, UTC seconds.
        """
        if self.row_per_item:
            known, at = self.states.count.take(item) > 0, item
        else:
            query = torch.arange(len(item), device=item.device)[:, None]
            row = self.state_rows(query.expand_as(item), item)
            known, at = row >= 0, row.clamp(min=0)
        age_s = now_s[:, None] - self.states.time_s.take(at)
        return Found(known, at, age_s.clamp(min=0))

    def state_rows(
        self, query: Int[Tensor, "*batch"], item: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` for each item as query number `query` knows it; -1 for none."""
        raise NotImplementedError

    def visits(self, item: Int[Tensor, "queries tokens"], settings: NeighbourSettings) -> Visits:
        """The newest visits of each query's items, as the query knows them."""
        raise NotImplementedError
