"""What users did beside the events that are learnt, and which contexts held: as NumPy arrays.

A search leads from a user to a keyword, following to a publisher, reporting to an item. Rows are
those of the node's own type, so that none moves when another type grows.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Int64

from graphrec.errors import DataError

SideTarget = Literal["item", "publisher", "keyword"]
SIDE_TARGETS: Final[tuple[SideTarget, ...]] = ("item", "publisher", "keyword")


@dataclass(frozen=True, slots=True)
class SideKind:
    """A kind of side event.

    Attributes:
        name: The edge type's name, such as `search`.
        target: Type of the nodes that it leads to.
    """

    name: str
    target: SideTarget


@dataclass(frozen=True, slots=True)
class SideNodes:
    """What side events may be: what a network needs to know before the first of them.

    Attributes:
        kinds: Their kinds.
        n_publishers: Publishers that have a row.
        n_keywords: Keywords that have a row.
        n_contexts: Contexts that have a row.
    """

    kinds: tuple[SideKind, ...] = ()
    n_publishers: int = 0
    n_keywords: int = 0
    n_contexts: int = 0


@dataclass(frozen=True, slots=True)
class SideLog:
    """Side events of users and events of contexts, each sorted by time; ties keep their order.

    Attributes:
        nodes: What the events may be.
        time_s: When a user did something, UTC seconds.
        user_row: Who.
        kind: Index into `nodes.kinds`.
        row: Node that the event leads to, within the type that its kind says.
        context_time_s: When something said that a context holds, UTC seconds.
        context_row: Which.
    """

    nodes: SideNodes
    time_s: Int64[np.ndarray, " events"]
    user_row: Int64[np.ndarray, " events"]
    kind: Int64[np.ndarray, " events"]
    row: Int64[np.ndarray, " events"]
    context_time_s: Int64[np.ndarray, " moments"]
    context_row: Int64[np.ndarray, " moments"]

    def __post_init__(self) -> None:
        for name, time_s in (("side", self.time_s), ("context", self.context_time_s)):
            if bool((np.diff(time_s) < 0).any()):
                raise DataError(f"{name} events are not sorted by time — sort them stably first")
        n_kinds = len(self.nodes.kinds)
        if len(self.kind) and not 0 <= self.kind.min() <= self.kind.max() < n_kinds:
            raise DataError(
                f"kinds of side events from {self.kind.min()} to {self.kind.max()} — there are "
                f"{n_kinds}"
            )

    def __len__(self) -> int:
        return len(self.time_s)

    def take(self, which: Int64[np.ndarray, " some"] | Bool[np.ndarray, " events"]) -> "SideLog":
        """The users' events at `which` (increasing positions or a mask), and all contexts."""
        return replace(
            self,
            time_s=self.time_s[which],
            user_row=self.user_row[which],
            kind=self.kind[which],
            row=self.row[which],
        )

    def joined_with(self, later: "SideLog") -> "SideLog":
        """Both logs in order of time; of equal times, `later` stands behind.

        Raises:
            DataError: `later` has other kinds.
        """
        if later.nodes.kinds != self.nodes.kinds:
            ours, theirs = (", ".join(k.name for k in log.nodes.kinds) for log in (self, later))
            raise DataError(f"side events of kinds {theirs or 'none'} — known are {ours or 'none'}")
        order = _order(self.time_s, later.time_s)
        moment = _order(self.context_time_s, later.context_time_s)
        return SideLog(
            self.nodes,
            *(
                np.concatenate([getattr(self, name), getattr(later, name)])[order]
                for name in ("time_s", "user_row", "kind", "row")
            ),
            *(
                np.concatenate([getattr(self, name), getattr(later, name)])[moment]
                for name in ("context_time_s", "context_row")
            ),
        )


def _order(
    time_s: Int64[np.ndarray, " events"], later_s: Int64[np.ndarray, " more"]
) -> Int64[np.ndarray, " both"]:
    return np.argsort(np.concatenate([time_s, later_s]), kind="stable")
