"""Queries as the rooms exchange them become windows: the way in for serving and evaluation."""

import numpy as np
import torch
from jaxtyping import Bool, Int64

from graphrec.stages import Queries
from graphrec.tgn.questions import EventRows, Windows
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_index import SideIndex


def windows_of_queries(
    queries: Queries,
    settings: NetworkSettings,
    device: torch.device,
    side: SideIndex | None = None,
) -> Windows:
    """The newest events of each query's history, with the rows their states need.

    Args:
        queries: Histories, newest first; an anonymous session's is as good as a user's.
        settings: How many events are read.
        device: Where the windows go.
        side: What the windows hold besides; None: nothing.
    """
    context = settings.context if settings.state_layers else settings.window
    length = np.diff(queries.history_ptr)
    place = np.arange(context)
    at = np.minimum(queries.history_ptr[:-1, None] + place, max(0, len(queries.history_item) - 1))
    present = place < length[:, None]
    if len(queries.history_item):
        item = np.where(present, queries.history_item[at], 0).astype(np.int64)
        time_s = np.where(present, queries.history_time_s[at], 0).astype(np.int64)
    else:
        item = np.zeros(at.shape, np.int64)
        time_s = np.zeros(at.shape, np.int64)
    n, window = len(queries), settings.window
    newest = _newest(item[:, :window], present[:, :window])
    rows, where = None, None
    if settings.state_layers:
        segment = np.where(present, np.arange(n)[:, None], -1)
        rows = EventRows(
            *(
                torch.from_numpy(np.ascontiguousarray(part[:, ::-1])).to(device)
                for part in (item, time_s, segment)
            )
        )
        newest_first = context - 1 - np.arange(window)
        at = np.where(present[:, :window], np.arange(n)[:, None] * context + newest_first, 0)
        where = torch.from_numpy(at).to(device)
    user = torch.from_numpy(queries.user_row.astype(np.int64)).to(device)
    now_s = torch.from_numpy(queries.time_s).to(device)
    return Windows(
        torch.from_numpy(item[:, :window].copy()).to(device),
        torch.from_numpy(time_s[:, :window].copy()).to(device),
        torch.from_numpy(present[:, :window].copy()).to(device),
        torch.from_numpy(newest).to(device),
        where,
        user,
        now_s,
        torch.from_numpy(length.astype(np.int64)).to(device),
        rows,
        side.windows(user, now_s) if side else None,
    )


def _newest(
    item: Int64[np.ndarray, "users window"], present: Bool[np.ndarray, "users window"]
) -> Bool[np.ndarray, "users window"]:
    """Whether no newer event, which stands further left, has the same item."""
    shown = np.where(present, item, -1 - np.arange(item.shape[1]))
    order = np.argsort(shown, axis=1, kind="stable")
    in_order = np.take_along_axis(shown, order, axis=1)
    first = np.ones(item.shape, bool)
    first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    newest = np.empty(item.shape, bool)
    np.put_along_axis(newest, order, first, axis=1)
    return newest & present
