"""What came of a policy: a life drawn by hand, and laws of a real one."""

import numpy as np
import pytest

from graphrec.arrays import DAY_S
from graphrec.evaluation.closed_loop import (
    MEASURES,
    OF_THINGS,
    OVER_DAYS,
    WHOLE,
    OutcomeSettings,
    outcomes_of,
    page_variety,
)
from graphrec.events.world.closed_loop import Lived
from graphrec.events.world.trace import Trace
from graphrec.events.world.truth import GroundTruth
from graphrec.kernels.world_loop import VISIT
from graphrec.kernels.world_response import HABITS, ITEM, USER, WINDOW
from graphrec.kernels.world_scene import ACT, LIKED, PAGE, REPORTED, SATISFIED, SEARCH, WATCH

START = 10 * DAY_S


def truth():
    """Three users (the last signs up at noon of the second day), four items of two publishers."""
    items = np.zeros(4, ITEM)
    items["topic"] = [0, 0, 1, 1]
    items["niche"] = [0, 1, 2, 2]
    items["publisher"] = [0, 0, 0, 1]
    items["bad"] = [0, 0, 0, 1]
    items["clickbait"] = [0, 1, 0, 0]
    items["published_s"] = [0, 0, START, START]
    return GroundTruth(
        np.zeros(4, USER),
        items,
        np.array([0, 0, 1], np.int32),
        np.zeros(0, WINDOW),
        np.zeros(1, HABITS),
        np.zeros(2),
        np.array([0, 0, START + DAY_S + DAY_S // 2, 0]),
        np.ones(12),
        np.zeros(4),
        np.zeros(4, np.bool_),
        np.full((4, 64), -1, np.int32),
        np.array(["one", "two"]),
        np.array(["a", "b", "c"]),
    )


def act(time_s, target, watched_s, answer=0, kind=WATCH):
    return (time_s, target, watched_s, kind, 0, answer, 0)


@pytest.fixture
def life():
    """Two days: user 0 on both, user 1 on the first, and leaves; user 3 had left before."""
    acts = np.array(
        [
            act(START + 100, 0, 120, SATISFIED | LIKED),
            act(START + 300, 3, 60, REPORTED),
            act(START + 900, 0, 0, kind=SEARCH),
            act(START + 5000, 1, 60),
            act(START + DAY_S + 100, 2, 360, SATISFIED),
        ],
        ACT,
    )
    pages = np.array(
        [
            (START + 90, START + 400, 4, 0b1001),
            (START + 4900, START + 5200, 2, 0b10),
            (START + DAY_S, START + DAY_S + 50, 3, 0),
        ],
        PAGE,
    )
    shown = np.array([[0, 1, 2, 3], [2, 1, -1, -1], [0, 1, 2, -1]], np.int32)
    trace = Trace(
        np.array([0, 0, 1, 1, 0], np.int32),
        acts,
        np.array([0, 1, 0], np.int32),
        pages,
        shown,
        np.ones((3, 4), np.float32),
    )
    visit = np.array([(START, START + 500), (START + 800, START + 5300), (-1, -1)], VISIT)
    visit = np.concatenate([visit, np.array([(START + DAY_S, START + DAY_S + 900)], VISIT)])
    return Lived(
        10,
        2,
        trace,
        np.array([0, 4, 5]),
        np.array([0, 2, 3]),
        np.array([0, 1, 1, 0], np.int32),
        visit,
        np.array([0, 3, 4]),
        np.array([-1, 0, -1, -1], np.int32),
        np.array([False, False, False, True]),
        np.array([0.5, -0.5, 0.0, 9.0]),
        0.0,
        1.0,
    )


def test_every_measure_of_a_life_by_hand(life):
    found = outcomes_of(life, truth(), OutcomeSettings(found_watches=1, found_days=1))
    value = {name: ratio.value for name, ratio in found.by_user.items()}
    days = 2 + 2 + 0.5
    assert value == pytest.approx(
        {
            "watch_minutes": 10 / days,
            "watches": 4 / days,
            "sessions": 3 / days,
            "minutes_a_session": 10 / 3,
            "ctr": 3 / 9,
            "page_ctr": 2 / 3,
            "satisfied": 2 / 4,
            "likes": 1 / 4,
            "reports": 1000 / 4,
            "bad_watches": 1 / 4,
            "clickbait_watches": 1 / 4,
            "goodwill": 0.0,
            "return_days": (2 + 1) / 2,
            "left": 1 / 3,
            "topics": (2 + 2 + 2) / 3,
            "niches": (3 + 2 + 3) / 3,
            "niche_entropy": (1.5 + 1 + np.log2(3)) / 3,
            "publisher_diversity": (6 / 12 + 0 + 0) / 3,
        }
    )
    assert list(value) == [measure.name for measure in MEASURES]
    assert all(len(ratio.total) == 3 for ratio in found.by_user.values())
    assert found.whole == pytest.approx(
        {
            "items_shown": 1.0,
            "publishers_watched": 1.0,
            "publisher_gini": 1 / 4,
            "new_items_found": 1.0,
        }
    )
    assert list(found.whole) == [measure.name for measure in WHOLE]
    assert set(found.by_thing) == set(OF_THINGS)
    for name, ratio in found.by_thing.items():
        assert ratio.value == pytest.approx(found.whole[name])
    over = {name: days.tolist() for name, days in found.over_days.items()}
    assert over == {
        "active_users": [2, 1],
        "watch_hours": pytest.approx([240 / 3600, 360 / 3600]),
        "satisfied_share": pytest.approx([1 / 3, 1]),
        "reports": [1, 0],
    }
    assert list(over) == [measure.name for measure in OVER_DAYS]


def test_variety_of_pages_by_hand():
    found = page_variety(np.array([[1, 1, 2, 2], [5, 5, 5, -1], [-1, -1, -1, -1]], np.int32))
    assert found.n_kinds.tolist() == pytest.approx([2, 1, 0])
    assert found.entropy.tolist() == pytest.approx([1, 0, 0])
    assert found.n_alike.tolist() == [4, 6, 0]
