"""Side events on the training device: what each user did last and which contexts hold at a moment.

Look-ups are binary searches over sorted keys, as in `event_index.py`: no step leaves the device.
"""

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from graphrec.tgn.keeping import Kept
from graphrec.tgn.questions import SideWindows
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SideLog


class SideIndex(Kept):
    """Side events by user, and events of contexts by context, both in order of time."""

    made_again = frozenset({"_by_user", "_kind", "_row", "_by_context"})

    def __init__(self, log: SideLog, settings: NetworkSettings, device: torch.device) -> None:
        """Index `log` for a network of these settings."""
        self._settings, self._device = settings, device
        self._hold(log)

    def windows(self, user: Int[Tensor, " queries"], now_s: Int[Tensor, " queries"]) -> SideWindows:
        """What lies strictly before the moment of each query, newest first.

        Args:
            user: Whose; -1 or one without side events has none.
            now_s: The moments, UTC seconds.
        """
        start, end = self._by_user.spans(user, now_s)
        at = end[:, None] - 1 - torch.arange(self._settings.side_events, device=self._device)
        present = at >= start[:, None]
        at = at.clamp(min=0)
        return SideWindows(
            torch.where(present, self._kind[at], 0),
            torch.where(present, self._row[at], 0),
            self._by_user.time_s[at],
            present,
            self._holding(now_s),
        )

    def absorb(self, more: SideLog) -> None:
        """Let events be known that were not, whenever they happened; costs a sort of all.

        In whatever order they arrive the same is known then, but for events of one user in one
        second: these keep the order of their arrival.

        Raises:
            DataError: They are of other kinds.
        """
        self._hold(self._log.joined_with(more))

    def _make_again(self) -> None:
        self._hold(self._log)

    def _hold(self, log: SideLog) -> None:
        self._log = log
        self._by_user = _ByNode(log.user_row, log.time_s, self._device)
        self._kind, self._row = (self._by_user.sorted(part) for part in (log.kind, log.row))
        self._by_context = _ByNode(log.context_row, log.context_time_s, self._device)

    def _holding(self, now_s: Int[Tensor, " queries"]) -> Bool[Tensor, "queries contexts"]:
        """Whether each context was last said to hold no longer ago than the settings allow."""
        context = torch.arange(self._log.nodes.n_contexts, device=self._device)
        moment_s = now_s[:, None].expand(-1, len(context))
        start, end = self._by_context.spans(context.expand_as(moment_s), moment_s)
        age_s = moment_s - self._by_context.time_s[(end - 1).clamp(min=0)]
        return (end > start) & (age_s <= round(self._settings.context_hours * 3600))


class _ByNode:
    """Events in order of node and time; behind them one of nobody, so that there always is one."""

    def __init__(
        self,
        node: Int64[np.ndarray, " events"],
        time_s: Int64[np.ndarray, " events"],
        device: torch.device,
    ) -> None:
        self._device = device
        self._order = np.lexsort([time_s, node])
        self._first_s = int(time_s[0]) if len(time_s) else 0
        # As many seconds as a moment can lie behind the first event and still change an answer.
        self._seconds = (int(time_s[-1]) - self._first_s if len(time_s) else 0) + 2
        key = (node * self._seconds + time_s - self._first_s)[self._order]
        self._key = torch.from_numpy(np.append(key, np.iinfo(np.int64).max)).to(device)
        self.time_s = self.sorted(time_s)

    def sorted(self, column: Int64[np.ndarray, " events"]) -> Int[Tensor, " events+1"]:
        """A column of the events in that order, 0 for the last."""
        return torch.from_numpy(np.append(column[self._order], 0)).to(self._device)

    def spans(
        self, node: Int[Tensor, "*batch"], before_s: Int[Tensor, "*batch"]
    ) -> tuple[Int[Tensor, "*batch"], Int[Tensor, "*batch"]]:
        """First place of each node's events strictly before a moment, and the place behind them."""
        first = node * self._seconds
        second = (before_s - self._first_s).clamp(0, self._seconds - 1)
        start = torch.searchsorted(self._key, first.contiguous())
        return start, torch.searchsorted(self._key, (first + second).contiguous())
