"""What a policy may be told: nothing before it is over."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int32

from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages
from graphrec.events.world.tables import ActRows, act_rows
from graphrec.events.world.trace import Trace


@dataclass(frozen=True, slots=True)
class Told:
    """What became known in a span of time.

    Attributes:
        events: By start.
        pages: By start.
    """

    events: EventLog
    pages: ShownPages


class News:
    """Holds what has happened until it is over."""

    def __init__(
        self, described: EventLog, duration_s: Int32[np.ndarray, " items"], n_places: int
    ) -> None:
        """Start with what is told at its time whatever users do.

        Args:
            described: Publications, keywords and contexts to come.
            duration_s: Of each item, seconds.
            n_places: Places of a page.
        """
        self._described = described
        self._n_described = 0
        self._duration_s = duration_s
        self._n_places = n_places
        self._acts: list[ActRows] = []
        self._pages: list[ShownPages] = []

    def add(self, trace: Trace) -> None:
        """Note what users did, whether it is over or not."""
        if len(trace.acts):
            self._acts += [part for part in act_rows(trace, self._duration_s) if len(part.time_s)]
        if len(trace.pages):
            self._pages.append(shown_pages(trace))

    def tell(self, until_s: int) -> Told:
        """Hand on what was over before `until_s` and has not been told."""
        acts = [np.concatenate(column) for column in zip(*self._acts, strict=True)]
        described = self._next_described(until_s)
        columns = [
            getattr(described, name)
            for name in ("time_s", "edge_type", "source_row", "target_row", "weight")
        ]
        if acts:
            over = acts[-1] < until_s
            self._acts = [] if over.all() else [ActRows(*(column[~over] for column in acts))]
            columns = [
                np.concatenate([mine, column[over]])
                for mine, column in zip(columns, acts[:-1], strict=True)
            ]
        order = np.argsort(columns[0], kind="stable")
        time_s, kind, source, target, weight = (column[order] for column in columns)
        events = replace(
            described,
            time_s=time_s,
            edge_type=kind,
            source_row=source,
            target_row=target,
            weight=weight,
        )
        return Told(events, self._pages_over(until_s))

    def _next_described(self, until_s: int) -> EventLog:
        first = self._n_described
        self._n_described = int(np.searchsorted(self._described.time_s, until_s, side="left"))
        return self._described.take(slice(first, self._n_described))

    def _pages_over(self, until_s: int) -> ShownPages:
        if not self._pages:
            return shown_pages(Trace.nothing(self._n_places))
        whole = _join(self._pages)
        over = whole.end_s < until_s
        self._pages = [] if over.all() else [_pages_at(whole, ~over)]
        found = _pages_at(whole, over)
        return _pages_at(found, np.argsort(found.time_s, kind="stable"))


def shown_pages(trace: Trace) -> ShownPages:
    """The pages of a trace, in its order."""
    place = np.arange(trace.shown.shape[1])
    is_shown = place < trace.pages["n_shown"][:, None]
    clicked: Bool[np.ndarray, "pages places"]
    clicked = is_shown & ((trace.pages["clicked"][:, None] >> place) & 1 == 1)
    return ShownPages(
        trace.viewer,
        trace.pages["time_s"].copy(),
        trace.pages["end_s"].copy(),
        np.where(is_shown, trace.shown, np.int32(-1)),
        np.where(is_shown, trace.chance, np.float32(0)),
        clicked,
    )


def _pages_at(pages: ShownPages, which: np.ndarray) -> ShownPages:
    return ShownPages(*(getattr(pages, name)[which] for name in ShownPages.__slots__))


def _join(parts: list[ShownPages]) -> ShownPages:
    return ShownPages(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ShownPages.__slots__)
    )
