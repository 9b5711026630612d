"""Which events of a log a temporal network is told of beside those it learns."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EdgeType, EventLog
from graphrec.tgn.settings import NetworkSettings
from graphrec.tgn.side_events import SIDE_TARGETS, SideKind, SideLog, SideNodes

_SIDE_ROLES: Final = ("search", "negative")


def side_log_of(
    dataset: Dataset, settings: NetworkSettings, names: Sequence[str] = ()
) -> SideLog | None:
    """Side events of users and events of contexts, as a network of these settings reads them.

    The whole log counts, as a query sees of it what lies before its own second.

    Args:
        dataset: The log.
        settings: Whether side events and contexts are read.
        names: Edge types of side events; none: all from users that occur, are of role search or
            negative, or lead to publishers.

    Returns:
        The events; None where the settings want none.

    Raises:
        SettingsError: The log has none, or an edge type is unknown or no side event of users.
    """
    if not settings.is_told_more:
        return None
    log = dataset.log
    places = _places(dataset, settings, names) if settings.side_events else []
    mine = log.take(np.isin(log.edge_type, np.array(places, np.int8)))
    kind = np.zeros(len(log.edge_types), np.int64)
    kind[places] = np.arange(len(places))
    moments = _moments(dataset, settings)
    nodes = SideNodes(
        tuple(_kind_of(log.edge_types[place]) for place in places),
        log.n_nodes.get("publisher", 0),
        log.n_nodes.get("keyword", 0),
        log.n_nodes.get("context", 0) if settings.context_hours else 0,
    )
    return SideLog(
        nodes,
        mine.time_s,
        mine.source_row.astype(np.int64),
        kind[mine.edge_type],
        mine.target_row.astype(np.int64),
        moments.time_s,
        moments.source_row.astype(np.int64),
    )


def _places(dataset: Dataset, settings: NetworkSettings, names: Sequence[str]) -> list[int]:
    """Positions of the edge types that are read."""
    log = dataset.log
    known = [kind.name for kind in log.edge_types]
    for name in names:
        if name not in known:
            raise SettingsError(
                f"side_types {name} — {dataset.name} has no such edge type; it has "
                f"{', '.join(known)}"
            )
        kind = log.edge_types[known.index(name)]
        if not _leads_from_users(kind):
            raise SettingsError(
                f"side_types {name} leads from {kind.source} to {kind.target} — must lead from "
                f"user to {', '.join(SIDE_TARGETS)}"
            )
    occurs = np.bincount(log.edge_type, minlength=len(known)) > 0
    places = [known.index(name) for name in dict.fromkeys(names)] or [
        place
        for place, kind in enumerate(log.edge_types)
        if occurs[place]
        and _leads_from_users(kind)
        and (kind.role in _SIDE_ROLES or kind.target == "publisher")
    ]
    if not occurs[places].any():
        wanted = f"of type {', '.join(names)}" if names else "that may be one"
        raise SettingsError(
            f"side_events {settings.side_events} — {dataset.name} has no event {wanted}: users' "
            "searches, role negative, and what leads to publishers"
        )
    return places


def _moments(dataset: Dataset, settings: NetworkSettings) -> EventLog:
    """The events that say that a context holds."""
    log = dataset.log
    places = [
        place
        for place, kind in enumerate(log.edge_types)
        if settings.context_hours and kind.source == "context" and kind.role == "occurs"
    ]
    found = log.take(np.isin(log.edge_type, np.array(places, np.int8)))
    if settings.context_hours and not len(found):
        raise SettingsError(
            f"context_hours {settings.context_hours} — {dataset.name} has no event of role occurs "
            "of a context"
        )
    return found


def _leads_from_users(kind: EdgeType) -> bool:
    return kind.source == "user" and kind.target in SIDE_TARGETS


def _kind_of(kind: EdgeType) -> SideKind:
    target = next(target for target in SIDE_TARGETS if target == kind.target)
    return SideKind(kind.name, target)
