"""From settings to a world: what happened, and why."""

import os
from dataclasses import dataclass

import numpy as np

from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.behaviour import Life, live
from graphrec.events.world.parts import make_parts
from graphrec.events.world.settings import Sizes, WorldSettings
from graphrec.events.world.tables import (
    make_dataset,
    make_ids,
)
from graphrec.events.world.truth import GroundTruth
from graphrec.events.world.words import TOPICS, niche_names

MOST_SHORT = 0.02
"""A world that ends with fewer events than wanted, by more than this share, is refused."""


@dataclass(frozen=True, slots=True)
class World:
    """A simulated platform.

    Attributes:
        dataset: What the platform logged.
        truth: What nobody on it can see.
        settings: What it was made from.
    """

    dataset: Dataset
    truth: GroundTruth
    settings: WorldSettings


def generate_world(settings: WorldSettings, *, threads: int | None = None) -> World:
    """Simulate a video platform over a period of days.

    Users with several drifting interests come in sessions, are shown pages drawn by a logging
    policy, watch, search, rate, like, report and come back more or less often; items appear, are
    found and age.

    Args:
        settings: The world. Equal settings give equal worlds, byte for byte.
        threads: Threads to use, by default one for each core; it does not change the world.

    Returns:
        The world. Its log holds `n_events` events, the edges of items and contexts among them; no
        event of an item comes before its publication or of a user before their sign-up.

    Raises:
        SettingsError: Sizes do not fit together, or so few users cannot make so many events.
    """
    parts = make_parts(settings)
    life = live(parts, threads=threads or len(os.sched_getaffinity(0)))
    ids = make_ids(settings, parts.catalogue, parts.sizes.users)
    dataset = make_dataset(settings, parts.catalogue, parts.people, ids, life.trace)
    _check_length(dataset.log, settings, parts.sizes)
    return World(dataset, truth_of(life), settings)


def truth_of(life: Life) -> GroundTruth:
    """What made the log, and where it left the users."""
    parts, standing = life.platform.parts, life.platform.standing
    response = parts.response
    topic = response.niche_topic.tolist()
    return GroundTruth(
        response.users,
        response.items,
        response.niche_topic,
        response.windows,
        response.habits,
        parts.catalogue.publisher_quality,
        parts.people.signup_s,
        life.day_rate,
        standing.goodwill,
        standing.left,
        standing.recent,
        np.array(list(TOPICS)[: max(topic) + 1]),
        np.array(niche_names(topic)),
    )


def _check_length(log: EventLog, settings: WorldSettings, sizes: Sizes) -> None:
    if len(log) < (1 - MOST_SHORT) * settings.n_events:
        raise SettingsError(
            f"n_events = {settings.n_events:,} — {sizes.users:,} users made {len(log):,} in "
            f"{settings.days} days; more users, more days or more max_sessions are needed"
        )
