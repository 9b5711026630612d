"""Everything that events have left in the network's nodes, brought up to date event by event."""

import torch
from jaxtyping import Int, Int64
from numpy import ndarray
from torch import Tensor

from graphrec.stages import Interactions
from graphrec.tgn.keeping import Kept
from graphrec.tgn.live import LiveItems
from graphrec.tgn.live_memory import LiveMemory
from graphrec.tgn.live_visits import LiveVisits
from graphrec.tgn.neighbours import Visits
from graphrec.tgn.network import TemporalNetwork
from graphrec.tgn.questions import ItemHistory
from graphrec.tgn.settings import NeighbourSettings


class TemporalState(Kept, ItemHistory):
    """Popularity and memories of all nodes as of the last event absorbed.

    However the events are cut into calls and whenever late ones come, the same events end in the
    same state, to rounding.
    """

    row_per_item = True
    made_again = frozenset({"states", "memory", "message"})

    def __init__(self, network: TemporalNetwork, device: torch.device) -> None:
        """Start before the first event.

        Args:
            network: Makes the messages that memories are made of.
            device: Where the state is kept; the network's.
        """
        self._items = LiveItems(network.n_items, network.scale_s, device)
        self._memory: LiveMemory | None = None
        if network.memory is not None:
            self._memory = LiveMemory(network, network.codes().detach())
        self._visits: LiveVisits | None = None
        if network.settings.neighbours is not None:
            self._visits = LiveVisits(network.n_items, network.settings.neighbours, device)
        self._hand_over()

    @torch.no_grad()
    def renew(self, network: TemporalNetwork) -> None:
        """Follow a network that has gained items or has other weights.

        New items have a state in which nothing happened to them. What memories hold was told by the
        weights of its time and stays; later events are told by these.
        """
        self._items.grow(network.n_items)
        if self._memory is not None:
            self._memory.grow(network.codes())
        if self._visits is not None:
            self._visits.grow(network.n_items)
        self._hand_over()

    def absorb(self, events: Interactions) -> Int64[ndarray, " items"]:
        """Let events happen, in whatever order they arrive.

        Returns:
            The items whose state changed, each once. Beside these only the memories of the events'
            users change, unless an event came after later ones of its own user.
        """
        touched = self._items.absorb(events)
        if self._memory is not None:
            self._memory.absorb(events)
        if self._visits is not None:
            self._visits.absorb(events)
        self._hand_over()
        return touched

    @torch.no_grad()
    def refresh(self, network: TemporalNetwork) -> None:
        """Compute all memories anew with the network's weights as they stand."""
        if self._memory is not None:
            self._memory.refresh(network.codes())
        self._hand_over()

    def state_rows(
        self, query: Int[Tensor, "*batch"], item: Int[Tensor, "*batch"]
    ) -> Int[Tensor, "*batch"]:
        """Row of `states` for each item; -1 for one that nothing has happened to."""
        return self._items.state_rows(query, item)

    def visits(self, item: Int[Tensor, "queries tokens"], settings: NeighbourSettings) -> Visits:
        """The newest visits of each query's items.

        Raises:
            ValueError: The network of this state looks up no neighbours, or others.
        """
        if self._visits is None or self._visits.settings != settings:
            raise ValueError("the state was made for a network of other neighbours")
        return self._visits.visits(item)

    def _make_again(self) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        self.states = self._items.states
        if self._memory is not None:
            self.memory, self.message = self._memory.table, self._memory.message
