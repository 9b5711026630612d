"""What a pipeline remembers in a simulated world: shows, clicks of arms, and what follows items."""

import numpy as np
import pytest

from graphrec.arrays import DAY_S
from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages
from graphrec.events.world.tables import WORLD_EDGE_TYPES
from graphrec.experiment.loop_memory import LoopMemory
from graphrec.experiment.loop_settings import LoopWatchNext
from graphrec.graph.watch_next import WatchNextSettings
from graphrec.pipeline.loop_outcomes import CatalogueColumns
from graphrec.slate.demotion import DemotionSettings
from graphrec.slate.exploration import ExplorationSettings
from graphrec.slate.settings import SlateSettings

ITEMS = CatalogueColumns(np.array([100, 100, 300, 300], np.int32), np.zeros(4, np.bool_))
GROUPS = {
    "publisher": np.full(4, -1, np.int32),
    "category": np.array([0, 0, 1, 1], np.int32),
}
NO_PAGES = ShownPages(
    np.empty(0, np.int32),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty((0, 2), np.int32),
    np.empty((0, 2), np.float32),
    np.empty((0, 2), np.bool_),
)


def watches(*rows):
    time_s, user, item = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    n = len(rows)
    return EventLog(
        np.array(time_s, np.int64),
        np.zeros(n, np.int8),
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.ones(n, np.float32),
        WORLD_EDGE_TYPES,
        {"user": 9, "item": 4},
    )


# Item 0 is followed by 100 s, item 1 by nothing; item 2 by 300 s, item 3 by nothing.
LOG = watches((0, 0, 0), (110, 0, 1), (0, 1, 2), (310, 1, 3), (9 * DAY_S, 2, 0))


@pytest.mark.parametrize(
    ("less", "expected"),
    [
        ("nothing", [100, 0, 300, 0]),
        ("mean", [0, -100, 200, -100]),
        ("category", [50, -50, 150, -150]),
    ],
)
def test_what_follows_is_counted_from_nothing_the_mean_or_its_category(less, expected):
    chosen = LoopWatchNext(
        table=WatchNextSettings(prior_count=0, less_user=False), unit_minutes=1.0, less=less
    )
    memory = LoopMemory(SlateSettings(), chosen, ITEMS, GROUPS)
    memory.absorb(LOG, NO_PAGES)
    found = memory.value_after(np.arange(4, dtype=np.int32)) * 60.0
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_nothing_is_known_of_what_follows_unless_it_is_asked_for():
    memory = LoopMemory(SlateSettings(), None, ITEMS, GROUPS)
    memory.absorb(LOG, NO_PAGES)
    assert np.isnan(memory.value_after(np.arange(4, dtype=np.int32))).all()
    assert memory.shown is None and memory.counts is None


def test_shows_are_remembered_until_they_are_watched_and_clicks_are_counted_by_arm():
    slate = SlateSettings(
        demotion=DemotionSettings(),
        exploration=ExplorationSettings(method="thompson", level="category"),
    )
    memory = LoopMemory(slate, None, ITEMS, GROUPS)
    pages = ShownPages(
        np.array([3], np.int32),
        np.array([50], np.int64),
        np.array([60], np.int64),
        np.array([[2, 0]], np.int32),
        np.ones((1, 2), np.float32),
        np.array([[True, False]]),
    )
    memory.absorb(watches((52, 3, 2)), pages)
    assert memory.shown.read(3, np.array([0, 2], np.int32), 61).tolist() == pytest.approx(
        [1, 0], abs=1e-4
    )
    clicks, skips = memory.counts.read(np.array([0, 1], np.int32))
    assert clicks.tolist() == [0, 1] and skips.tolist() == [1, 0]
