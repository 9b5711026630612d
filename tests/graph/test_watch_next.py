"""The WatchNext table: by hand, against its slow twin, and in batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrec.arrays import DAY_S
from graphrec.errors import DataError
from graphrec.events.world import WorldSettings, generate_world
from graphrec.graph.credibility import credibility_count
from graphrec.graph.watch_next import (
    LiveWatchNext,
    WatchNextSettings,
    WatchNextTable,
    watched_seconds,
)
from graphrec.kernels.watch_next import sum_following
from graphrec.stages import Interactions
from tests.reference.watch_next import following_slowly

FAR = 10**9


def watches(rows, n_items=4):
    """Events given as (time_s, user_row, item_row, watched_s)."""
    columns = np.array(rows, np.int64).reshape(-1, 4)
    return Interactions(
        columns[:, 0].copy(),
        columns[:, 1].astype(np.int32),
        columns[:, 2].astype(np.int32),
        columns[:, 3].astype(np.float32),
        int(columns[:, 1].max(initial=-1)) + 1,
        n_items,
    )


def table_of(rows, n_items=4, group=None, **settings):
    live = LiveWatchNext(WatchNextSettings(**{"less_user": False, **settings}))
    live.absorb(watches(rows, n_items), FAR)
    return live.table(group)


#   user 0: item 0 (60 s), then item 1 (120 s), a pause of an hour, item 2 (300 s)
#   user 1: item 0 (30 s), then item 2 (90 s)
STORY = [
    (0, 0, 0, 60),
    (100, 0, 1, 120),
    (3820, 0, 2, 300),
    (50, 1, 0, 30),
    (100, 1, 2, 90),
]


def test_a_session_ends_at_a_pause():
    table = table_of(STORY, prior_count=0)
    assert table.value_s.tolist() == pytest.approx([(120 + 90) / 2, 0, 0, table.mean_s])
    assert table.count.tolist() == [2, 1, 2, 0]
    assert table.mean_s == pytest.approx(210 / 5)


def test_without_a_pause_the_window_alone_counts():
    table = table_of(STORY, prior_count=0, gap_minutes=None)
    assert table.value_s[:3].tolist() == pytest.approx([(420 + 90) / 2, 300, 0])
    short = table_of(STORY, prior_count=0, gap_minutes=None, window_minutes=60)
    # 3,820 s after item 0 is outside the hour; 3,720 s after item 1 as well.
    assert short.value_s[:3].tolist() == pytest.approx([105, 0, 0])


def test_rare_items_lean_on_their_group_and_it_on_everyone():
    group = np.array([0, 0, 1, 1], np.int32)
    table = table_of(STORY, group=group, prior_count=3)
    # Of the groups' 3 and 2 watches 2 and 0 were followed by any; all of it 105 s in the mean.
    prior = credibility_count(
        np.array([3.0, 2.0]), np.array([2.0, 0.0]), np.array([2.0, 0.0]), np.zeros(2, np.int64)
    )
    first, second = (2 + prior * 0.4) / (3 + prior), (0 + prior * 0.4) / (2 + prior)
    chance = np.array([(2 + 3 * first) / 5, 3 * first / 4, 3 * second / 5, second])
    assert table.value_s.tolist() == pytest.approx((chance * 105).tolist())
    assert table.prior_counts == (3, 3)


def test_what_heavy_watchers_like_does_not_pass_for_what_brings_watching_about():
    """Half of the users mostly go on, and like item 0; after item 1 all go on a bit more."""
    rng = np.random.default_rng(4)
    rows = []
    for user in range(60):
        heavy = user < 30
        for session in range(60):
            for step in range(20):
                item = int(rng.random() < (0.2 if heavy else 0.8))
                rows.append((session * DAY_S + 400 * step, user, item, 300))
                if rng.random() > (0.65 if heavy else 0.25) + 0.1 * item:
                    break
    naive, fair = table_of(rows), table_of(rows, less_user=True)
    assert naive.value_s[0] > naive.value_s[1] + 60
    assert fair.value_s[1] > fair.value_s[0] + 30
    assert fair.mean_s == naive.mean_s


def test_what_nobody_watched_is_followed_by_nothing():
    nobody = [(time_s, -1, item, watched_s) for time_s, _, item, watched_s in STORY]
    table = table_of([*STORY, *nobody], prior_count=0)
    assert table.value_s.tolist() == table_of(STORY, prior_count=0).value_s.tolist()
    assert table.count.tolist() == [2, 1, 2, 0]


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(0, 80)), max_size=25
)


@given(EVENTS, st.integers(1, 200), st.integers(0, 60))
def test_the_kernel_sums_what_its_slow_twin_sums(events, window_s, gap_s):
    order = sorted(range(len(events)), key=lambda n: (events[n][0], events[n][1]))
    columns = np.array([events[n] for n in order], np.int64).reshape(-1, 3)
    out = np.empty(len(columns), np.int64)
    user = columns[:, 0].astype(np.int32)
    sum_following(user, columns[:, 1].copy(), columns[:, 2].copy(), window_s, gap_s, out)
    slow = following_slowly(events, window_s, gap_s)
    assert out.tolist() == [slow[n] for n in order]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 90_000), st.integers(0, 2), st.integers(0, 3), st.integers(1, 900)
        ),
        max_size=40,
        # Of one user and second the order in which they are told counts.
        unique_by=lambda row: row[:2],
    ),
    st.lists(st.integers(0, 90_000), max_size=5),
)
def test_batches_learn_what_one_batch_learns_though_watches_are_told_when_over(rows, borders):
    settings = WatchNextSettings(window_minutes=60, gap_minutes=20, wait_minutes=15)
    rows = sorted(rows, key=lambda row: row[0])
    batched = LiveWatchNext(settings)
    told = set()
    for until_s in [*sorted(borders), FAR]:
        over = [n for n, row in enumerate(rows) if row[0] + row[3] < until_s and n not in told]
        told.update(over)
        batched.absorb(watches([rows[n] for n in over]), until_s)
    whole = LiveWatchNext(settings)
    whole.absorb(watches(rows), FAR)
    assert batched.table().value_s.tolist() == whole.table().value_s.tolist()
    assert batched.table().count.tolist() == whole.table().count.tolist()
    assert batched.n_waiting == whole.n_waiting == 0


def test_a_watch_is_judged_only_when_its_window_is_over():
    live = LiveWatchNext(WatchNextSettings(window_minutes=10, wait_minutes=5))
    live.absorb(watches([(0, 0, 0, 60)]), 901)
    assert live.n_waiting == 0
    live.reset()
    live.absorb(watches([(0, 0, 0, 60)]), 900)
    assert live.n_waiting == 1 and live.table().count.sum() == 0
    live.absorb(watches([(70, 0, 1, 30)]), 901)
    assert live.table().count.tolist() == [1, 0, 0, 0]
    assert live.table().mean_s == 30


def test_the_future_and_times_that_go_back_are_refused():
    live = LiveWatchNext()
    with pytest.raises(DataError, match="not before until_s 100"):
        live.absorb(watches([(100, 0, 0, 1)]), 100)
    live.absorb(watches([(99, 0, 0, 1)]), 100)
    with pytest.raises(DataError, match="goes back from 100"):
        live.absorb(watches([]), 99)
    with pytest.raises(DataError, match="watched seconds from -1"):
        live.absorb(watches([(100, 0, 0, -1)]), 200)
    with pytest.raises(DataError, match="groups of 2 items"):
        live.table(np.zeros(2, np.int32))


def test_showing_is_worth_the_click_and_what_follows():
    table = WatchNextTable(np.array([120.0, 0.0]), np.ones(2, np.int64), 60.0, (1.0, 1.0), 0)
    item = np.array([[0, 1, -1]], np.int32)
    click = np.array([[0.1, 0.2, 0.9]], np.float32)
    worth = table.value_of_showing(item, click, 60.0)
    assert worth.tolist()[0] == pytest.approx([0.1 * 3, 0.2, 0.0])
    with pytest.raises(DataError, match="unit_s = 0"):
        table.value_of_showing(item, click, 0.0)


def test_in_a_simulated_world_episodes_are_followed_by_more():
    """Where series go on by themselves, what has a next episode keeps people longer."""
    world = generate_world(WorldSettings(n_events=30_000, seed=2))
    events = watched_seconds(world.dataset.log, world.dataset.items["duration_s"].to_numpy())
    live = LiveWatchNext()
    live.absorb(events, FAR * 10)
    items = world.truth.items
    table = live.table(items["publisher"].copy())
    assert np.isfinite(table.prior_counts[0]) and (table.value_s >= 0).all()
    goes_on, watched = items["next_item"] >= 0, table.count > 0
    assert table.value_s[goes_on].mean() > 1.02 * table.value_s[~goes_on].mean()
    value, durations = table.value_s[watched], items["duration_s"]
    assert np.corrcoef(value, items["quality"][watched])[0, 1] > 0.2
    assert np.corrcoef(value, durations[watched])[0, 1] < 0.6
    assert (events.weight <= durations[events.item_row]).all()
    with pytest.raises(DataError, match="3 durations"):
        watched_seconds(world.dataset.log, durations[:3].copy())
