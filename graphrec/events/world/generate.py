"""From settings to a world: what happened, and why."""

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from graphrec.arrays import DAY_S
from graphrec.errors import SettingsError
from graphrec.events.dataset import Dataset
from graphrec.events.log import EventLog
from graphrec.events.world.behaviour import Life, live
from graphrec.events.world.catalogue import Catalogue, make_catalogue
from graphrec.events.world.people import People, make_people
from graphrec.events.world.settings import Sizes, WorldSettings, derive_sizes
from graphrec.events.world.tables import (
    context_events,
    context_windows,
    make_dataset,
    make_ids,
)
from graphrec.events.world.truth import GroundTruth
from graphrec.events.world.words import TOPICS, niche_names
from graphrec.kernels.world_response import HABITS, Response

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
    sizes = derive_sizes(settings)
    _check_contexts(settings, sizes)
    catalogue = make_catalogue(settings, sizes)
    people = make_people(settings, sizes, catalogue)
    windows = context_windows(settings)
    response = Response(
        people.records,
        catalogue.items,
        catalogue.topics.of_niche,
        windows,
        _habits(settings),
    )
    described = len(catalogue.items) + len(catalogue.keywords.item_row)
    wanted = settings.n_events - described - len(context_events(windows)[0])
    if wanted < settings.n_events / 4:
        raise SettingsError(
            f"n_events = {settings.n_events:,} — {sizes.items:,} items with their publishers and "
            f"keywords make {described:,} of them, which leaves too few for users"
        )
    live_threads = threads or len(os.sched_getaffinity(0))
    life = live(settings, catalogue, people, response, wanted, threads=live_threads)
    ids = make_ids(settings, catalogue, sizes.users)
    dataset = make_dataset(settings, catalogue, people, ids, life)
    _check_length(dataset.log, settings, sizes)
    return World(dataset, _truth(people, catalogue, response, life), settings)


def _habits(settings: WorldSettings) -> Shaped[np.ndarray, " one"]:
    habits = np.zeros(1, HABITS)
    habits["period_start_s"] = settings.start_s
    habits["period_end_s"] = settings.start_s + settings.days * DAY_S
    for name, value in settings.behaviour.model_dump().items():
        habits[name] = value
    return habits


def _truth(people: People, catalogue: Catalogue, response: Response, life: Life) -> GroundTruth:
    topic = response.niche_topic.tolist()
    return GroundTruth(
        response.users,
        response.items,
        response.niche_topic,
        response.windows,
        response.habits,
        catalogue.publisher_quality,
        people.signup_s,
        life.day_rate,
        life.standing.goodwill,
        life.standing.left,
        life.standing.recent,
        np.array(list(TOPICS)[: max(topic) + 1]),
        np.array(niche_names(topic)),
    )


def _check_contexts(settings: WorldSettings, sizes: Sizes) -> None:
    topics = list(TOPICS)[: sizes.topics]
    for context in settings.contexts:
        if context.topic not in topics:
            raise SettingsError(
                f"context {context.name!r} lifts topic {context.topic!r} — this world has "
                f"n_topics = {sizes.topics}: {', '.join(topics)}"
            )


def _check_length(log: EventLog, settings: WorldSettings, sizes: Sizes) -> None:
    if len(log) < (1 - MOST_SHORT) * settings.n_events:
        raise SettingsError(
            f"n_events = {settings.n_events:,} — {sizes.users:,} users made {len(log):,} in "
            f"{settings.days} days; more users, more days or more max_sessions are needed"
        )
