"""How much predicting each event counts, and what it is compared with besides."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl
from jaxtyping import Int64

from graphrec.arrays import NO_ROW
from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.experiment.settings import DataSettings
from graphrec.stages import Interactions

_WITHIN_S: Final = 24 * 3600
"""Longest time from a refusal to the event that it is held against."""


def weighed_events(
    events: Interactions, dataset: Dataset, data: DataSettings, weights: Mapping[str, float]
) -> Interactions:
    """The events with their weights multiplied by those of their types.

    Args:
        events: What `events_of(dataset, data)` gave.
        dataset: The log.
        data: Which of its events count.
        weights: By event type; a type that is not named has weight 1.

    Raises:
        DataError: The log declares no such type.
    """
    if not weights:
        return events
    log = dataset.log
    for name in weights:
        log.type_index(name)
    types = tuple(replace(kind, weight=weights.get(kind.name, 1.0)) for kind in log.edge_types)
    plain = replace(log, edge_types=types, weight=np.ones(len(log), np.float32))
    told = plain.interactions(roles=data.learn_from, names=data.event_types, weighted=True)
    return replace(events, weight=events.weight * told.weight)


def refused_items(
    dataset: Dataset, events: Interactions
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """What users turned down, held against the next thing they took within a day.

    Events of role `negative` count, and items of shown lists that were not clicked.

    Args:
        dataset: The log and its shown lists.
        events: What is learnt, sorted by time; nothing is held against anything else.

    Returns:
        Position in `events` and item of each pair.

    Raises:
        SettingsError: There is none.
    """
    refused = dataset.log.interactions(roles={"negative"})
    user = [refused.user_row.astype(np.int64)]
    time_s = [refused.time_s]
    item = [refused.item_row.astype(np.int64)]
    if dataset.impressions is not None and len(dataset.impressions):
        shown = _shown_alone(dataset.impressions)
        user.append(dataset.ids["user"].rows(shown["user_id"]).astype(np.int64))
        time_s.append(shown["time_s"].cast(pl.Int64).to_numpy())
        item.append(dataset.ids["item"].rows(shown["shown"]).astype(np.int64))
    users, times_s, items = (np.concatenate(part) for part in (user, time_s, item))
    known = (users != NO_ROW) & (items != NO_ROW)
    position = _next_event(events, users, times_s)
    taken = known & (position >= 0)
    if not taken.any():
        raise SettingsError(
            f"learn_refusals — {dataset.name} holds no refusal in the day before an event"
        )
    return position[taken], items[taken]


def _shown_alone(impressions: pl.DataFrame) -> pl.DataFrame:
    """One row for each item that was shown and not clicked."""
    shown, clicked = pl.col("shown"), pl.col("clicked")
    if impressions.schema["shown"] != impressions.schema["clicked"]:
        as_text = pl.List(pl.String)
        shown, clicked = shown.cast(as_text), clicked.cast(as_text)
    left = impressions.select("user_id", "time_s", shown.list.set_difference(clicked))
    return left.explode("shown", empty_as_null=True).drop_nulls("shown")


def _next_event(
    events: Interactions, user: Int64[np.ndarray, " pairs"], time_s: Int64[np.ndarray, " pairs"]
) -> Int64[np.ndarray, " pairs"]:
    """Position of each user's first event at or after a time; -1 for none within a day."""
    if not len(events) or not len(user):
        return np.full(len(user), -1, np.int64)
    order = np.lexsort([events.time_s, events.user_row])
    start = min(int(events.time_s[0]), int(time_s.min()))
    span = max(int(events.time_s[-1]), int(time_s.max())) - start + 1
    key = events.user_row[order].astype(np.int64) * span + events.time_s[order] - start
    at = np.searchsorted(key, user * span + time_s - start)
    position = order[np.minimum(at, len(order) - 1)].astype(np.int64)
    late_s = events.time_s[position] - time_s
    found = (at < len(order)) & (events.user_row[position] == user) & (late_s <= _WITHIN_S)
    return np.where(found, position, -1)
