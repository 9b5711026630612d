"""What a world consists of before anything happens in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from graphrec.arrays import DAY_S
from graphrec.errors import SettingsError
from graphrec.events.world.catalogue import Catalogue, make_catalogue
from graphrec.events.world.people import People, make_people
from graphrec.events.world.settings import Sizes, WorldSettings, derive_sizes
from graphrec.events.world.tables import context_events, context_windows
from graphrec.events.world.words import TOPICS
from graphrec.kernels.world_response import HABITS, Response


@dataclass(frozen=True, slots=True)
class WorldParts:
    """A world on its first midnight.

    Attributes:
        settings: What it is made from.
        sizes: How many of each there are.
        catalogue: What there is to watch.
        people: Who watches.
        response: How they answer.
        n_events: Events wanted of users: watches, searches, likes, ratings, reports, skips.
    """

    settings: WorldSettings
    sizes: Sizes
    catalogue: Catalogue
    people: People
    response: Response
    n_events: int


def make_parts(settings: WorldSettings) -> WorldParts:
    """Draw the items and the people of a world.

    Raises:
        SettingsError: Sizes do not fit together, or a context lifts a topic that is not there.
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
    return WorldParts(settings, sizes, catalogue, people, response, wanted)


def _habits(settings: WorldSettings) -> Shaped[np.ndarray, " one"]:
    habits = np.zeros(1, HABITS)
    habits["period_start_s"] = settings.start_s
    habits["period_end_s"] = settings.start_s + settings.days * DAY_S
    for name, value in settings.behaviour.model_dump().items():
        habits[name] = value
    return habits


def _check_contexts(settings: WorldSettings, sizes: Sizes) -> None:
    topics = list(TOPICS)[: sizes.topics]
    for context in settings.contexts:
        if context.topic not in topics:
            raise SettingsError(
                f"context {context.name!r} lifts topic {context.topic!r} — this world has "
                f"n_topics = {sizes.topics}: {', '.join(topics)}"
            )
