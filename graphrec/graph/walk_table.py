"""The co-watch graph laid out for walking: one look for a node's row, one for a step."""

from typing import Final

import numpy as np
from jaxtyping import Int32, Int64, UInt32, UInt64

from graphrec.errors import DataError
from graphrec.graph.edges import WeightedEdges
from graphrec.graph.threads import available_threads, balanced_bounds, run_blocks
from graphrec.kernels.alias_rows import DEGREE_BITS, fill_rows, move_rows

_DEGREE_MASK: Final = (1 << DEGREE_BITS) - 1
_SMALL: Final = 100_000
_SPARE_CELLS: Final = 1024


class WalkTable:
    """Alias rows of every node's edges, changeable row by row.

    Node 0 is the cold-start node, item row i is node i + 1. Takes 12 bytes an edge and 16 a node.
    Rows lie in one arena: a row that outgrows its room moves to the arena's end with half as much
    room again, and the arena is packed anew when more than half of it is left behind.
    """

    def __init__(self) -> None:
        """Start with the cold-start node alone."""
        self._place = np.zeros(1, np.uint64)
        self._room = np.zeros(1, np.int64)
        self._cells = np.empty((0, 3), np.uint32)
        self._n_nodes = 1
        self._end = 0
        self._n_edges = 0
        self._max_degree = 0

    @classmethod
    def build(cls, edges: WeightedEdges) -> "WalkTable":
        """The table of a whole graph.

        Args:
            edges: Row n holds node n's edges.

        Raises:
            DataError: A weight is not finite and positive, a target has no node, or a node has
                2^26 edges or more.
        """
        table = cls()
        degree = np.diff(edges.ptr)
        table._n_nodes = len(degree)
        _check_edges(edges, table._n_nodes - 1)
        table._end = table._n_edges = len(edges.target_row)
        # The spare quarter is memory that is never touched until rows move there.
        n_cells = table._end + table._end // 4 + _SPARE_CELLS
        table._cells = np.empty((n_cells, 3), np.uint32)
        table._place = _packed(edges.ptr[:-1], degree)
        table._room = degree.astype(np.int64)
        table._max_degree = int(degree[1:].max(initial=0))
        _fill(edges, edges.ptr[:-1], table._cells)
        return table

    @property
    def n_items(self) -> int:
        """Items that have a node."""
        return self._n_nodes - 1

    @property
    def n_edges(self) -> int:
        """Edges in the table."""
        return self._n_edges

    @property
    def n_cells(self) -> int:
        """Cells of the arena in use, rows left behind included."""
        return self._end

    @property
    def max_degree(self) -> int:
        """Most edges that lead from one item."""
        return self._max_degree

    @property
    def place(self) -> UInt64[np.ndarray, " nodes"]:
        """Per node `start << 26 | degree`."""
        return self._place[: self._n_nodes]

    @property
    def cells(self) -> UInt32[np.ndarray, "cells 3"]:
        """The arena: (threshold, target item row, alias item row)."""
        return self._cells

    def degree(self, nodes: Int32[np.ndarray, " nodes"]) -> Int64[np.ndarray, " nodes"]:
        """How many edges lead from each node; 0 where there is no such node."""
        known = (nodes >= 0) & (nodes < self._n_nodes)
        place = self._place[np.where(known, nodes, 0)]
        degree = _degrees(place)
        degree[~known] = 0
        return degree

    def grow(self, n_items: int) -> None:
        """Let item rows up to `n_items - 1` exist."""
        n_nodes = n_items + 1
        if n_nodes > len(self._place):
            n_more = max(n_nodes, len(self._place) * 5 // 4) - len(self._place)
            self._place = np.concatenate([self._place, np.zeros(n_more, np.uint64)])
            self._room = np.concatenate([self._room, np.zeros(n_more, np.int64)])
        self._n_nodes = max(self._n_nodes, n_nodes)

    def update_nodes(self, nodes: Int32[np.ndarray, " nodes"], edges: WeightedEdges) -> None:
        """Replace the rows of some nodes; walks come out as from a table built anew.

        Args:
            nodes: The nodes, each once; `grow` first where they are new.
            edges: Row i holds the edges of `nodes[i]`.

        Raises:
            DataError: As in `build`, or a node does not exist or stands twice.
        """
        if not len(nodes):
            return
        if nodes.min() < 0 or nodes.max() >= self._n_nodes or len(np.unique(nodes)) < len(nodes):
            raise DataError(f"nodes to update — each once and in [0, {self._n_nodes})")
        _check_edges(edges, self.n_items)
        degree = np.diff(edges.ptr)
        old_degree = self.degree(nodes)
        start = self._make_room(nodes, degree)
        _fill(edges, start, self._cells)
        self._place[nodes] = _packed(start, degree)
        self._n_edges += int(degree.sum() - old_degree.sum())
        self._follow_max_degree(nodes, old_degree, degree)
        if self._end > 2 * self._n_edges + _SPARE_CELLS:
            self._pack()

    def _make_room(
        self, nodes: Int32[np.ndarray, " nodes"], degree: Int64[np.ndarray, " nodes"]
    ) -> Int64[np.ndarray, " nodes"]:
        """Where each row starts from now on."""
        start = _starts(self._place[nodes])
        moves = degree > self._room[nodes]
        room = degree[moves] + degree[moves] // 2 + 1
        start[moves] = self._end + np.cumsum(room) - room
        self._room[nodes[moves]] = room
        self._end += int(room.sum())
        if self._end > len(self._cells):
            cells = np.empty((self._end + self._end // 2 + _SPARE_CELLS, 3), np.uint32)
            cells[: len(self._cells)] = self._cells
            self._cells = cells
        return start

    def _follow_max_degree(
        self,
        nodes: Int32[np.ndarray, " nodes"],
        old_degree: Int64[np.ndarray, " nodes"],
        degree: Int64[np.ndarray, " nodes"],
    ) -> None:
        of_item = nodes > 0
        highest = int(degree[of_item].max(initial=0))
        if highest < self._max_degree <= int(old_degree[of_item].max(initial=0)):
            everyone = np.arange(1, self._n_nodes, dtype=np.int32)
            highest = int(self.degree(everyone).max(initial=0))
            self._max_degree = 0
        self._max_degree = max(self._max_degree, highest)

    def _pack(self) -> None:
        """Move every row to a fresh arena without gaps."""
        place = self.place
        degree, start = _degrees(place), _starts(place)
        packed = np.cumsum(degree) - degree
        self._end = int(degree.sum())
        cells = np.empty((self._end + self._end // 4 + _SPARE_CELLS, 3), np.uint32)
        move_rows(start, degree, self._cells, packed, cells)
        self._cells = cells
        self._place[: self._n_nodes] = _packed(packed, degree)
        self._room[: self._n_nodes] = degree


def _packed(
    start: Int64[np.ndarray, " nodes"], degree: Int64[np.ndarray, " nodes"]
) -> UInt64[np.ndarray, " nodes"]:
    return (start.astype(np.uint64) << np.uint64(DEGREE_BITS)) | degree.astype(np.uint64)


def _degrees(place: UInt64[np.ndarray, " nodes"]) -> Int64[np.ndarray, " nodes"]:
    return np.asarray(place & np.uint64(_DEGREE_MASK), dtype=np.int64)


def _starts(place: UInt64[np.ndarray, " nodes"]) -> Int64[np.ndarray, " nodes"]:
    return np.asarray(place >> np.uint64(DEGREE_BITS), dtype=np.int64)


def _fill(
    edges: WeightedEdges,
    start: Int64[np.ndarray, " nodes"],
    cells: UInt32[np.ndarray, "cells 3"],
) -> None:
    n_threads = available_threads() if len(edges.target_row) > _SMALL else 1
    n_blocks = 1 if n_threads == 1 else 4 * n_threads
    bounds = balanced_bounds(edges.ptr, n_blocks)

    def fill_block(block: int) -> None:
        fill_rows(
            edges.ptr,
            edges.target_row,
            edges.weight,
            start,
            bounds[block],
            bounds[block + 1],
            cells,
        )

    run_blocks(fill_block, n_blocks, n_threads)


def _check_edges(edges: WeightedEdges, n_items: int) -> None:
    highest_degree = int(np.diff(edges.ptr).max(initial=0))
    if highest_degree > _DEGREE_MASK:
        raise DataError(f"a node has {highest_degree:,} edges — at most {_DEGREE_MASK:,}")
    if not len(edges.target_row):
        return
    low, high = int(edges.target_row.min()), int(edges.target_row.max())
    if low < 0 or high >= n_items:
        row = low if low < 0 else high
        raise DataError(f"an edge leads to item row {row} — must be in [0, {n_items})")
    lightest, heaviest = float(edges.weight.min()), float(edges.weight.max())
    if not (lightest > 0 and np.isfinite(heaviest)):
        raise DataError(f"an edge weighs {lightest} to {heaviest} — must be finite and positive")
