"""What was done and shown in a world, as its kernels leave it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, Shaped

from graphrec.kernels.world_scene import ACT, MAX_STEPS, PAGE, ROWS_PER_SESSION, Records


@dataclass(frozen=True, slots=True)
class Trace:
    """What was done and shown, in the order it was lived: day by day, user by user.

    Attributes:
        actor: User of each act.
        acts: Records of `ACT`.
        viewer: User of each page.
        pages: Records of `PAGE`.
        shown: Items by place; past a page's `n_shown` undefined.
        chance: Probability of each item at its place, given those above it.
    """

    actor: Int32[np.ndarray, " acts"]
    acts: Shaped[np.ndarray, " acts"]
    viewer: Int32[np.ndarray, " pages"]
    pages: Shaped[np.ndarray, " pages"]
    shown: Int32[np.ndarray, "pages places"]
    chance: Float32[np.ndarray, "pages places"]

    def skipped(self) -> Bool[np.ndarray, "pages places"]:
        """Places passed over: not watched, and above one that was."""
        at_place = self.pages["clicked"][:, None] >> np.arange(self.shown.shape[1])
        above: Bool[np.ndarray, "pages places"] = (at_place > 1) & (at_place & 1 == 0)
        return above

    def take(self, acts: Bool[np.ndarray, " acts"], pages: Bool[np.ndarray, " pages"]) -> "Trace":
        """Some of the acts and some of the pages, in their order."""
        return Trace(
            self.actor[acts],
            self.acts[acts],
            self.viewer[pages],
            self.pages[pages],
            self.shown[pages],
            self.chance[pages],
        )

    @classmethod
    def nothing(cls, n_places: int) -> "Trace":
        """A time without users."""
        return cls(
            np.empty(0, np.int32),
            np.empty(0, ACT),
            np.empty(0, np.int32),
            np.empty(0, PAGE),
            np.empty((0, n_places), np.int32),
            np.empty((0, n_places), np.float32),
        )

    @classmethod
    def join(cls, traces: list["Trace"]) -> "Trace":
        """One after the other; at least one."""
        return cls(
            *(np.concatenate([getattr(trace, name) for trace in traces]) for name in cls.__slots__)
        )

    @classmethod
    def of_records(
        cls,
        records: Records,
        user: Int32[np.ndarray, " some"],
        acts: tuple[Int64[np.ndarray, " some"], Int64[np.ndarray, " some"]],
        pages: tuple[Int64[np.ndarray, " some"], Int64[np.ndarray, " some"]],
    ) -> "Trace":
        """What users left in a kernel's wide records: the first row of each, and how many."""
        act, page = _written(*acts), _written(*pages)
        return cls(
            np.repeat(user, acts[1]),
            records.acts[act],
            np.repeat(user, pages[1]),
            records.pages[page],
            records.shown[page],
            records.chance[page],
        )


def empty_records(n_sessions: int, n_places: int) -> Records:
    """Room for so many sessions, as kernels write them."""
    n_pages = n_sessions * MAX_STEPS
    return Records(
        # A search leaves the columns of a watch as they are.
        np.zeros(n_sessions * ROWS_PER_SESSION, ACT),
        np.empty(n_pages, PAGE),
        np.empty((n_pages, n_places), np.int32),
        np.empty((n_pages, n_places), np.float32),
    )


def _written(
    start: Int64[np.ndarray, " some"], count: Int64[np.ndarray, " some"]
) -> Int64[np.ndarray, " written"]:
    """The positions `start[n]`, `start[n] + 1` and on, `count[n]` of them, for each n."""
    before = np.cumsum(count) - count
    written: Int64[np.ndarray, " written"]
    written = np.arange(count.sum()) + np.repeat(start - before, count)
    return written
