"""Pages joined with watches and answers, on a log small enough to read."""

import numpy as np
import pytest

from graphrec.events.log import EventLog
from graphrec.events.world.policy import ShownPages
from graphrec.events.world.tables import WORLD_EDGE_TYPES
from graphrec.pipeline.loop_lists import join_lists, lists_of_pages
from graphrec.pipeline.loop_outcomes import (
    CatalogueColumns,
    SatisfactionSettings,
    outcomes_of_pages,
)

KIND = {kind.name: place for place, kind in enumerate(WORLD_EDGE_TYPES)}
ITEMS = CatalogueColumns(
    np.array([100, 200, 300, 400], np.int32), np.array([False, False, False, True])
)


def log_of(*rows):
    time_s, kind, user, item, weight = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    return EventLog(
        np.array(time_s, np.int64),
        np.array([KIND[name] for name in kind], np.int8),
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(weight, np.float32),
        WORLD_EDGE_TYPES,
        {"user": 3, "item": 4},
    )


def pages_of(*rows):
    user, time_s, item, clicked = zip(*rows, strict=True)
    shown = np.array(item, np.int32)
    time_s = np.array(time_s, np.int64)
    chance = np.ones(shown.shape, np.float32)
    user = np.array(user, np.int32)
    return ShownPages(user, time_s, time_s + 5, shown, chance, np.array(clicked, bool))


LOG = log_of(
    (50, "watch", 0, 1, 0.9),  # before the page: another watch of the same item
    (1_010, "watch", 0, 1, 0.5),  # 100 s
    (1_111, "like", 0, 1, 1.0),
    (1_113, "rate", 0, 1, 2.0),
    (1_200, "watch", 0, 3, 0.25),  # 100 s, of a flagged item
    (2_005, "watch", 1, 2, 0.1),  # 30 s
    (2_036, "report", 1, 2, 1.0),
    (9_000, "watch", 1, 0, 1.0),
    (9_500, "report", 1, 0, 1.0),  # too late to be of that watch
)
PAGES = pages_of(
    (0, 1_000, [1, 0, 3], [True, False, True]),
    (1, 2_000, [2, 1, -1], [True, False, False]),
    (1, 8_990, [0, 3, 1], [True, False, False]),
    (2, 9_990, [0, 1, 2], [False, True, False]),
)


def test_outcomes_are_those_of_the_watch_that_came_of_each_place():
    found = outcomes_of_pages(PAGES, LOG, ITEMS, SatisfactionSettings())
    nan = np.nan
    engagement = [[1, 0, 1], [1, 0, nan], [1, 0, 0], [0, 1, 0]]
    np.testing.assert_array_equal(found.value[..., 0], engagement)
    # Half watched, liked, two stars of five: the mean of 0.5, 1 and 0.25.
    satisfaction = [[1.75 / 3, nan, 0.25], [0.1, nan, nan], [1, nan, nan], [nan, nan, nan]]
    np.testing.assert_allclose(found.value[..., 1], satisfaction, rtol=1e-6)
    responsibility = [[1, nan, 0], [0, nan, nan], [1, nan, nan], [nan, nan, nan]]
    np.testing.assert_array_equal(found.value[..., 2], responsibility)
    assert found.watch.tolist() == [[1, -1, 4], [5, -1, -1], [7, -1, -1], [-1, -1, -1]]
    assert found.over_s.tolist() == [1_200 + 100 + 60, 2_005 + 30 + 60, 9_000 + 100 + 60, 9_995]


def test_satisfaction_weighs_what_is_known_of_a_watch():
    only_share = SatisfactionSettings(rating=0.0, like=0.0)
    found = outcomes_of_pages(PAGES, LOG, ITEMS, only_share)
    assert found.value[0, 0, 1] == pytest.approx(0.5)
    found = outcomes_of_pages(PAGES, LOG, ITEMS, SatisfactionSettings(rating=3.0, like=0.0))
    assert found.value[0, 0, 1] == pytest.approx((0.5 + 3 * 0.25) / 4)


def test_an_empty_log_and_no_page_make_no_outcome():
    empty = LOG.take(slice(0, 0))
    found = outcomes_of_pages(PAGES, empty, ITEMS, SatisfactionSettings())
    assert np.isnan(found.value[..., 1:]).all() and (found.watch == -1).all()
    none = ShownPages(*(getattr(PAGES, name)[:0] for name in ShownPages.__slots__))
    assert outcomes_of_pages(none, LOG, ITEMS, SatisfactionSettings()).value.shape == (0, 3, 3)


def test_pages_become_lists_with_their_places_and_join_by_time():
    outcomes = outcomes_of_pages(PAGES, LOG, ITEMS, SatisfactionSettings())
    features = PAGES.item_row[..., None].astype(np.float32)
    lists = lists_of_pages(PAGES, outcomes, ("row",), features)
    assert lists.item_row.tolist() == [1, 0, 3, 2, 1, 0, 3, 1, 0, 1, 2]
    assert lists.position.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 2]
    later, earlier = lists.lists_between(2, 4), lists.lists_between(0, 2)
    joined = join_lists([later, earlier])
    for name in ("features", "list_ptr", "time_s", "user_row", "item_row", "position", "outcome"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(lists, name))
