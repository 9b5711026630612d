"""The event log: everything that happened, as timed, typed edges."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int32, Int64, UInt64

from graphrec.errors import DataError
from graphrec.stages import Interactions

NodeType = Literal["user", "item", "publisher", "keyword", "context"]
Role = Literal["positive", "negative", "explicit", "search", "describes", "occurs"]
LEARNT_ROLES: frozenset[Role] = frozenset({"positive", "explicit"})
"""Roles of user-item events that count as a watch unless a caller says otherwise."""


@dataclass(frozen=True, slots=True)
class EdgeType:
    """A kind of event.

    Attributes:
        name: As written in the log's `event_type` column, such as `watch`.
        source: Node type at the start of the edge.
        target: Node type at its end.
        role: What the edge says; see DESIGN words.
        weight: Strength of one such event, unitless, > 0.
    """

    name: str
    source: NodeType
    target: NodeType
    role: Role
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EventLog:
    """Timed, typed edges sorted by time; events of equal time keep the order they were read in.

    Attributes:
        time_s: UTC seconds, never decreasing.
        edge_type: Index into `edge_types`.
        source_row: Row inside the edge type's source node type.
        target_row: Row inside the edge type's target node type.
        weight: Strength or rating value as read, unitless; 1 where the log gives none.
        edge_types: The kinds of event that may occur.
        n_nodes: How many rows each node type has.
        event_id: 64-bit key of the caller's event id, or None where the log has no ids.
    """

    time_s: Int64[np.ndarray, " events"]
    edge_type: Int8[np.ndarray, " events"]
    source_row: Int32[np.ndarray, " events"]
    target_row: Int32[np.ndarray, " events"]
    weight: Float32[np.ndarray, " events"]
    edge_types: tuple[EdgeType, ...]
    n_nodes: Mapping[NodeType, int]
    event_id: UInt64[np.ndarray, " events"] | None = None

    def __post_init__(self) -> None:
        if len(self.time_s) and bool((np.diff(self.time_s) < 0).any()):
            raise DataError("event log is not sorted by time — sort it stably first")

    def __deepcopy__(self, memo: dict[int, object]) -> "EventLog":
        """Itself: nothing changes a log, which may be millions of events."""
        return self

    def __len__(self) -> int:
        return len(self.time_s)

    def take(
        self, which: Int64[np.ndarray, " some"] | Bool[np.ndarray, " events"] | slice
    ) -> "EventLog":
        """The events at `which` (increasing positions, a mask or a slice)."""
        return replace(
            self,
            time_s=self.time_s[which],
            edge_type=self.edge_type[which],
            source_row=self.source_row[which],
            target_row=self.target_row[which],
            weight=self.weight[which],
            event_id=None if self.event_id is None else self.event_id[which],
        )

    def before(self, cut_s: int) -> "EventLog":
        """The events strictly before `cut_s` (UTC seconds)."""
        return self.take(slice(0, int(np.searchsorted(self.time_s, cut_s, side="left"))))

    def since(self, cut_s: int) -> "EventLog":
        """The events at or after `cut_s` (UTC seconds)."""
        return self.take(slice(int(np.searchsorted(self.time_s, cut_s, side="left")), None))

    def type_index(self, name: str) -> int:
        """Position of the edge type called `name`.

        Raises:
            DataError: The log declares no such type.
        """
        for index, edge_type in enumerate(self.edge_types):
            if edge_type.name == name:
                return index
        known = ", ".join(edge_type.name for edge_type in self.edge_types)
        raise DataError(f"unknown event type {name!r} — the log declares {known}")

    def interactions(
        self,
        *,
        roles: Collection[Role] = LEARNT_ROLES,
        names: Collection[str] | None = None,
        weighted: bool = False,
    ) -> Interactions:
        """The user–item events that count as a watch.

        Args:
            roles: Roles that count.
            names: Edge type names that count, instead of roles.
            weighted: Give each event its edge type's weight times its own value; otherwise every
                event has weight 1.
        """
        counted = [
            index
            for index, edge_type in enumerate(self.edge_types)
            if edge_type.source == "user"
            and edge_type.target == "item"
            and (edge_type.role in roles if names is None else edge_type.name in names)
        ]
        chosen = self.take(np.isin(self.edge_type, np.array(counted, dtype=np.int8)))
        type_weight = np.array([t.weight for t in self.edge_types], dtype=np.float32)
        weight = (
            chosen.weight * type_weight[chosen.edge_type]
            if weighted
            else np.ones(len(chosen), dtype=np.float32)
        )
        return Interactions(
            chosen.time_s,
            chosen.source_row,
            chosen.target_row,
            weight,
            self.n_nodes.get("user", 0),
            self.n_nodes.get("item", 0),
            chosen.event_id,
        )
