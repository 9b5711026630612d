"""What events since the last batch build changed in the co-watch graph."""

import numpy as np
from jaxtyping import Float64, Int32

from graphrec.graph.settings import CoWatchSettings
from graphrec.graph.threads import close_gaps
from graphrec.graph.weighing import DatedEdges, EdgeColumns
from graphrec.kernels.edge_changes import add_changes, count_chains, merge_changes, move_table

_FEWEST_SLOTS = 4096
_LARGEST_LOAD = 0.6


class EdgeDelta:
    """Sums of changes by (source node, target, cohort), read together with a batch-built graph.

    Takes 20 bytes a slot (28 where strengths are real), at most 3 of 5 slots taken, and 8 bytes a
    node.
    """

    def __init__(self, settings: CoWatchSettings) -> None:
        """Start with no change and no node."""
        self._settings = settings
        self._batch = 0
        self.reset(0)

    def __len__(self) -> int:
        return self._n

    def reset(self, n_nodes: int) -> None:
        """Forget every change; nodes from 0 to `n_nodes - 1` exist."""
        self._n = 0
        self._allocate(_FEWEST_SLOTS)
        self._head = np.full((n_nodes, 2), -1, np.int32)

    def grow(self, n_nodes: int) -> None:
        """Let nodes up to `n_nodes - 1` exist."""
        n_more = n_nodes - len(self._head)
        if n_more > 0:
            # A quarter to spare, so that new items do not each copy the whole.
            spare = np.full((n_more + n_nodes // 4, 2), -1, np.int32)
            self._head = np.concatenate([self._head, spare])

    def begin_batch(self) -> None:
        """Let `absorb` tell which nodes change from here on."""
        self._batch = (self._batch + 1) % np.iinfo(np.int32).max

    def absorb(
        self, change: Int32[np.ndarray, "changes 4"], strength: Float64[np.ndarray, " _"]
    ) -> Int32[np.ndarray, " nodes"]:
        """Add changes (source node, target row, cohort, sign) with their signed strengths.

        Returns:
            Source nodes that this batch had not changed before.
        """
        self._make_room(len(change))
        changed = np.empty(len(change), np.int32)
        n_changed = np.zeros(1, np.int64)
        self._n += add_changes(
            len(change),
            change,
            strength,
            self._table,
            self._strength,
            self._next_slot,
            self._head,
            self._batch,
            changed,
            n_changed,
        )
        return changed[: n_changed[0]]

    def merged(self, base: DatedEdges) -> DatedEdges:
        """The edges of `base` with their changes, in arrays of their own.

        Args:
            base: Entries of some nodes in the batch-built graph.
        """
        n_base = int((base.stop - base.start).sum())
        room = n_base + count_chains(base.node, self._head, self._next_slot)
        ptr = np.empty(len(base.node) + 1, np.int64)
        edges = EdgeColumns.empty(room, self._settings)
        n = merge_changes(
            base.node,
            base.start,
            base.stop,
            base.target_row,
            base.cohort,
            base.count,
            base.strength,
            self._head,
            self._next_slot,
            self._table,
            self._strength,
            ptr,
            *edges.columns(),
        )
        close_gaps(edges.columns(), np.zeros(1, np.int64), [n])
        return DatedEdges(base.node, ptr[:-1], ptr[1:], *edges.columns())

    def _allocate(self, n_slots: int) -> None:
        self._table = np.zeros((n_slots, 4), np.int32)
        self._table[:, 0] = -1
        self._strength = np.zeros(n_slots if self._settings.real else 0, np.float64)
        self._next_slot = np.empty(n_slots, np.int32)

    def _make_room(self, n_more: int) -> None:
        needed = int((self._n + n_more) / _LARGEST_LOAD) + 1
        if needed <= len(self._table):
            return
        table, strength = self._table, self._strength
        self._allocate(1 << needed.bit_length())
        self._n = move_table(
            table, strength, self._table, self._strength, self._next_slot, self._head
        )
