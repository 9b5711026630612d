"""Random logs for laws about the co-watch graph: ties, repeats, any order."""

import numpy as np
from hypothesis import strategies as st

from graphrec.graph.ageing import AgeingSettings
from graphrec.graph.settings import CoWatchSettings
from graphrec.stages import Interactions

START_S = 1_600_000_000
MODES = ("none", "half_life", "expected", "thinning")


@st.composite
def logs(draw, max_events=40):
    n = draw(st.integers(0, max_events))
    # Few distinct values, so that ties, repeats and shared edges are common.
    hours = draw(st.lists(st.integers(0, 60), min_size=n, max_size=n))
    users = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    items = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    weights = draw(st.lists(st.sampled_from([0.25, 1.0, 3.3]), min_size=n, max_size=n))
    ids = draw(st.lists(st.integers(0, max(n, 1)), min_size=n, max_size=n))
    return Interactions(
        START_S + 3600 * np.array(hours, np.int64),
        np.array(users, np.int32),
        np.array(items, np.int32),
        np.array(weights, np.float32),
        3,
        6,
        np.array(ids, np.uint64) if draw(st.booleans()) else None,
    )


@st.composite
def cowatch_settings(draw):
    return CoWatchSettings(
        window_hours=draw(st.sampled_from([0.0, 3.0, 24.0, 100.0])),
        max_successors=draw(st.sampled_from([1, 2, 20])),
        weighted=draw(st.booleans()),
        ageing=AgeingSettings(
            mode=draw(st.sampled_from(MODES)),
            half_life_days=draw(st.sampled_from([0.01, 30.0])),
            period_days=1,
            survival=0.6,
        ),
    )


def wide_log(n, seed=1):
    """Events of 40 users on 30 items over 90 days, sorted by time, in sessions."""
    rng = np.random.default_rng(seed)
    session = rng.integers(0, max(n // 4, 1), n)
    time_s = START_S + (session * 37_993) % (90 * 86_400) + rng.integers(0, 7200, n)
    order = np.argsort(time_s, kind="stable")
    return Interactions(
        time_s[order].astype(np.int64),
        (session % 40).astype(np.int32)[order],
        np.minimum(rng.geometric(0.1, n) - 1, 29).astype(np.int32),
        rng.choice(np.array([0.5, 1.0, 2.5], np.float32), n),
        40,
        30,
    )


def assert_same_graph(one, other):
    for name in ("ptr", "target_row", "cohort", "count"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(one.strength, other.strength, rtol=1e-6)
